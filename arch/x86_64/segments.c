/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments.  64-bit mode leaves four things for them to do: the privilege level, where SYSCALL and
 * SYSRET find their selectors, which stack a trap from user mode starts on (TSS.rsp0), and which
 * stack an exception gets that must not use the current one.
 *
 * The latter are double fault, NMI, machine check and debug: they can strike where the stack is bad
 * or where %gs is not the kernel's yet.  At the top of each of their stacks lies this processor's
 * struct percpu pointer, so that entry.S finds its way without trusting %gs:
 *
 *	struct exception_stack   [ bytes ........ | percpu | pad ]
 *	                                          ^ IST pointer; the processor pushes below it
 *
 * The TSS's I/O bitmap starts at its limit: user mode has no ports.
 */
#include <machine/param.h>
#include <machine/percpu.h>
#include <machine/registers.h>
#include <machine/segments.h>

#define EXCEPTION_STACK_SIZE (2 * PAGE_SIZE)
#define TSS_PRESENT_BITS     0x0000890000000000ul /* present, 64-bit TSS, available */
#define GDT_SLOTS	     8

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7]; /* slot n is ist[n - 1] */
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap_base;
} __attribute__((packed));

struct exception_stack {
	char bytes[EXCEPTION_STACK_SIZE - 2 * sizeof(uint64_t)];
	struct percpu *percpu;
	uint64_t pad;
} __attribute__((aligned(16)));

struct cpu_segments {
	uint64_t gdt[GDT_SLOTS];
	struct tss tss;
	struct exception_stack stacks[IST_COUNT];
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static struct cpu_segments
    boot_segments; /* of the boot processor, which needs it before there is a heap */

/* fill: tables that depend on their own addresses. */
static void
fill(struct cpu_segments *s, struct percpu *p)
{
	uint64_t tss = (uintptr_t)&s->tss;

	s->gdt[GDT_KERNEL_CODE / 8] = GDT_BITS_KERNEL_CODE;
	s->gdt[GDT_KERNEL_DATA / 8] = GDT_BITS_KERNEL_DATA;
	s->gdt[GDT_USER_DATA / 8] = GDT_BITS_USER_DATA;
	s->gdt[GDT_USER_CODE / 8] = GDT_BITS_USER_CODE;
	s->gdt[GDT_TSS / 8] = TSS_PRESENT_BITS | (sizeof(s->tss) - 1) | (tss & 0xffffff) << 16 |
			      (tss >> 24 & 0xff) << 56;
	s->gdt[GDT_TSS / 8 + 1] = tss >> 32;

	s->tss.iomap_base = sizeof(s->tss);
	for (int i = 0; i < IST_COUNT; i++) {
		s->stacks[i].percpu = p;
		s->tss.ist[i] = (uintptr_t)&s->stacks[i].percpu;
	}
}

size_t
segments_size(void)
{
	return sizeof(struct cpu_segments);
}

void
segments_init(struct percpu *p, void *memory)
{
	struct cpu_segments *s = memory != NULL ? memory : &boot_segments;
	struct table_pointer gdtr = {sizeof(s->gdt) - 1, (uintptr_t)s->gdt};

	fill(s, p);
	p->tss = &s->tss;
	segments_set_kernel_stack(p, p->kernel_stack);
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "movl %%eax, %%ss\n\t"
			 "movl %3, %%eax\n\t"
			 "ltr %%ax"
			 :
			 : "m"(gdtr), "i"(GDT_KERNEL_CODE), "i"(GDT_KERNEL_DATA), "i"(GDT_TSS)
			 : "rax", "memory");
}

void
segments_set_kernel_stack(struct percpu *p, uintptr_t top)
{
	struct tss *tss = p->tss;

	p->kernel_stack = top;
	tss->rsp[0] = top;
}

bool
segments_on_exception_stack(uintptr_t addr, size_t size)
{
	const struct cpu_segments *s;
	uintptr_t start, end;

	if (curcpu()->tss == NULL)
		return false;
	s = (const struct cpu_segments *)((char *)curcpu()->tss -
					  offsetof(struct cpu_segments, tss));
	start = (uintptr_t)s->stacks;
	end = (uintptr_t)(s->stacks + IST_COUNT);
	return addr >= start && addr < end && end - addr >= size;
}

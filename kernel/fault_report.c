/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports of faults.
 *
 *	fault: process 7 (stack), thread 12: write to 0x7fffdffff000, which is in the guard of a stack
 *	  below 0x000000406000-0x000000407000 rw- max rwx, ends 0x7fffdfbf9000 bytes lower
 *	  here  0x7fffdffff000-0x7ffffffdf000 --- max --- stack gap
 *	  above 0x7ffffffdf000-0x7ffffffff000 rw- max rwx stack, begins 0x1ffe0000 bytes higher
 *	  rip   0x401234, in region 0x000000401000-0x000000404000, 0x234 bytes from its start
 *	  ... registers ...
 *
 * The text is made with the map's read lock held and printed when it is released, so a slow console
 * delays no other thread of the process.  The kernel's own faults are reported in the same words,
 * without locks: their holder may be the one who fell.
 */
#include <machine/pmap.h>
#include <machine/trap.h>
#include <pagoda/abi.h>
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include "kernel/base/string.h"
#include "kernel/fault_report.h"
#include "kernel/proc.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vmspace.h"

#define LINE_SIZE	160
#define TEXT_SIZE	512
#define THREADS_PRINTED 32
#define NOT_TRANSLATED	16 /* upper bits of an address, copies of the one below them */

static bool
is_canonical(uint64_t addr)
{
	return (uint64_t)((int64_t)(addr << NOT_TRANSLATED) >> NOT_TRANSLATED) == addr;
}

static const char *
access_name(vm_prot_t access)
{
	if ((access & VM_PROT_WRITE) != 0)
		return "write to";
	return (access & VM_PROT_EXECUTE) != 0 ? "execution of" : "read of";
}

/* ---- Why ---- */

/* What a stack may need to grow. */
struct stack_limits {
	struct limit stack, vmem;
};

/* why_no_growth: addr is below a stack, above its guard, and was not given to it. */
static const char *
why_no_growth(vm_map_t map, const struct vm_map_entry *gap, uintptr_t addr,
	      const struct stack_limits *limits)
{
	const struct vmspace *vm = curthread()->proc->vmspace;
	bool main_stack = addr >= vm->vm_maxsaddr && addr < vm->vm_stacktop;

	if (main_stack && vm->vm_stacktop - trunc_page(addr) > limits->stack.cur)
		return "below the main stack, beyond its limit";
	if (map->size + gap->end - trunc_page(addr) > limits->vmem.cur)
		return "below a stack, beyond the limit of the address space";
	if ((map->flags & VM_MAP_WIREFUTURE) != 0)
		return "below a stack that can be wired no further";
	return "below a stack for which there is no memory";
}

/* why_gap: an address in a stack's gap that was not given to the stack. */
static const char *
why_gap(vm_map_t map, const struct vm_map_entry *e, uintptr_t addr,
	const struct stack_limits *limits)
{
	if (addr - e->start < e->gap_guard)
		return "in the guard of a stack";
	if ((e->next->eflags & VM_ENTRY_GROWS_DOWN) == 0 || e->next->start != e->end)
		return "reserved for a stack that is gone";
	return why_no_growth(map, e, addr, limits);
}

/* why_mapped: an address in an entry that did not allow the access. */
static const char *
why_mapped(const struct vm_map_entry *e, vm_prot_t access, kern_return_t kr)
{
	if ((e->eflags & VM_ENTRY_GUARD) != 0)
		return "in a guard";
	if (e->protection == VM_PROT_NONE)
		return "in a region without any access";
	if ((access & ~e->protection) != 0)
		return (access & VM_PROT_WRITE) != 0	 ? "in a read-only region"
		       : (access & VM_PROT_EXECUTE) != 0 ? "in a region that is not executable"
							 : "in a region that is not readable";
	if (kr == KERN_OUT_OF_BOUNDS)
		return "beyond the end of its object";
	return kr == KERN_RESOURCE_SHORTAGE ? "without memory for it" : "mapped";
}

/* ---- Where ---- */

/* Lines that are put together under a lock and printed without it. */
struct text {
	size_t length;
	char bytes[TEXT_SIZE];
};

/* add_distance: how far addr is from a region it is not in. */
static void
add_distance(struct text *t, const struct vm_map_entry *e, uintptr_t addr)
{
	char *at = t->bytes + t->length;
	size_t size = TEXT_SIZE - t->length;
	int n;

	if (addr < e->start)
		n = ksnprintf(at, size, ", begins %#lx bytes higher\n", e->start - addr);
	else if (addr >= e->end)
		n = ksnprintf(at, size, ", ends %#lx bytes lower\n", addr - e->end);
	else
		n = ksnprintf(at, size, "\n");
	t->length += (size_t)n;
}

/* add_region: a region in which addr is, or which is next to it. */
static void
add_region(struct text *t, const char *which, const struct vm_map_entry *e, uintptr_t addr)
{
	vm_prot_t p = e->protection, m = e->max_protection;

	t->length +=
	    (size_t)ksnprintf(t->bytes + t->length, TEXT_SIZE - t->length,
			      "  %s 0x%012lx-0x%012lx %c%c%c max %c%c%c%s", which, e->start, e->end,
			      p & VM_PROT_READ ? 'r' : '-', p & VM_PROT_WRITE ? 'w' : '-',
			      p & VM_PROT_EXECUTE ? 'x' : '-', m & VM_PROT_READ ? 'r' : '-',
			      m & VM_PROT_WRITE ? 'w' : '-', m & VM_PROT_EXECUTE ? 'x' : '-',
			      (e->eflags & VM_ENTRY_STACK_GAP) != 0    ? " stack gap"
			      : (e->eflags & VM_ENTRY_GUARD) != 0      ? " guard"
			      : (e->eflags & VM_ENTRY_IS_SUB_MAP) != 0 ? " submap"
			      : (e->eflags & VM_ENTRY_GROWS_DOWN) != 0 ? " stack"
								       : "");
	add_distance(t, e, addr);
}

/* add_regions: the region of addr and those next to it; e: the last one that starts at or below
 * addr, or the header.  Map locked, or a panic under way. */
static void
add_regions(struct text *t, const struct vm_map *map, const struct vm_map_entry *e, uintptr_t addr)
{
	bool inside = e != &map->header && addr < e->end;
	const struct vm_map_entry *below = inside ? e->prev : e;

	if (below != &map->header)
		add_region(t, "below", below, addr);
	if (inside)
		add_region(t, "here ", e, addr);
	if (e->next != &map->header)
		add_region(t, "above", e->next, addr);
}

/* describe_address: why addr could not be accessed, and, in t, what is there.  No lock held. */
static const char *
describe_address(vm_map_t map, uintptr_t addr, vm_prot_t access, kern_return_t kr, struct text *t)
{
	struct proc *p = curthread()->proc;
	const char *why = "not mapped";
	struct stack_limits limits;
	vm_map_entry_t e;

	proc_limit_get(p, LIMIT_STACK, &limits.stack);
	proc_limit_get(p, LIMIT_VMEM, &limits.vmem);
	vm_map_lock_read(map);
	if (vm_map_lookup_entry(map, addr, &e))
		why = (e->eflags & VM_ENTRY_STACK_GAP) != 0 ? why_gap(map, e, addr, &limits)
							    : why_mapped(e, access, kr);
	add_regions(t, map, e, addr);
	vm_map_unlock_read(map);
	return why;
}

/* print_place: where in the program an instruction address is. */
static void
print_place(vm_map_t map, uintptr_t rip)
{
	char line[LINE_SIZE] = "in no region";
	vm_map_entry_t e;

	vm_map_lock_read(map);
	if (vm_map_lookup_entry(map, rip, &e))
		ksnprintf(line, sizeof(line),
			  "in region 0x%012lx-0x%012lx, %#lx bytes from its start", e->start,
			  e->end, rip - e->start);
	vm_map_unlock_read(map);
	kprintf("  rip   %#lx, %s\n", rip, line);
}

/* print_not_canonical: the registers of a general protection fault that can be the reason. */
static void
print_not_canonical(const struct trapframe *tf)
{
	static const char *const names[] = {
	    "r15", "r14", "r13", "r12", "r11", "r10", "r9",  "r8",
	    "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax",
	};
	const uint64_t *registers = &tf->r15;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!is_canonical(registers[i]))
			kprintf("  %-5s %#lx is no canonical address\n", names[i], registers[i]);
	}
}

/* ---- Faults of user programs ---- */

static void
print_who(void)
{
	const struct thread *t = curthread();

	kprintf("fault: process %lu (%s), thread %lu: ", t->proc->id, t->proc->name, t->id);
}

void
fault_report_memory(const struct trapframe *tf, uintptr_t addr, vm_prot_t access, kern_return_t kr)
{
	vm_map_t map = &curthread()->proc->vmspace->vm_map;
	const char *why = "outside user space";
	struct text t = {.bytes = ""};

	if (addr < VM_MAX_USER_ADDRESS)
		why = describe_address(map, addr, access, kr, &t);
	print_who();
	kprintf("%s %#lx, which is %s\n%s", access_name(access), addr, why, t.bytes);
	print_place(map, tf->rip);
	trapframe_print(tf);
}

void
fault_report_trap(const struct trapframe *tf)
{
	print_who();
	kprintf("%s%s\n", trap_name(tf->vector),
		tf->vector == TRAP_PROTECTION
		    ? ": a privileged instruction, an I/O port, or no canonical address"
		    : "");
	if (tf->vector == TRAP_PROTECTION)
		print_not_canonical(tf);
	print_place(&curthread()->proc->vmspace->vm_map, tf->rip);
	trapframe_print(tf);
}

/* ---- Faults of the kernel, which take no lock ---- */

extern const char __text_start[], __text_end[], __rodata_start[], __rodata_end[]; /* linker.ld */
extern const char __data_start[], __kernel_end[];

/* The parts of the kernel's half, as in docs/book/address-space.md. */
static const struct {
	uintptr_t start, end;
	const char *name;
} parts[] = {
    {DIRECT_MAP_BASE, DIRECT_MAP_BASE + DIRECT_MAP_SIZE, "the direct map"},
    {VM_MIN_KERNEL_ADDRESS, VM_MAX_KERNEL_ADDRESS, "kernel_map"},
    {DEVICE_MAP_BASE, DEVICE_MAP_BASE + DEVICE_MAP_SIZE, "the device map"},
    {(uintptr_t)__text_start, (uintptr_t)__text_end, "the kernel's text"},
    {(uintptr_t)__rodata_start, (uintptr_t)__rodata_end, "the kernel's constants"},
    {(uintptr_t)__data_start, (uintptr_t)__kernel_end, "the kernel's data"},
};

static const char *
part_name(uintptr_t addr)
{
	if (addr < VM_MAX_USER_ADDRESS)
		return "user space";
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (addr >= parts[i].start && addr < parts[i].end)
			return parts[i].name;
	}
	return "no part of the kernel";
}

/* find_entry: the last entry that starts at or below addr, or the header.  By the list: the tree
 * may be what is broken. */
static const struct vm_map_entry *
find_entry(const struct vm_map *map, uintptr_t addr)
{
	const struct vm_map_entry *e = &map->header;

	while (e->next != &map->header && e->next->start <= addr)
		e = e->next;
	return e;
}

/* print_regions: what a map, and its submap there, have at addr. */
static void
print_regions(const struct vm_map *map, uintptr_t addr)
{
	const struct vm_map_entry *e = find_entry(map, addr);
	struct text t = {.bytes = ""};

	if (e != &map->header && addr < e->end && (e->eflags & VM_ENTRY_IS_SUB_MAP) != 0) {
		map = e->sub_map;
		e = find_entry(map, addr);
	}
	add_regions(&t, map, e, addr);
	kprintf("%s", t.bytes);
}

static void
print_kernel_address(uintptr_t addr)
{
	const struct proc *p = curthread()->proc;

	kprintf("%#lx is in %s\n", addr, part_name(addr));
	if (addr < VM_MAX_USER_ADDRESS) {
		if (p != NULL && p->vmspace != NULL)
			print_regions(&p->vmspace->vm_map, addr);
	} else if (addr >= VM_MIN_KERNEL_ADDRESS && addr < VM_MAX_KERNEL_ADDRESS) {
		if (stack_map != NULL && kstack_in_guard(addr))
			kprintf("  the guard of a kernel stack: it has overflowed\n");
		if (kernel_map != NULL)
			print_regions(kernel_map, addr);
	}
}

void
fault_report_kernel(const struct trapframe *tf, uintptr_t addr)
{
	const struct thread *t = curthread();

	panic_prepare();
	trapframe_print(tf);
	print_kernel_address(addr);
	pmap_walk_print(t->pmap != NULL && addr < VM_MAX_USER_ADDRESS ? t->pmap : kernel_pmap,
			trunc_page(addr));
}

void
fault_report_kernel_trap(const struct trapframe *tf)
{
	panic_prepare();
	trapframe_print(tf);
	if (tf->vector == TRAP_PROTECTION)
		print_not_canonical(tf);
}

/* ---- Threads, for every panic ---- */

static void
print_thread(struct thread *t, void *left)
{
	static const char *const states[] = {
	    [THREAD_EMBRYO] = "embryo",	  [THREAD_READY] = "ready",   [THREAD_RUNNING] = "runs",
	    [THREAD_SLEEPING] = "sleeps", [THREAD_ZOMBIE] = "zombie",
	};
	uint32_t *n = left;

	if ((*n)-- == 0)
		kprintf("  ... and more\n");
	if ((int32_t)*n < 0)
		return;
	kprintf("  thread %lu \"%s\" of process %lu %s", t->id, t->name,
		t->proc != NULL ? t->proc->id : 0, states[t->state]);
	if (t->wait_why != NULL)
		kprintf(": %s, for %p", t->wait_why, t->wait_channel);
	kprintf("\n");
}

static void
print_threads(void)
{
	uint32_t left = THREADS_PRINTED;

	sched_for_each(print_thread, &left);
}

void
fault_report_init(void)
{
	static struct panic_hook hook = {.report = print_threads};

	panic_hook_register(&hook);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* faults KIND: do what must not be done, to see what the kernel says of it. */
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

static volatile int zero;
static const int read_only = 1;

static void
store(uint64_t addr)
{
	*(volatile int *)addr = 1;
}

static void
jump(uint64_t addr)
{
	((void (*)(void))addr)();
}

static void
fault_null(void)
{
	store(0);
}

static void
fault_readonly(void)
{
	store(ADDR(&read_only));
}

static void
fault_exec(void)
{
	static int data = 0xc3; /* ret */

	jump(ADDR(&data));
}

static void
fault_kernel(void)
{
	store(0xffffffff80000000ul);
}

static void
fault_canonical(void)
{
	store(0x8000000000000000ul);
}

static void
fault_guard(void)
{
	uint64_t args = VM_MAP_ARGS(PROT_NONE, PROT_NONE, VM_MAP_FLAG_GUARD);

	store(vm_map(HANDLE_SELF, 0, PAGE_SIZE, args, 0, 0));
}

static void
fault_stack_guard(void)
{
	struct proc_info info;

	proc_info(proc_id(HANDLE_SELF), &info);
	store(info.stack_low);
}

static __attribute__((noinline)) int
recurse(int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return (zero == 0 ? recurse(depth + 1) : 0) + frame[0];
}

static void
fault_overflow(void)
{
	zero = recurse(0);
}

static void
fault_unmapped(void)
{
	char *p = map_pages(PAGE_SIZE, PROT_RW);

	unmap_pages(p, PAGE_SIZE);
	store(ADDR(p));
}

static void
fault_object(void)
{
	int64_t object = object_create(PAGE_SIZE);
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);

	store(vm_map(HANDLE_SELF, 0, 2 * PAGE_SIZE, args, (handle_t)object, 0) + PAGE_SIZE);
}

static void
fault_ud2(void)
{
	__builtin_trap();
}

static void
fault_div0(void)
{
	__asm__ volatile("idivl %0" : : "r"(zero), "a"(1), "d"(0) : "cc");
}

static void
fault_int3(void)
{
	__asm__ volatile("int3");
}

static void
fault_privileged(void)
{
	__asm__ volatile("cli");
}

static void
fault_port(void)
{
	__asm__ volatile("outb %%al, $0x80" : : "a"(0));
}

static const struct {
	const char *name, *what;
	void (*run)(void);
} kinds[] = {
    {"null", "store at address 0", fault_null},
    {"readonly", "store to a constant", fault_readonly},
    {"exec", "call of data", fault_exec},
    {"kernel", "store to the kernel's text", fault_kernel},
    {"canonical", "store to an address that cannot be", fault_canonical},
    {"guard", "store to a guard", fault_guard},
    {"stack-guard", "store to the guard below the stack", fault_stack_guard},
    {"overflow", "endless recursion", fault_overflow},
    {"unmapped", "store to memory given back", fault_unmapped},
    {"object", "store beyond the end of an object", fault_object},
    {"ud2", "an undefined instruction", fault_ud2},
    {"div0", "a division by zero", fault_div0},
    {"int3", "a breakpoint without a debugger", fault_int3},
    {"cli", "an instruction of the kernel's", fault_privileged},
    {"port", "output to an I/O port", fault_port},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < KINDS; i++) {
		if (strcmp(argv[1], kinds[i].name) == 0) {
			printf("faults: %s\n", kinds[i].what);
			kinds[i].run();
			puts("faults: and nothing happened");
			return 1;
		}
	}
	puts("usage: faults KIND, one of");
	for (size_t i = 0; i < KINDS; i++) {
		printf("  %-12s %s\n", kinds[i].name, kinds[i].what);
	}
	return 2;
}

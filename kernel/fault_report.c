/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports of faults.
 *
 *	fault: process 7 (stack), thread 12: write to 0x7fffdffef000, which is in the guard of a stack
 *	  region 0x7fffdffef000-0x7fffdffff000 --- max --- stack gap
 *	  rip 0x401234, in region 0x401000-0x404000 r-x, 0x234 bytes from its start
 *	  ... registers ...
 *
 * The text is made with the map's read lock held and printed when it is released, so a slow console
 * delays no other thread of the process.
 */
#include <machine/pmap.h>
#include <machine/trap.h>
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include "kernel/base/string.h"
#include "kernel/fault_report.h"
#include "kernel/proc.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vmspace.h"

#define LINE_SIZE 160

static const char *
access_name(vm_prot_t access)
{
	if ((access & VM_PROT_WRITE) != 0)
		return "write to";
	return (access & VM_PROT_EXECUTE) != 0 ? "execution of" : "read of";
}

/* why_gap: an address in a stack's gap that was not given to the stack. */
static const char *
why_gap(const struct vm_map_entry *e, uintptr_t addr)
{
	if (addr - e->start < e->gap_guard)
		return "in the guard of a stack";
	if ((e->next->eflags & VM_ENTRY_GROWS_DOWN) == 0 || e->next->start != e->end)
		return "reserved for a stack that is gone";
	return "below a stack that may not grow: a limit, or no memory";
}

/* why_mapped: an address in an entry that did not allow the access. */
static const char *
why_mapped(const struct vm_map_entry *e, vm_prot_t access, kern_return_t kr)
{
	if ((e->eflags & VM_ENTRY_GUARD) != 0)
		return "a guard";
	if (e->protection == VM_PROT_NONE)
		return "in a region without any access";
	if ((access & ~e->protection) != 0)
		return (access & VM_PROT_WRITE) != 0	 ? "not writable"
		       : (access & VM_PROT_EXECUTE) != 0 ? "not executable"
							 : "not readable";
	if (kr == KERN_OUT_OF_BOUNDS)
		return "beyond the end of its object";
	return kr == KERN_RESOURCE_SHORTAGE ? "without memory for it" : "mapped";
}

/* describe_entry: one region, for a line. */
static void
describe_entry(const struct vm_map_entry *e, char *line, size_t size)
{
	vm_prot_t p = e->protection, m = e->max_protection;

	ksnprintf(line, size, "%#lx-%#lx %c%c%c max %c%c%c%s", e->start, e->end,
		  p & VM_PROT_READ ? 'r' : '-', p & VM_PROT_WRITE ? 'w' : '-',
		  p & VM_PROT_EXECUTE ? 'x' : '-', m & VM_PROT_READ ? 'r' : '-',
		  m & VM_PROT_WRITE ? 'w' : '-', m & VM_PROT_EXECUTE ? 'x' : '-',
		  (e->eflags & VM_ENTRY_STACK_GAP) != 0	   ? " stack gap"
		  : (e->eflags & VM_ENTRY_GUARD) != 0	   ? " guard"
		  : (e->eflags & VM_ENTRY_GROWS_DOWN) != 0 ? " stack"
							   : "");
}

/* describe_hole: what is next to an address where nothing is mapped.  Map locked; e is the entry
 * before, or the header. */
static void
describe_hole(vm_map_t map, const struct vm_map_entry *e, uintptr_t addr, char *line, size_t size)
{
	char entry[LINE_SIZE];
	const struct vm_map_entry *above = e->next;
	bool has_above = above != &map->header, has_below = e != &map->header;

	if (has_above && (!has_below || above->start - addr < addr - e->end)) {
		describe_entry(above, entry, sizeof(entry));
		ksnprintf(line, size, "%#lx bytes below region %s", above->start - addr, entry);
	} else if (has_below) {
		describe_entry(e, entry, sizeof(entry));
		ksnprintf(line, size, "%#lx bytes beyond region %s", addr - e->end, entry);
	} else {
		ksnprintf(line, size, "nothing is mapped at all");
	}
}

/* describe_address: why addr could not be accessed; `line` gets the region.  No lock held. */
static const char *
describe_address(vm_map_t map, uintptr_t addr, vm_prot_t access, kern_return_t kr, char *line,
		 size_t size)
{
	const char *why = "not mapped";
	vm_map_entry_t e;

	vm_map_lock_read(map);
	if (!vm_map_lookup_entry(map, addr, &e)) {
		describe_hole(map, e, addr, line, size);
	} else {
		why = (e->eflags & VM_ENTRY_STACK_GAP) != 0 ? why_gap(e, addr)
							    : why_mapped(e, access, kr);
		ksnprintf(line, size, "region ");
		describe_entry(e, line + strlen(line), size - strlen(line));
	}
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
		ksnprintf(line, sizeof(line), "in region %#lx-%#lx, %#lx bytes from its start",
			  e->start, e->end, rip - e->start);
	vm_map_unlock_read(map);
	kprintf("  rip %#lx, %s\n", rip, line);
}

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
	char line[2 * LINE_SIZE];
	const char *why = "outside user space";

	line[0] = '\0';
	if (addr < VM_MAX_USER_ADDRESS)
		why = describe_address(map, addr, access, kr, line, sizeof(line));
	print_who();
	kprintf("%s %#lx, which is %s\n", access_name(access), addr, why);
	if (line[0] != '\0')
		kprintf("  %s\n", line);
	print_place(map, tf->rip);
	trapframe_print(tf);
}

void
fault_report_trap(const struct trapframe *tf)
{
	print_who();
	kprintf("%s\n", trap_name(tf->vector));
	print_place(&curthread()->proc->vmspace->vm_map, tf->rip);
	trapframe_print(tf);
}

/* print_kernel_address: what is known of an address of the kernel's half, without any lock. */
static void
print_kernel_address(uintptr_t addr)
{
	const struct vm_map *map = kernel_map;
	char line[LINE_SIZE];

	if (addr < VM_MIN_KERNEL_ADDRESS || addr >= VM_MAX_KERNEL_ADDRESS || map == NULL)
		return;
	if (kstack_in_guard(addr)) {
		kprintf("%#lx is in the guard of a kernel stack: it has overflowed\n", addr);
		return;
	}
	for (const struct vm_map_entry *e = map->header.next; e != &map->header; e = e->next) {
		if (addr < e->start || addr >= e->end)
			continue;
		if ((e->eflags & VM_ENTRY_IS_SUB_MAP) != 0) {
			map = e->sub_map;
			e = &map->header;
			continue;
		}
		describe_entry(e, line, sizeof(line));
		kprintf("%#lx is in kernel region %s\n", addr, line);
		return;
	}
	kprintf("%#lx is in no region of %s\n", addr,
		map == kernel_map ? "kernel_map" : "a submap");
}

void
fault_report_kernel(const struct trapframe *tf, uintptr_t addr)
{
	const struct thread *t = curthread();

	trapframe_print(tf);
	print_kernel_address(addr);
	pmap_walk_print(t->pmap != NULL && addr < VM_MAX_USER_ADDRESS ? t->pmap : kernel_pmap,
			trunc_page(addr));
}

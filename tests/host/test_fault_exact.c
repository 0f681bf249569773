/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_fault does what it must and nothing besides: marks, mappings of others, waits. */
#include "kernel/base/clock.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include <machine/cpu.h>

#define A 0x100000ul
#define P PAGE_SIZE

static enum model_signal
store(struct proc *p, vm_offset_t va)
{
	uint8_t byte = 5;

	return model_user_write(p, va, &byte, 1);
}

/* FLT-01: before the program has done its access, so that the marks are the fault's. */
static void
marks(void **state)
{
	struct vm_fixture *f = *state;
	struct pmap_mapping m;

	space_map(f->map, A, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, vm_fault(f->map, A, VM_PROT_WRITE, 0));
	assert_true(pmap_query(f->pmap, A, &m));
	assert_true(m.accessed && m.dirty);
	check_kr(KERN_SUCCESS, vm_fault(f->map, A + P, VM_PROT_READ, 0));
	assert_true(pmap_query(f->pmap, A + P, &m));
	check_u64(VM_PROT_RW, m.prot);
	assert_false(m.accessed || m.dirty);
}

/* FLT-08: the child's copy is the child's affair. */
static void
others_keep_theirs(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t faults;

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 1, 1);
	child = model_proc_fork(f->proc);
	check_fill(f->proc, A, 1, 1);
	check_fill(child, A, 1, 1);
	check_u64(MODEL_OK, store(child, A));
	faults = model_fault_count();
	check_fill(f->proc, A, 1, 1);
	check_u64(faults, model_fault_count());
	model_proc_destroy(child);
}

/* What others left on the stack is not what a fault has learnt. */
static void __attribute__((noinline)) dirty_stack(void)
{
	volatile uint8_t junk[4 * P];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = 0xff;
}

static void
begins_anew(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t bottom = A + 64 * P - vm_sgrowsiz;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, A, 64 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	dirty_stack();
	check_kr(KERN_SUCCESS, vm_fault(f->map, bottom - P, VM_PROT_WRITE, 0));
}

/* FLT-10: only what needs memory waits for it. */
static void
errors_do_not_wait(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t start;

	space_map(f->map, A, P, VM_PROT_READ, VM_PROT_ALL, 0);
	model_memory_take_all();
	start = clock_now();
	check_u64(SEGV_ACCERR, store(f->proc, A));
	check_u64(SEGV_MAPERR, store(f->proc, A + P));
	check_u64(start, clock_now());
	model_memory_give_back();
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"FLT-01: a store's mapping is dirty at once, a load's is not even accessed", marks},
	    {"FLT-08: who copies a page takes nobody's mapping of it", others_keep_theirs},
	    {"FLT-10: without memory what is not allowed is refused at once", errors_do_not_wait},
	    {"FLT: a fault begins with nothing that was there before", begins_anew},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

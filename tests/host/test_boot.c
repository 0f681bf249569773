/* SPDX-License-Identifier: BSD-2-Clause */
/* The vm boots, and a process can use memory: the first thing to look at when all else fails. */
#include <string.h>
#include "model/memory.h"
#include "model/mmu.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A    0x100000ul
#define SIZE (16 * PAGE_SIZE)

static void
nothing(void **state)
{
	vm_fixture_audit(*state);
}

static void
insert_at(vm_map_t map, vm_offset_t start, vm_size_t size, vm_prot_t prot)
{
	vm_offset_t addr = start;

	check_kr(KERN_SUCCESS,
		 vm_map_find(map, NULL, 0, &addr, size, 0, VMFS_NO_SPACE, prot, VM_PROT_ALL, 0));
	check_u64(start, addr);
}

static void
anonymous(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before = vm_usage_read();

	insert_at(f->map, A, SIZE, VM_PROT_RW);
	check_u64(SIZE, vm_charge_used());
	check_u64(0, model_user_load(f->proc, A + 3 * PAGE_SIZE));
	model_user_store(f->proc, A + 100, 7);
	check_u64(7, model_user_load(f->proc, A + 100));
	check_u64(2, pmap_resident_count(f->pmap));
	pmap_drop(f->pmap);
	check_u64(7, model_user_load(f->proc, A + 100));
	vm_fixture_audit(f);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + SIZE));
	vm_usage_check(&before);
}

static void
signals(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t byte = 1;

	insert_at(f->map, A, SIZE, VM_PROT_READ);
	check_u64(SEGV_MAPERR, model_user_read(f->proc, A - 1, &byte, 1));
	check_u64(SEGV_ACCERR, model_user_write(f->proc, A, &byte, 1));
	check_u64(SEGV_ACCERR, model_user_fetch(f->proc, A));
	check_u64(SEGV_MAPERR, model_user_read(f->proc, A + SIZE, &byte, 1));
}

static void
forked(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	insert_at(f->map, A, SIZE, VM_PROT_RW);
	model_user_store(f->proc, A, 1);
	child = model_proc_fork(f->proc);
	vm_fixture_audit(f);
	model_user_store(f->proc, A, 2);
	check_u64(1, model_user_load(child, A));
	model_user_store(child, A, 3);
	check_u64(2, model_user_load(f->proc, A));
	check_u64(3, model_user_load(child, A));
	vm_fixture_audit(f);
	model_proc_destroy(child);
}

static void
stack(void **state)
{
	struct vm_fixture *f = *state;
	vm_size_t size = 64 * vm_sgrowsiz;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, A, size, VM_PROT_RW, VM_PROT_ALL, 0));
	for (vm_offset_t va = A + size - 8; va > A + size / 2; va -= PAGE_SIZE)
		model_user_store(f->proc, va, (uint8_t)(va >> PAGE_SHIFT));
	for (vm_offset_t va = A + size - 8; va > A + size / 2; va -= PAGE_SIZE)
		check_u64((uint8_t)(va >> PAGE_SHIFT), model_user_load(f->proc, va));
	check_u64(SEGV_MAPERR, model_user_write(f->proc, A, "", 1));
	vm_fixture_audit(f);
}

static void
heap(void **state)
{
	static const size_t sizes[] = {1, 16, 17, 400, 1000, 2016, 2017, 5000, 100000};
	uint8_t *p[ARRAY_SIZE(sizes)];
	struct vm_usage before = vm_usage_read();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		p[i] = kmalloc(sizes[i], 0);
		assert_in_range((uintptr_t)p[i], vm_map_min(kmem_map),
				vm_map_max(kmem_map) - sizes[i]);
		memset(p[i], (int)i, sizes[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		check_u64(i, p[i][0]);
		check_u64(i, p[i][sizes[i] - 1]);
		kfree(p[i], sizes[i]);
	}
	vm_fixture_audit(*state);
	vm_usage_check(&before);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"boot: the vm comes up and every audit passes", nothing},
	    {"boot: anonymous memory is zero, keeps what is stored, and is given back", anonymous},
	    {"boot: accesses that are not allowed end in the right signal", signals},
	    {"boot: a forked space is a copy", forked},
	    {"boot: a stack grows", stack},
	    {"boot: kmalloc gives memory of kmem_map", heap},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

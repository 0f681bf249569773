/* SPDX-License-Identifier: BSD-2-Clause */
/* What a racer does to its whole space, to what all racers share, and to the kernel's own maps. */
#include <string.h>
#include "model/mmu.h"
#include "race/racer.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vmspace.h"

/* ---- the whole space ---- */

void
op_drop(struct racer *r)
{
	pmap_drop(racer_map(r)->pmap);
}

/* inherited: what a child must see of a page. */
static struct expected
inherited(const struct expected *e)
{
	struct expected c = *e;

	if (e->inherit == VM_INHERIT_NONE)
		c.mapped = false;
	if (e->inherit == VM_INHERIT_ZERO)
		c.value = 0;
	return c;
}

/* live_as_child: the child's strip is what it must be; stores there reach what is shared only. */
static void
live_as_child(struct racer *r, struct proc *child)
{
	struct expected e[STRIP];

	for (unsigned i = 0; i < STRIP; i++) {
		e[i] = inherited(&r->page[i]);
		racer_check_page(r, child, i, &e[i]);
	}
	for (unsigned n = racer_random(r, STRIP); n > 0; n--) {
		unsigned i = (unsigned)racer_random(r, STRIP);

		racer_store(r, child, i, &e[i]);
		if (e[i].mapped && e[i].inherit == VM_INHERIT_SHARE)
			r->page[i].value = e[i].value;
		if (racer_one_in(r, 2))
			op_store(r);
		if (r->page[i].mapped && r->page[i].inherit == VM_INHERIT_SHARE)
			e[i].value = r->page[i].value;
	}
	for (unsigned i = 0; i < STRIP; i++) {
		if (r->page[i].mapped && r->page[i].inherit == VM_INHERIT_SHARE)
			e[i].value = r->page[i].value;
		racer_check_page(r, child, i, &e[i]);
	}
}

void
op_fork(struct racer *r)
{
	struct vmspace *vm;
	struct proc *child;
	kern_return_t kr;

	racer_disturb(r);
	pthread_rwlock_wrlock(&wired_stores);
	kr = vmspace_fork(proc_vmspace(r->proc), &vm);
	pthread_rwlock_unlock(&wired_stores);
	if (kr != KERN_SUCCESS) {
		if (!racer_calm(kr))
			FAIL(r, "a fork failed: %d", kr);
		return;
	}
	racer_calm(KERN_SUCCESS);
	child = model_proc_adopt(vm);
	live_as_child(r, child);
	model_proc_destroy(child);
	racer_check_strip(r);
}

/* op_shared: this thread's byte of a page that both spaces show. */
void
op_shared(struct racer *r)
{
	unsigned i = (unsigned)racer_random(r, SHARED_SIZE);
	vm_offset_t va = SHARED + ptoa(i) + 8 * r->id;
	uint8_t value;

	racer_check_signal(r, "shared load", va, MODEL_OK,
			   racer_access(r->proc, va, VM_PROT_READ, &value, 1));
	if (value != r->shared[i])
		FAIL(r, "shared page %u: expected %u, got %u", i, r->shared[i], value);
	value++;
	racer_check_signal(r, "shared store", va, MODEL_OK,
			   racer_access(r->proc, va, VM_PROT_WRITE, &value, 1));
	r->shared[i] = value;
}

/* op_stack: this thread's byte of a page of the space's stack, which may have to grow. */
void
op_stack(struct racer *r)
{
	unsigned depth = 1 + (unsigned)racer_random(r, STACK_PAGES - vm_stack_guard_pages);
	vm_offset_t va = STACK + ptoa(STACK_PAGES - depth) + 8 * r->id;
	uint8_t value;

	depth--;
	racer_check_signal(r, "stack load", va, MODEL_OK,
			   racer_access(r->proc, va, VM_PROT_READ, &value, 1));
	if (value != r->stack[depth])
		FAIL(r, "stack page %u: expected %u, got %u", depth, r->stack[depth], value);
	value++;
	racer_check_signal(r, "stack store", va, MODEL_OK,
			   racer_access(r->proc, va, VM_PROT_WRITE, &value, 1));
	r->stack[depth] = value;
}

/* ---- the kernel's own maps ---- */

/* kernel_access: the kernel touches pageable memory of its own. */
static void
kernel_access(struct racer *r, vm_offset_t va, vm_prot_t type, uint64_t *value)
{
	while (!model_access_range(kernel_pmap, va, type, value, sizeof(*value))) {
		kern_return_t kr = vm_fault(kernel_map, trunc_page(va), type, VM_FAULT_NORMAL);

		if (kr != KERN_SUCCESS && !racer_calm(kr))
			FAIL(r, "fault in exec_map at %#lx: %d", va, kr);
	}
}

void
op_exec_map(struct racer *r)
{
	vm_size_t size = ptoa(1 + racer_random(r, 8));
	uint64_t mine = (uint64_t)r->id << 56 | ++r->counter, value;
	vm_offset_t at = kmem_alloc_wait(exec_map, size);

	if (at == 0) {
		if (!racer_calm(KERN_ABORTED))
			FAIL(r, "no room in exec_map for %#zx", size);
		return;
	}
	for (vm_offset_t va = at; va < at + size; va += PAGE_SIZE) {
		kernel_access(r, va, VM_PROT_READ, &value);
		if (value != 0)
			FAIL(r, "exec_map at %#lx: expected zeroes, got %#lx", va, value);
		kernel_access(r, va, VM_PROT_WRITE, &mine);
	}
	kernel_access(r, at + size - PAGE_SIZE, VM_PROT_READ, &value);
	if (value != mine)
		FAIL(r, "exec_map at %#lx: expected %#lx, got %#lx", at, mine, value);
	kmem_free_wakeup(exec_map, at, size);
}

void
op_kmem(struct racer *r)
{
	vm_size_t size = ptoa(1 + racer_random(r, 4));
	vm_offset_t at;

	racer_disturb(r);
	at = racer_one_in(r, 2) ? kmem_malloc(kmem_map, size, KMEM_NOWAIT | KMEM_ZERO)
				: kmem_alloc(kernel_map, size);
	if (at == 0) {
		if (!racer_excused(KERN_RESOURCE_SHORTAGE, KERN_ABORTED))
			FAIL(r, "no kernel memory for %#zx", size);
		return;
	}
	racer_calm(KERN_SUCCESS);
	if (at >= vm_map_min(kmem_map) && at < vm_map_max(kmem_map)) {
		memset((void *)at, (int)r->id, size);
		kmem_free(kmem_map, at, size);
	} else {
		kmem_free_wakeup(kernel_map, at, size);
	}
}

void
op_kstack(struct racer *r)
{
	vm_offset_t at;

	racer_disturb(r);
	at = kstack_alloc();
	if (at == 0) {
		if (!racer_calm(KERN_RESOURCE_SHORTAGE))
			FAIL(r, "no kernel stack%s", "");
		return;
	}
	racer_calm(KERN_SUCCESS);
	memset((void *)at, (int)r->id, KERNEL_STACK_SIZE);
	kstack_free(at);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot and inspection of the whole vm. */
#include "kernel/base/sched.h"
#include "model/charges.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"
#include "vm/vm_radix.h"
#include "vm/vmspace.h"

static struct vm_fixture the_fixture;
static struct vm_usage at_start;

struct vm_usage
vm_usage_read(void)
{
	memory_settle();
	return (struct vm_usage){
	    .frames = memory_free(),
	    .objects = vm_object_count(),
	    .charge = vm_charge_used(),
	    .mappings = model_pmap_mappings(),
	};
}

void
vm_usage_check(const struct vm_usage *before)
{
	struct vm_usage now = vm_usage_read();

	check_u64(before->objects, now.objects);
	check_u64(before->charge, now.charge);
	check_u64(before->mappings, now.mappings);
	check_u64(before->frames, now.frames);
}

static void
audit_map(vm_map_t map)
{
	vm_map_lock_read(map);
	vm_map_audit(map);
	vm_map_unlock_read(map);
}

void
vm_fixture_audit(struct vm_fixture *f)
{
	check_u64(0, curthread()->lockorder.count);
	vm_phys_audit();
	model_tlb_audit();
	charges_check();
	audit_map(f->map);
	audit_map(kernel_map);
	audit_map(kmem_map);
	audit_map(exec_map);
	audit_map(stack_map);
}

void
vm_fixture_boot(void)
{
	model_threads_init();
	model_memory_boot(VM_FIXTURE_FRAMES);
	pmap_init();
	vm_radix_init();
	vm_object_init();
	vm_map_startup();
	kmem_init();
	kmalloc_init();
	vmspace_init();
}

static void
make_process(struct vm_fixture *f)
{
	f->proc = model_proc_create();
	f->vmspace = proc_vmspace(f->proc);
	f->map = &f->vmspace->vm_map;
	f->pmap = vm_map_pmap(f->map);
}

void
vm_fixture_drop_spares(void)
{
	map_drop_spares(kernel_map);
	map_drop_spares(kmem_map);
	map_drop_spares(exec_map);
	map_drop_spares(stack_map);
}

/* The first process fills what is filled once and kept (spare entries of the kernel's maps). */
static int
setup(void **state)
{
	vm_fixture_boot();
	make_process(&the_fixture);
	kfree(kmalloc(1, 0), 1);
	model_proc_destroy(the_fixture.proc);
	vm_fixture_drop_spares();
	at_start = vm_usage_read();
	make_process(&the_fixture);
	*state = &the_fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct vm_fixture *f = *state;

	if (model_panicked())
		return 0;
	model_fail_off();
	vm_fixture_audit(f);
	model_proc_destroy(f->proc);
	check_u64(0, curthread()->lockorder.count);
	vm_fixture_drop_spares();
	vm_usage_check(&at_start);
	return 0;
}

const struct host_fixture vm_fixture = {setup, teardown};

/* Readers of the map that do not find rw free share it with us for a moment, and come in. */
void
model_hold_off_writers(vm_map_t map)
{
	rwlock_read(&map->lock.rw);
}

void
model_become_writer(vm_map_t map)
{
	if (!rwlock_tryupgrade(&map->lock.rw) || rmlock_readers(&map->lock) != 0)
		model_die("readers are inside");
	map->timestamp++;
}

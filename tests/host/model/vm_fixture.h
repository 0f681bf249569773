/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole vm, booted, and a process with an empty map. */
#ifndef MODEL_VM_FIXTURE_H
#define MODEL_VM_FIXTURE_H

#include "model/harness.h"
#include "model/proc.h"
#include "vm/vm_types.h"

#define VM_FIXTURE_FRAMES 8192

struct vm_fixture {
	struct proc *proc;
	struct vmspace *vmspace;
	vm_map_t map; /* the process's; bounds MODEL_USER_MIN, MODEL_USER_MAX */
	pmap_t pmap;
};

/*
 * *state is a struct vm_fixture.  The teardown checks that no lock is held and that all audits pass,
 * destroys the process, and checks that frames, objects, charge and mappings are what they were
 * before it was made.
 */
extern const struct host_fixture vm_fixture;

/* vm_fixture_audit: all of the model's and the vm's audits, for use in a test: no lock held. */
void vm_fixture_audit(struct vm_fixture *f);

/* vm_fixture_boot: the setup's boot alone, for a run without a fixture.  vm_fixture_drop_spares: the
 * spare entries of the kernel's maps are gone: they lie in any slab, so they count. */
void vm_fixture_boot(void);
void vm_fixture_drop_spares(void);

/*
 * model_hold_off_writers: from now on readers come and go, and who wants to write to the map waits.
 * model_become_writer: the caller, who holds them off, is the writer instead; vm_map_unlock() ends it.
 * No reader is inside.
 */
void model_hold_off_writers(vm_map_t map);
void model_become_writer(vm_map_t map);

/* What a test must leave as it was. */
struct vm_usage {
	uint64_t frames, objects, charge, mappings;
};
/* vm_usage_read: settles first: what zones keep in reserve is given back. */
struct vm_usage vm_usage_read(void);
/* vm_usage_check: it is now what it was. */
void vm_usage_check(const struct vm_usage *before);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_residency: row RES-01. */
#include <string.h>
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A     0x100000ul
#define P     PAGE_SIZE
#define PAGES 8
#define END   (A + PAGES * P)

#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

#define IN	 VM_RESIDENT
#define MAPPED	 VM_RESIDENT_MAPPED
#define MODIFIED VM_RESIDENT_MODIFIED
#define BEHIND	 VM_RESIDENT_BEHIND
#define WIRED	 VM_RESIDENT_WIRED

/* check: the bytes for the 8 pages from A on. */
static void
check(struct proc *p, const uint8_t expected[PAGES])
{
	uint8_t got[PAGES + 2];

	memset(got, 0xee, sizeof(got));
	check_kr(KERN_SUCCESS, vm_map_residency(model_proc_map(p), A, END, got + 1));
	for (size_t i = 0; i < PAGES; i++)
		check_u64(expected[i], got[i + 1]);
	check_u64(0xee, got[0]);
	check_u64(0xee, got[PAGES + 1]);
}

static void
anonymous(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, PAGES * P, RW, ALL, 0);
	check(f->proc, (uint8_t[PAGES]){0});
	model_user_store(f->proc, A + P, 1);
	check_u64(0, model_user_load(f->proc, A + 3 * P));
	check(f->proc, (uint8_t[PAGES]){0, IN | MAPPED | MODIFIED, 0, IN | MAPPED});
	pmap_drop(f->pmap);
	check(f->proc, (uint8_t[PAGES]){0, IN | MODIFIED, 0, IN});
	check_u64(0, model_user_load(f->proc, A + 3 * P));
	check_kr(KERN_SUCCESS, vm_map_discard(f->map, A, A + 2 * P));
	check(f->proc, (uint8_t[PAGES]){0, 0, 0, IN | MAPPED});
}

static void
wired(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t got[2];

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A, A + 2 * P, got));
	check_u64(0, got[0]);
	check_u64(IN | MAPPED | WIRED, got[1] & ~MODIFIED);
}

/* A child's view: what it has copied, what it shows of its parent's, what neither has. */
static void
copied(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, PAGES * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	child = model_proc_fork(f->proc);
	check(child, (uint8_t[PAGES]){IN | MODIFIED, IN | MODIFIED, IN | MODIFIED, IN | MODIFIED});
	model_user_store(child, A + P, 20);
	model_user_store(child, A + 5 * P, 20);
	check_u64(3, model_user_load(child, A + 2 * P));
	check(child, (uint8_t[PAGES]){IN | MODIFIED | BEHIND, IN | MAPPED | MODIFIED,
				      IN | MAPPED | MODIFIED | BEHIND, IN | MODIFIED | BEHIND, 0,
				      IN | MAPPED | MODIFIED});
	/* Nothing was made or mapped by asking. */
	check_u64(2, space_chain(model_proc_map(child), A));
	check_u64(3, pmap_resident_count(model_proc_map(child)->pmap));
	model_proc_destroy(child);
}

/* An object that is mapped beyond its end, and from its middle on. */
static void
object_backed(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 70);
	uint8_t got[PAGES];
	struct vm_page *m;

	rwlock_write(&object->lock);
	m = vm_radix_lookup(&object->pages, 2);
	pmap_remove_all(m);
	vm_page_free(m);
	rwlock_write_unlock(&object->lock);
	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, P, A, END, RW, ALL, MAP_COPY_ON_WRITE));
	check_u64(71, model_user_load(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A, END, got));
	check_u64(IN | MAPPED, got[0] & ~MODIFIED);
	check_u64(0, got[1]);
	check_u64(IN, got[2] & ~MODIFIED);
	for (size_t i = 3; i < PAGES; i++)
		check_u64(0, got[i]);
	model_user_store(f->proc, A, 5);
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A, END, got));
	check_u64(IN | MAPPED | MODIFIED, got[0]);
	check_u64(0, got[1]);
	check_u64(IN | BEHIND, got[2] & ~MODIFIED);
	vm_object_deallocate(object);
}

/* Where a shadow ends nothing lies behind it, whatever the object below has. */
static void
behind_the_end(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(PAGES, 70), *shadow = object;
	vm_ooffset_t offset = 0;
	uint8_t got[PAGES];

	vm_object_reference(object);
	check_kr(KERN_SUCCESS, vm_object_shadow(&shadow, &offset, 4 * P));
	check_kr(KERN_SUCCESS, space_insert(f->map, shadow, 0, A, END, RW, ALL, 0));
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A, END, got));
	for (size_t i = 0; i < PAGES; i++)
		check_u64(i < 4 ? IN | BEHIND : 0, got[i] & ~MODIFIED);
	vm_object_deallocate(object);
}

/* A page that is being filled is not there yet. */
static void
on_its_way(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(PAGES);
	struct vm_page *m;

	space_map_object(f->map, object, A, RW, ALL, 0);
	rwlock_write(&object->lock);
	m = vm_page_alloc(object, 1, 0);
	rwlock_write_unlock(&object->lock);
	check(f->proc, (uint8_t[PAGES]){0});
	m->flags |= VM_PAGE_VALID;
	space_object_go_on(object, 1);
	check(f->proc, (uint8_t[PAGES]){0, IN});
	vm_object_deallocate(object);
}

/* A range inside of one entry: nothing is said of the pages beside it. */
static void
part(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t got[6] = {[0 ... 5] = 0xee};

	space_map(f->map, A, PAGES * P, RW, ALL, 0);
	space_fill(f->proc, A, PAGES, 1);
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A + 2 * P, A + 5 * P, got + 1));
	check_u64(0xee, got[0]);
	for (size_t i = 1; i <= 3; i++)
		check_u64(IN | MAPPED | MODIFIED, got[i]);
	check_u64(0xee, got[4]);
}

static void
refused(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	uint8_t got[PAGES + 2] = {[0 ... PAGES + 1] = 0xee};

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_map(f->map, A + 5 * P, 2 * P, VM_PROT_NONE, ALL, 0);
	space_map(f->map, A + 7 * P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	space_fill(f->proc, A, 4, 1);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_residency(f->map, A + 1, A + P, got));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_residency(f->map, A + P, A, got));
	check_kr(KERN_INVALID_ADDRESS, vm_map_residency(f->map, A, A + 5 * P, got));
	check_kr(KERN_INVALID_ADDRESS, vm_map_residency(f->map, A + 4 * P, A + 6 * P, got));
	check_kr(KERN_INVALID_ADDRESS, vm_map_residency(f->map, A + 5 * P, END, got));
	check_kr(KERN_INVALID_ADDRESS, vm_map_residency(f->map, END, END + P, got));
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A + 4 * P, A + 4 * P, got));
	for (size_t i = 0; i < sizeof(got); i++)
		check_u64(0xee, got[i]);
	/* What nobody may read can be asked about. */
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A + 5 * P, A + 7 * P, got));
	check_u64(0, got[0]);
	check_unchanged(before, f->map);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"RES-01: anonymous pages, touched, unmapped, discarded", anonymous},
	    {"RES-01: wired pages", wired},
	    {"RES-01: a child's pages, copied, behind, absent", copied},
	    {"RES-01: an object's pages, from its middle to beyond its end", object_backed},
	    {"RES-01: a shadow's end is the end", behind_the_end},
	    {"RES-01: a page on its way is not there", on_its_way},
	    {"RES-01: a hole or a guard refuses it, nothing is said or changed", refused},
	    {"RES-01: a part of an entry, and no byte more", part},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

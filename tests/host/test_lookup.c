/* SPDX-License-Identifier: BSD-2-Clause */
/* Lookups, the map lock, and vm_map_check_protection: rows LKP, LCK and CHK. */
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define P PAGE_SIZE
#define A 0x100000ul

#define R   VM_PROT_READ
#define W   VM_PROT_WRITE
#define X   VM_PROT_EXECUTE
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

/* What a lookup has returned. */
struct result {
	vm_map_t map;
	vm_map_entry_t entry;
	struct vm_object *object;
	vm_pindex_t pindex;
	vm_prot_t prot;
	boolean_t wired;
};

static kern_return_t
lookup(vm_map_t map, vm_offset_t va, vm_prot_t type, struct result *r)
{
	r->map = map;
	return vm_map_lookup(&r->map, va, type, &r->entry, &r->object, &r->pindex, &r->prot,
			     &r->wired);
}

/* no_lock: neither this thread holds a lock, nor anybody the map's. */
static void
no_lock(vm_map_t map)
{
	check_u64(0, curthread()->lockorder.count);
	assert_false(rmlock_held(&map->lock));
}

/* fails: the lookup ends with kr and nothing is locked. */
static void
fails(struct vm_fixture *f, kern_return_t kr, vm_offset_t va, vm_prot_t type)
{
	struct map_snapshot *before = map_snapshot_take(f->map);
	struct result r;

	check_kr(kr, lookup(f->map, va, type, &r));
	no_lock(f->map);
	check_unchanged(before, f->map);
}

static void
lkp_01(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_entry_t e, first, second;

	vm_map_lock_read(f->map);
	assert_false(vm_map_lookup_entry(f->map, A, &e));
	assert_ptr_equal(&f->map->header, e);
	vm_map_unlock_read(f->map);
	space_map(f->map, A, 2 * P, R, ALL, 0);
	space_map(f->map, A + 4 * P, 2 * P, R, ALL, 0);
	vm_map_lock_read(f->map);
	first = f->map->header.next;
	second = first->next;
	assert_true(vm_map_lookup_entry(f->map, A, &e));
	assert_ptr_equal(first, e);
	assert_true(vm_map_lookup_entry(f->map, A + 2 * P - 1, &e));
	assert_ptr_equal(first, e);
	assert_false(vm_map_lookup_entry(f->map, A + 2 * P, &e));
	assert_ptr_equal(first, e);
	assert_false(vm_map_lookup_entry(f->map, A + 4 * P - 1, &e));
	assert_ptr_equal(first, e);
	assert_true(vm_map_lookup_entry(f->map, A + 4 * P, &e));
	assert_ptr_equal(second, e);
	assert_false(vm_map_lookup_entry(f->map, A + 6 * P, &e));
	assert_ptr_equal(second, e);
	assert_false(vm_map_lookup_entry(f->map, -1ul, &e));
	assert_ptr_equal(second, e);
	assert_false(vm_map_lookup_entry(f->map, A - 1, &e));
	assert_ptr_equal(&f->map->header, e);
	assert_false(vm_map_lookup_entry(f->map, 0, &e));
	assert_ptr_equal(&f->map->header, e);
	vm_map_unlock_read(f->map);
}

static void
lkp_02(void **state)
{
	struct vm_fixture *f = *state;

	fails(f, KERN_INVALID_ADDRESS, A, R);
	space_map(f->map, A, 2 * P, RW, ALL, 0);
	fails(f, KERN_INVALID_ADDRESS, A - 1, R);
	fails(f, KERN_INVALID_ADDRESS, A + 2 * P, W);
	fails(f, KERN_INVALID_ADDRESS, 0, R);
	fails(f, KERN_INVALID_ADDRESS, -P, R);
	/* A stack's gap counts as unmapped, a guard as forbidden. */
	space_map(f->map, A + 4 * P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	fails(f, KERN_PROTECTION_FAILURE, A + 4 * P, R);
	check_kr(KERN_SUCCESS, vm_map_stack(f->map, 16 * A, A, RW, ALL, 0));
	fails(f, KERN_INVALID_ADDRESS, 16 * A, R);
}

static void
lkp_03(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, R, ALL, 0);
	space_map(f->map, A + P, P, VM_PROT_NONE, ALL, 0);
	space_map(f->map, A + 2 * P, P, R, R, 0);
	fails(f, KERN_PROTECTION_FAILURE, A, W);
	fails(f, KERN_PROTECTION_FAILURE, A, RW);
	fails(f, KERN_PROTECTION_FAILURE, A, X);
	fails(f, KERN_PROTECTION_FAILURE, A + P, R);
	fails(f, KERN_PROTECTION_FAILURE, A + P, VM_PROT_NONE);
	/* A debugger's write to what can never be written and is no copy. */
	fails(f, KERN_PROTECTION_FAILURE, A + 2 * P, R | VM_PROT_COPY);
}

static void
lkp_results(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(8, 1);
	struct result r;

	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 2 * P, A, A + 4 * P, RW, ALL, MAP_COPY_ON_WRITE));
	check_kr(KERN_SUCCESS, lookup(f->map, A + 3 * P + 5, R, &r));
	assert_ptr_equal(f->map, r.map);
	assert_ptr_equal(f->map->header.next, r.entry);
	assert_ptr_equal(object, r.object);
	check_u64(5, r.pindex);
	check_u64(R, r.prot); /* a copy is still to be made */
	check_u64(FALSE, r.wired);
	assert_true(rmlock_held(&f->map->lock));
	vm_map_lookup_done(r.map, r.entry);
	no_lock(f->map);

	check_kr(KERN_SUCCESS, lookup(f->map, A + 3 * P, W, &r));
	assert_ptr_not_equal(object, r.object);
	assert_ptr_equal(object, r.object->backing);
	check_u64(3, r.pindex);
	check_u64(RW, r.prot);
	vm_map_lookup_done(r.map, r.entry);
	check_u64(4 * P, vm_charge_used());
	vm_object_deallocate(object);
}

/* The copy cannot be charged, or there is no memory for its object: nothing locked or changed. */
static void
lkp_shortage(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1);

	space_map_object(f->map, object, A, R, ALL, MAP_COPY_ON_WRITE);
	space_map(f->map, A + 4 * P, P, R, ALL, 0);
	vm_charge_set_limit(vm_charge_used() + 3 * P);
	/* What is not writable is charged when a debugger writes to it. */
	fails(f, KERN_RESOURCE_SHORTAGE, A, R | VM_PROT_COPY);
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	for (vm_offset_t va = A; va <= A + 4 * P; va += 4 * P) {
		struct map_snapshot *before = map_snapshot_take(f->map);
		struct result r;

		model_fail_after(1);
		check_kr(KERN_RESOURCE_SHORTAGE,
			 lookup(f->map, va, va == A ? R | VM_PROT_COPY : R, &r));
		model_fail_off();
		no_lock(f->map);
		check_unchanged(before, f->map);
	}
	vm_object_deallocate(object);
}

/* LKP-04 */

static void
protect(void *arg)
{
	struct vm_fixture *f = arg;

	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, R, FALSE));
}

static void
lkp_04(void **state)
{
	struct vm_fixture *f = *state;
	struct thread *t;
	struct result r;

	space_map(f->map, A, P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, lookup(f->map, A, W, &r));
	t = model_thread_start("writer", protect, f);
	model_thread_await_sleep(t);
	check_u64(RW, r.entry->protection);
	check_u64(RW, r.prot);
	vm_map_lookup_done(r.map, r.entry);
	model_thread_join(t);
	check_entry(f->map, A, A + P, R, ALL);
}

/* LKP-05 */

#define WRITERS 4
#define ROUNDS	60

struct first_write {
	struct vm_fixture *f;
	struct model_event *go;
	uint8_t value;
	size_t page;
};

static void
write_first(void *arg)
{
	struct first_write *w = arg;

	model_event_wait(w->go);
	model_user_store(w->f->proc, A + w->page * P, w->value);
}

static void
lkp_05(void **state)
{
	struct vm_fixture *f = *state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct vm_object *object = space_object(WRITERS + 1, 1);
		struct first_write w[WRITERS];
		struct thread *t[WRITERS];
		struct model_event go = {false};
		uint64_t objects = vm_object_count();

		space_map_object(f->map, object, A, RW, ALL, MAP_COPY_ON_WRITE);
		for (size_t i = 0; i < WRITERS; i++) {
			w[i] = (struct first_write){f, &go, (uint8_t)(100 + i), i};
			t[i] = model_thread_start("writer", write_first, &w[i]);
		}
		model_event_set(&go);
		for (size_t i = 0; i < WRITERS; i++)
			model_thread_join(t[i]);
		check_u64(objects + 1, vm_object_count());
		check_u64(1, object->shadow_count);
		check_u64((WRITERS + 1) * P, vm_charge_used());
		check_fill(f->proc, A, WRITERS, 100);
		check_fill(f->proc, A + WRITERS * P, 1, WRITERS + 1);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + (WRITERS + 1) * P));
		vm_object_deallocate(object);
	}
}

/* Two lookups for writing that overlap for certain: a reader holds them both up. */
struct looker {
	struct vm_fixture *f;
	struct vm_object *object;
};

static void
look_to_write(void *arg)
{
	struct looker *l = arg;
	struct result r;

	check_kr(KERN_SUCCESS, lookup(l->f->map, A, W, &r));
	l->object = r.object;
	vm_map_lookup_done(r.map, r.entry);
}

static void
lkp_05_upgrade(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);
	struct looker l[2] = {{f, NULL}, {f, NULL}};
	struct thread *t[2];

	space_map_object(f->map, object, A, RW, ALL, MAP_COPY_ON_WRITE);
	vm_map_lock_read(f->map);
	for (size_t i = 0; i < 2; i++) {
		t[i] = model_thread_start("looker", look_to_write, &l[i]);
		model_thread_await_sleep(t[i]);
	}
	vm_map_unlock_read(f->map);
	model_thread_join(t[0]);
	model_thread_join(t[1]);
	assert_ptr_not_equal(object, l[0].object);
	assert_ptr_equal(l[0].object, l[1].object);
	check_u64(1, object->shadow_count);
	check_u64(2 * P, vm_charge_used());
	vm_object_deallocate(object);
}

/* vm_map_lookup_locked never makes anything, and never lets go of the lock. */
static void
lookup_locked(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);
	struct result r = {.map = f->map};
	struct map_snapshot *before;

	space_map_object(f->map, object, A, RW, ALL, MAP_COPY_ON_WRITE);
	space_map(f->map, A + 2 * P, P, RW, ALL, 0);
	before = map_snapshot_take(f->map);
	vm_map_lock_read(f->map);
	check_kr(KERN_SUCCESS, vm_map_lookup_locked(&r.map, A + P, R, &r.entry, &r.object,
						    &r.pindex, &r.prot, &r.wired));
	assert_ptr_equal(object, r.object);
	check_u64(1, r.pindex);
	check_u64(R, r.prot);
	check_kr(KERN_FAILURE, vm_map_lookup_locked(&r.map, A, W, &r.entry, &r.object, &r.pindex,
						    &r.prot, &r.wired));
	check_kr(KERN_FAILURE, vm_map_lookup_locked(&r.map, A + 2 * P, R, &r.entry, &r.object,
						    &r.pindex, &r.prot, &r.wired));
	check_kr(KERN_INVALID_ADDRESS,
		 vm_map_lookup_locked(&r.map, A + 3 * P, R, &r.entry, &r.object, &r.pindex, &r.prot,
				      &r.wired));
	check_kr(KERN_PROTECTION_FAILURE, vm_map_lookup_locked(&r.map, A, X, &r.entry, &r.object,
							       &r.pindex, &r.prot, &r.wired));
	check_u64(1, curthread()->lockorder.count);
	vm_map_unlock_read(f->map);
	check_unchanged(before, f->map);
	vm_object_deallocate(object);
}

/* LCK */

static void
lck_01(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t before = f->map->timestamp;

	vm_map_lock_read(f->map);
	check_u64(before, f->map->timestamp);
	vm_map_unlock_read(f->map);
	assert_true(vm_map_trylock_read(f->map));
	vm_map_unlock_read(f->map);
	check_u64(before, f->map->timestamp);
	vm_map_lock(f->map);
	check_u64(before + 1, f->map->timestamp);
	assert_true(vm_map_locked(f->map));
	vm_map_unlock(f->map);
	check_u64(before + 1, f->map->timestamp);
	assert_true(vm_map_trylock(f->map));
	check_u64(before + 2, f->map->timestamp);
	vm_map_unlock(f->map);
	vm_map_lock_read(f->map);
	check_u64(0, vm_map_lock_upgrade(f->map));
	check_u64(before + 3, f->map->timestamp);
	assert_true(vm_map_locked(f->map));
	vm_map_lock_downgrade(f->map);
	check_u64(before + 3, f->map->timestamp);
	assert_false(vm_map_locked(f->map));
	assert_false(vm_map_trylock(f->map));
	vm_map_unlock_read(f->map);
	no_lock(f->map);
}

/* The lock of a system map is exclusive whatever it is taken for. */
static void
lck_01_system(void **state)
{
	vm_map_t map = space_system_map(4);
	uint64_t before = map->timestamp;

	(void)state;
	vm_map_lock_read(map);
	assert_true(vm_map_locked(map));
	check_u64(before, map->timestamp);
	check_u64(0, vm_map_trylock_read(map));
	check_u64(0, vm_map_lock_upgrade(map));
	check_u64(before + 1, map->timestamp);
	vm_map_lock_downgrade(map);
	vm_map_unlock_read(map);
	no_lock(map);
	space_system_map_free(map);
}

struct upgrader {
	struct vm_fixture *f;
	struct model_event reading, go;
	int failed;
	uint64_t locks_held;
};

static void
upgrade(void *arg)
{
	struct upgrader *u = arg;

	vm_map_lock_read(u->f->map);
	model_event_set(&u->reading);
	model_event_wait(&u->go);
	u->failed = vm_map_lock_upgrade(u->f->map);
	u->locks_held = curthread()->lockorder.count;
	if (u->failed == 0)
		vm_map_unlock(u->f->map);
}

static void
write_once(void *arg)
{
	struct vm_fixture *f = arg;

	vm_map_lock(f->map);
	vm_map_unlock(f->map);
}

/* A reader (this thread), a writer that waits for it, then an upgrade that waits behind that. */
static void
lck_02(void **state)
{
	struct vm_fixture *f = *state;
	struct upgrader u = {.f = f};
	struct thread *upgrader, *writer;
	uint64_t before;

	vm_map_lock_read(f->map);
	before = f->map->timestamp;
	upgrader = model_thread_start("upgrader", upgrade, &u);
	model_event_wait(&u.reading);
	writer = model_thread_start("writer", write_once, f);
	model_thread_await_sleep(writer);
	model_event_set(&u.go);
	model_thread_await_sleep(upgrader);
	vm_map_unlock_read(f->map);
	model_thread_join(writer);
	model_thread_join(upgrader);
	assert_int_not_equal(0, u.failed);
	check_u64(0, u.locks_held);
	no_lock(f->map);
	check_u64(before + 1, f->map->timestamp);
}

/* A second reader alone does not let the upgrade fail: nothing has changed. */
static void
lck_02_readers_only(void **state)
{
	struct vm_fixture *f = *state;
	struct upgrader u = {.f = f};
	struct thread *upgrader;

	vm_map_lock_read(f->map);
	upgrader = model_thread_start("upgrader", upgrade, &u);
	model_event_wait(&u.reading);
	model_event_set(&u.go);
	model_thread_await_sleep(upgrader);
	vm_map_unlock_read(f->map);
	model_thread_join(upgrader);
	check_u64(0, u.failed);
	check_u64(1, u.locks_held);
	no_lock(f->map);
}

struct trier {
	vm_map_t map;
	int write, read;
};

static void
try_locks(void *arg)
{
	struct trier *t = arg;

	t->write = vm_map_trylock(t->map);
	t->read = vm_map_trylock_read(t->map);
	if (t->read)
		vm_map_unlock_read(t->map);
}

static void
lck_03(void **state)
{
	struct vm_fixture *f = *state;
	struct trier t = {f->map, -1, -1};
	uint64_t before;

	vm_map_lock(f->map);
	before = f->map->timestamp;
	model_thread_join(model_thread_start("trier", try_locks, &t));
	check_u64(0, t.write);
	check_u64(0, t.read);
	check_u64(before, f->map->timestamp);
	vm_map_unlock(f->map);
	vm_map_lock_read(f->map);
	model_thread_join(model_thread_start("trier", try_locks, &t));
	check_u64(0, t.write);
	assert_int_not_equal(0, t.read);
	check_u64(before, f->map->timestamp);
	vm_map_unlock_read(f->map);
	no_lock(f->map);
}

/* Whoever has a map of the system may not wait for one of a user: the order of all locks. */
static void
lck_order(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_t system = space_system_map(4);

	vm_map_lock(f->map);
	vm_map_lock(system);
	vm_map_unlock(system);
	vm_map_unlock(f->map);
	vm_map_lock(system);
	expect_panic("while \"system map\"", vm_map_lock(f->map));
}

/* CHK */

static bool
allowed(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
	bool yes;

	vm_map_lock_read(map);
	yes = vm_map_check_protection(map, start, end, prot);
	vm_map_unlock_read(map);
	return yes;
}

static void
chk_01(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, 2 * P, R, ALL, 0);
	space_map(f->map, A + 6 * P, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 8 * P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	assert_true(allowed(f->map, A, A + 4 * P, R));
	assert_true(allowed(f->map, A, A + 2 * P, RW));
	assert_true(allowed(f->map, A + 10, A + 2 * P - 3, RW));
	assert_true(allowed(f->map, A, A + 4 * P, VM_PROT_NONE));
	assert_false(allowed(f->map, A, A + 4 * P, RW)); /* one lacks the bit */
	assert_false(allowed(f->map, A + P, A + 2 * P + 1, W));
	assert_false(allowed(f->map, A, A + 2 * P, R | X)); /* not even under a larger maximum */
	assert_false(allowed(f->map, A, A + 8 * P, R));	    /* a hole */
	assert_false(allowed(f->map, A + 2 * P, A + 4 * P + 1, R));
	assert_false(allowed(f->map, A - P, A + P, R));
	assert_false(allowed(f->map, A + 6 * P, A + 9 * P, VM_PROT_NONE)); /* a guard */
	assert_false(allowed(f->map, A + 8 * P, A + 9 * P, VM_PROT_NONE));
	assert_false(allowed(f->map, MODEL_USER_MAX - P, MODEL_USER_MAX + P, VM_PROT_NONE));
	/* An empty or reversed range asks about start. */
	assert_true(allowed(f->map, A, A, ALL));
	assert_true(allowed(f->map, A + P, A, R));
	assert_false(allowed(f->map, A + 4 * P, A + 4 * P, R));
	assert_false(allowed(f->map, A + 4 * P, A, R));
}

/* Behind the map's last page there is nothing, and nothing of its first pages either. */
static void
chk_01_end(void **state)
{
	struct vm_fixture *f = *state;

	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, MODEL_USER_MIN, MODEL_USER_MAX,
					    VM_PROT_NONE, VM_PROT_NONE, 0));
	assert_true(allowed(f->map, MODEL_USER_MIN, MODEL_USER_MAX, VM_PROT_NONE));
	assert_false(allowed(f->map, MODEL_USER_MAX - P, MODEL_USER_MAX + P, VM_PROT_NONE));
}

/* A range that is valid may be empty. */
static void
bounds(void **state)
{
	struct vm_fixture *f = *state;

	assert_true(vm_map_range_valid(f->map, A, A));
	assert_true(vm_map_range_valid(f->map, MODEL_USER_MIN, MODEL_USER_MIN));
	assert_true(vm_map_range_valid(f->map, MODEL_USER_MAX, MODEL_USER_MAX));
	assert_true(vm_map_range_valid(f->map, MODEL_USER_MIN, MODEL_USER_MAX));
	assert_false(vm_map_range_valid(f->map, A + P, A));
	assert_false(vm_map_range_valid(f->map, MODEL_USER_MIN - P, A));
	assert_false(vm_map_range_valid(f->map, A, MODEL_USER_MAX + P));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"LKP-01: lookup_entry at start, end, beside and without entries", lkp_01},
	    {"LKP-02: unmapped is an invalid address, no lock held", lkp_02},
	    {"LKP-03: a right that is not given is a protection failure, no lock held", lkp_03},
	    {"LKP: entry, object, index and rights; a write makes the shadow", lkp_results},
	    {"LKP: a shortage leaves nothing locked or changed", lkp_shortage},
	    {"LKP-04: results are stable until lookup_done: a writer waits", lkp_04},
	    {"LKP-05: threads that write first together make one shadow", lkp_05},
	    {"LKP-05: ... also when all of them must upgrade at once", lkp_05_upgrade},
	    {"LKP: lookup_locked makes nothing and keeps the lock", lookup_locked},
	    {"LCK-01: exclusive locks count in the timestamp, shared ones do not", lck_01},
	    {"LCK-01: a system map is always locked exclusively", lck_01_system},
	    {"LCK-02: an upgrade that a writer overtook fails, and holds no lock", lck_02},
	    {"LCK-02: an upgrade waits for other readers", lck_02_readers_only},
	    {"LCK-03: trying a held lock changes nothing", lck_03},
	    {"LCK: a user's map is not locked under one of the system", lck_order},
	    {"LCK: a range within the map's bounds is valid, also if it is empty", bounds},
	    {"CHK-01: behind the map's end nothing is mapped", chk_01_end},
	    {"CHK-01: all mapped with the rights: TRUE; a hole or a missing right: FALSE", chk_01},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

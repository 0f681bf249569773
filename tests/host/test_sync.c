/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_sync: row SYN-01, on a pager that counts what it is given. */
#include "model/mmu.h"
#include "model/pager.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define A     0x100000ul
#define P     PAGE_SIZE
#define PAGES 8ul
#define END   (A + PAGES * P)
#define FIRST 10 /* what page 0 is full of */

static struct model_pager pager;

static kern_return_t
sync(struct vm_fixture *f, vm_offset_t start, vm_offset_t end)
{
	return vm_map_sync(f->map, start, end, TRUE, FALSE);
}

static kern_return_t
invalidate(struct vm_fixture *f, vm_offset_t start, vm_offset_t end)
{
	return vm_map_sync(f->map, start, end, TRUE, TRUE);
}

/* mapped: the pager's object at A, all pages in. */
static struct vm_object *
mapped(struct vm_fixture *f, int cow)
{
	struct vm_object *object = model_pager_object(&pager, PAGES, FIRST);

	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, cow);
	vm_object_deallocate(object);
	check_fill(f->proc, A, PAGES, FIRST);
	return object;
}

static void
dirty_once(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0);
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(0, pager.puts);
	model_user_store(f->proc, A + P, 50);
	model_user_store(f->proc, A + 5 * P, 51);
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(2, pager.puts);
	check_u64(50, pager.page[1][0]);
	check_u64(51, pager.page[5][0]);
	check_u64(FIRST, pager.page[0][0]);
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(2, pager.puts);
	/* A change after that is a change again. */
	model_user_store(f->proc, A + P, 52);
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(3, pager.puts);
	check_u64(52, pager.page[1][0]);
	check_u64(PAGES, pager.gets);
}

/* Changed through a mapping that is gone by now, and through another process's. */
static void
dirty_elsewhere(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	mapped(f, MAP_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	model_user_store(child, A, 50);
	model_user_store(child, A + P, 51);
	pmap_drop(model_proc_map(child)->pmap);
	model_user_store(child, A + P, 52);
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(2, pager.puts);
	check_u64(50, pager.page[0][0]);
	check_u64(52, pager.page[1][0]);
	model_proc_destroy(child);
	check_u64(2, pager.puts);
}

static void
part(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0);
	space_fill(f->proc, A, PAGES, 50);
	check_kr(KERN_SUCCESS, sync(f, A + 2 * P, A + 5 * P));
	check_u64(3, pager.puts);
	check_u64(FIRST + 1, pager.page[1][0]);
	check_u64(52, pager.page[2][0]);
	check_u64(54, pager.page[4][0]);
	check_u64(FIRST + 5, pager.page[5][0]);
}

/* An empty range is the entry that it lies in, whole. */
static void
whole_entry(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0);
	space_fill(f->proc, A, PAGES, 50);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 2 * P, A + 5 * P, VM_PROT_READ, FALSE));
	check_kr(KERN_SUCCESS, sync(f, A + 3 * P, A + 3 * P));
	check_u64(3, pager.puts);
	check_u64(52, pager.page[2][0]);
	check_u64(54, pager.page[4][0]);
	check_kr(KERN_INVALID_ADDRESS, sync(f, END, END));
	check_kr(KERN_INVALID_ADDRESS, sync(f, 0, 0));
	check_u64(3, pager.puts);
}

/* Anonymous memory, before, between and behind: nothing to write, nothing lost. */
static void
anonymous(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A - 2 * P, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_map(f->map, END, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	mapped(f, 0);
	space_fill(f->proc, A - 2 * P, 1, 70);
	space_fill(f->proc, END, 1, 71);
	model_user_store(f->proc, A, 50);
	check_kr(KERN_SUCCESS, sync(f, A - 2 * P, END + 2 * P));
	check_u64(1, pager.puts);
	check_u64(PAGES + 2, pmap_resident_count(f->pmap));
	check_kr(KERN_SUCCESS, invalidate(f, A - 2 * P, END + 2 * P));
	check_u64(1, pager.puts);
	check_u64(0, pmap_resident_count(f->pmap));
	check_fill(f->proc, A - 2 * P, 1, 70);
	check_fill(f->proc, END, 1, 71);
}

/* What a private mapping has changed has nowhere to go; what lies behind it has. */
static void
private_changes(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = mapped(f, MAP_COPY_ON_WRITE);

	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, END + P, END + P + PAGES * P,
					    VM_PROT_RW, VM_PROT_ALL, 0));
	model_user_store(f->proc, A, 50);
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(0, pager.puts);
	model_user_store(f->proc, END + 3 * P, 60);
	check_kr(KERN_SUCCESS, sync(f, A, A + 2 * P));
	check_u64(0, pager.puts);
	check_kr(KERN_SUCCESS, sync(f, A + 2 * P, END));
	check_u64(1, pager.puts);
	check_u64(60, pager.page[2][0]);
	check_u64(50, model_user_load(f->proc, A));
}

/* A private view of the object's middle: it is these pages that it stands for. */
static void
private_part(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = model_pager_object(&pager, PAGES, FIRST);

	space_map_object(f->map, object, END, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE);
	space_fill(f->proc, END, PAGES, 50);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 3 * P, A, A + 4 * P, VM_PROT_RW,
					    VM_PROT_ALL, MAP_COPY_ON_WRITE));
	model_user_store(f->proc, A, 1); /* now a shadow object is in between */
	check_u64(2, space_chain(f->map, A));
	check_kr(KERN_SUCCESS, sync(f, A + P, A + 3 * P));
	check_u64(2, pager.puts);
	check_u64(FIRST + 3, pager.page[3][0]);
	check_u64(54, pager.page[4][0]);
	check_u64(55, pager.page[5][0]);
	check_u64(FIRST + 6, pager.page[6][0]);
}

static void
refused(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	mapped(f, 0);
	space_fill(f->proc, A, PAGES, 50);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + 4 * P, A + 5 * P, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 6 * P, A + 7 * P));
	space_map(f->map, END, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, invalidate(f, A, A + 5 * P));
	check_kr(KERN_INVALID_ARGUMENT, invalidate(f, A + 4 * P, A + 4 * P));
	check_kr(KERN_INVALID_ADDRESS, sync(f, A, END));
	check_kr(KERN_INVALID_ADDRESS, sync(f, A - P, A + P));
	check_kr(KERN_INVALID_ADDRESS, sync(f, A + 7 * P, END + P));
	check_kr(KERN_INVALID_ARGUMENT, sync(f, A + 1, A + P));
	check_kr(KERN_INVALID_ARGUMENT, sync(f, A, A + P + 1));
	check_kr(KERN_INVALID_ARGUMENT, sync(f, A + P, A));
	check_u64(0, pager.puts);
	check_unchanged(before, f->map);
	/* Wired pages are written like any other. */
	check_kr(KERN_SUCCESS, sync(f, A, A + 6 * P));
	check_u64(6, pager.puts);
	check_u64(1, pmap_wired_count(f->pmap));
}

/* Forgotten pages are asked for again, whoever maps them; what was changed was written first. */
static void
forgets(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = mapped(f, MAP_INHERIT_SHARE);
	struct proc *child = model_proc_fork(f->proc);

	check_fill(child, A, PAGES, FIRST);
	model_user_store(f->proc, A, 50);
	check_kr(KERN_SUCCESS, invalidate(f, A, A + 4 * P));
	check_u64(1, pager.puts);
	check_u64(PAGES - 4, object->resident);
	pager.page[1][0] = 77;
	check_u64(50, model_user_load(f->proc, A));
	check_u64(77, model_user_load(child, A + P));
	check_u64(PAGES + 2, pager.gets);
	model_proc_destroy(child);
}

/* A page that another space has wired stays, and its contents with it. */
static void
keeps_wired(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = mapped(f, MAP_INHERIT_SHARE);
	struct proc *child = model_proc_fork(f->proc);

	model_user_store(child, A, 50);
	check_kr(KERN_SUCCESS, vm_map_wire(model_proc_map(child), A, A + P, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, invalidate(f, A, END));
	check_u64(1, object->resident);
	check_u64(1, pager.puts);
	check_u64(50, model_user_load(child, A));
	check_u64(1, pmap_wired_count(model_proc_map(child)->pmap));
	model_proc_destroy(child);
}

/* A pager that takes nothing back: what was changed has nowhere to go, so it stays. */
static void
keeps_changes(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = mapped(f, 0);
	struct vm_pager_ops reader = *object->pager;

	reader.put = NULL;
	object->pager = &reader;
	model_user_store(f->proc, A, 50);
	check_kr(KERN_SUCCESS, invalidate(f, A, END));
	check_u64(0, pager.puts);
	check_u64(1, object->resident);
	check_u64(50, model_user_load(f->proc, A));
	check_fill(f->proc, A + P, PAGES - 1, FIRST + 1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
}

/* The pager fails: all are tried, none is lost. */
static void
failure(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0);
	space_fill(f->proc, A, 3, 50);
	pager.answer = VM_PAGER_ERROR;
	check_kr(KERN_FAILURE, invalidate(f, A, END));
	check_u64(3, pager.puts);
	check_fill(f->proc, A, 3, 50);
	pager.answer = VM_PAGER_OK;
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(6, pager.puts);
	check_u64(52, pager.page[2][0]);
}

struct call {
	struct vm_fixture *f;
	bool invalidate;
	kern_return_t kr;
	struct thread *thread;
};

static void
call(void *arg)
{
	struct call *c = arg;

	c->kr = vm_map_sync(c->f->map, A, END, TRUE, c->invalidate);
}

/* syncing: a thread that waits for the silent pager.  synced: it has ended; with which result. */
static void
syncing(struct vm_fixture *f, struct call *c, bool invalidate)
{
	*c = (struct call){f, invalidate, -1, NULL};
	pager.silent = true;
	c->thread = model_thread_start("syncer", call, c);
	model_thread_await_sleep(c->thread);
}

static kern_return_t
synced(struct call *c)
{
	model_thread_join(c->thread);
	return c->kr;
}

/* first_awaited: all pages are changed, the first one is an entry of its own, and a thread waits until
 * that is written. */
static void
first_awaited(struct vm_fixture *f, struct call *c, bool invalidate)
{
	mapped(f, 0);
	space_fill(f->proc, A, PAGES, 50);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, VM_PROT_READ, FALSE));
	syncing(f, c, invalidate);
}

/* Meanwhile nothing is locked, and a second one waits for the page that the first is writing. */
static void
slow_pager(void **state)
{
	struct vm_fixture *f = *state;
	struct call c[2];

	mapped(f, 0);
	model_user_store(f->proc, A + P, 50);
	for (size_t i = 0; i < 2; i++)
		syncing(f, &c[i], false);
	check_u64(1, pager.puts);
	space_map(f->map, END, P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_user_store(f->proc, A, 60);
	model_pager_speak(&pager, VM_PAGER_OK);
	for (size_t i = 0; i < 2; i++)
		check_kr(KERN_SUCCESS, synced(&c[i]));
	check_u64(50, pager.page[1][0]);
	check_u64(1, pager.puts);
}

/* The page is waited for, and nobody has written it then: the next one tries, too. */
static void
slow_failure(void **state)
{
	struct vm_fixture *f = *state;
	struct call c[2];

	mapped(f, 0);
	model_user_store(f->proc, A + P, 50);
	for (size_t i = 0; i < 2; i++)
		syncing(f, &c[i], false);
	model_pager_speak(&pager, VM_PAGER_ERROR);
	for (size_t i = 0; i < 2; i++)
		check_kr(KERN_FAILURE, synced(&c[i]));
	check_u64(2, pager.puts);
	pager.answer = VM_PAGER_OK;
}

/* The rest of the range goes meanwhile: what was begun is finished, and no hole is passed over. */
static void
unmapped_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct call c;

	first_awaited(f, &c, false);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 2 * P));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_kr(KERN_INVALID_ADDRESS, synced(&c));
	check_u64(50, pager.page[0][0]);
	check_u64(1, pager.puts);
}

/* A guard is a hole, also if it came meanwhile. */
static void
guarded_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct call c;

	first_awaited(f, &c, false);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + P, A + 2 * P));
	space_map(f->map, A + P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	model_pager_speak(&pager, VM_PAGER_OK);
	check_kr(KERN_INVALID_ADDRESS, synced(&c));
	check_u64(1, pager.puts);
}

/* What was wired meanwhile stays mapped. */
static void
wired_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct call c;
	uint64_t faults;

	first_awaited(f, &c, true);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + 3 * P, A + 4 * P, VM_MAP_WIRE_USER));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_kr(KERN_SUCCESS, synced(&c));
	faults = model_fault_count();
	check_u64(53, model_user_load(f->proc, A + 3 * P));
	check_u64(faults, model_fault_count());
	check_u64(1, pmap_wired_count(f->pmap));
}

/* A killed thread does not begin with the next entry. */
static void
killed_at_once(void **state)
{
	struct vm_fixture *f = *state;
	struct call c;

	first_awaited(f, &c, false);
	model_thread_kill(c.thread);
	check_kr(KERN_ABORTED, synced(&c));
	check_u64(1, pager.puts);
	pager.silent = false;
}

static void
killed(void **state)
{
	struct vm_fixture *f = *state;
	struct call c[2];

	mapped(f, 0);
	space_fill(f->proc, A, 2, 50);
	for (size_t i = 0; i < 2; i++)
		syncing(f, &c[i], false);
	for (size_t i = 2; i-- > 0;) {
		model_thread_kill(c[i].thread);
		check_kr(KERN_ABORTED, synced(&c[i]));
	}
	check_u64(1, pager.puts);
	pager.silent = false;
	check_kr(KERN_SUCCESS, sync(f, A, END));
	check_u64(3, pager.puts);
	check_u64(51, pager.page[1][0]);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"SYN-01: a changed page is written once, a clean one not", dirty_once},
	    {"SYN-01: whoever changed it, and though the mapping is gone", dirty_elsewhere},
	    {"SYN-01: the pages of the range, no others", part},
	    {"SYN-01: start = end is the whole entry", whole_entry},
	    {"SYN-01: anonymous memory has nothing to write and loses nothing", anonymous},
	    {"SYN-01: private changes go nowhere", private_changes},
	    {"SYN-01: holes, bad ranges and invalidation of wired memory are refused", refused},
	    {"SYN-01: what is invalidated is written first, then asked for again", forgets},
	    {"SYN-01: a page that another space has wired stays", keeps_wired},
	    {"SYN-01: changes that no pager takes stay", keeps_changes},
	    {"SYN-01: a pager that fails: all are tried, none is lost", failure},
	    {"SYN-01: a slow pager holds up nobody, a page under way is waited for", slow_pager},
	    {"SYN-01: a page whose writing failed is tried by who waited for it", slow_failure},
	    {"SYN-01: what is unmapped meanwhile is a hole", unmapped_meanwhile},
	    {"SYN-01: what is guarded meanwhile is a hole, too", guarded_meanwhile},
	    {"SYN-01: what is wired meanwhile stays mapped", wired_meanwhile},
	    {"SYN-01: a killed thread begins with nothing more", killed_at_once},
	    {"SYN-01: a killed thread waits no longer, the page is as dirty as before", killed},
	    {"SYN-01: a private view stands for the pages it shows", private_part},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks that several threads grow, change and wire at the same time. */
#include "model/stacks.h"
#include "model/thread.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define PAGE  PAGE_SIZE
#define A     STACK_BOTTOM
#define SIZE  STACK_SIZE
#define TOP   STACK_TOP
#define STEP  vm_sgrowsiz
#define START (TOP - STEP) /* of a new stack */

#define ROUNDS 40

struct toucher {
	struct vm_fixture *f;
	vm_offset_t va;
	uint8_t value;
	struct model_event *go;
	struct thread *thread;
};

static void
touch(void *arg)
{
	struct toucher *t = arg;

	model_event_wait(t->go);
	model_user_store(t->f->proc, t->va, t->value);
}

/* touch_both: two threads store at the same time. */
static void
touch_both(struct vm_fixture *f, vm_offset_t va0, vm_offset_t va1)
{
	struct model_event go = {false};
	struct toucher t[2] = {{f, va0, 1, &go, NULL}, {f, va1, 2, &go, NULL}};

	for (int i = 0; i < 2; i++)
		t[i].thread = model_thread_start("touch", touch, &t[i]);
	model_event_set(&go);
	for (int i = 0; i < 2; i++)
		model_thread_join(t[i].thread);
	check_u64(1, model_user_load(f->proc, va0));
	check_u64(2, model_user_load(f->proc, va1));
}

static void
grw_21(void **state)
{
	struct vm_fixture *f = *state;

	for (unsigned i = 0; i < ROUNDS; i++) {
		vm_offset_t far = START - 1 - i % 6 * STEP, near = START - PAGE - 1;
		vm_offset_t start = START - (i % 6 + 1) * STEP;

		stack_make_main(f, SIZE);
		touch_both(f, i & 1 ? far : near, i & 1 ? near : far);
		check_stack(f->map, A, start, TOP, VM_PROT_RW, VM_PROT_ALL);
		check_u64(1, stack_entries(f->map, TOP));
		check_u64(TOP - start, f->map->size);
		check_u64(TOP - start, vm_charge_used());
		check_u64(atop(TOP - start), f->vmspace->vm_ssize);
		check_u64(2, pmap_resident_count(f->pmap));
		vm_fixture_audit(f);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, TOP));
	}
}

struct grower {
	struct vm_fixture *f;
	vm_offset_t addr;
	kern_return_t kr;
	struct thread *thread;
};

static void
grow(void *arg)
{
	struct grower *g = arg;

	g->kr = vm_map_growstack(g->f->proc, g->addr);
}

/*
 * grow_and_wait: a thread has found the gap and waits, holding no lock of the map, to become its
 * writer.  The caller is the writer instead.
 */
static void
grow_and_wait(struct grower *g)
{
	model_hold_off_writers(g->f->map);
	g->thread = model_thread_start("grow", grow, g);
	model_thread_await_sleep(g->thread);
	model_become_writer(g->f->map);
}

static void
go_on(struct grower *g)
{
	vm_map_unlock(g->f->map);
	model_thread_join(g->thread);
}

/* Meanwhile the stack goes: the gap it had found is an orphan now. */
static void
grw_21_gone(void **state)
{
	struct vm_fixture *f = *state;
	struct grower g = {.f = f, .addr = START - 1};

	stack_make_main(f, SIZE);
	grow_and_wait(&g);
	check_kr(KERN_SUCCESS, vm_map_delete(f->map, START, TOP));
	go_on(&g);
	check_kr(KERN_SUCCESS, g.kr);
	check_u64(1, f->map->nentries);
	check_u64(0, f->map->size);
	check_u64(START, map_at(f->map, A)->end);
}

/* Meanwhile the gap goes, and something is mapped where it was. */
static void
grw_21_mapped(void **state)
{
	struct vm_fixture *f = *state;
	struct grower g = {.f = f, .addr = START - 1};

	stack_make_main(f, SIZE);
	grow_and_wait(&g);
	check_kr(KERN_SUCCESS, vm_map_delete(f->map, A, START));
	check_kr(KERN_SUCCESS,
		 vm_map_insert(f->map, NULL, 0, START - PAGE, START, VM_PROT_READ, VM_PROT_ALL, 0));
	go_on(&g);
	check_kr(KERN_SUCCESS, g.kr);
	check_u64(2, f->map->nentries);
	check_u64(STEP + PAGE, f->map->size);
	check_u64(VM_PROT_READ, map_at(f->map, START - 1)->protection);
}

/* Meanwhile the room below shrinks: what was allowed is not any more. */
static void
grw_21_less_room(void **state)
{
	struct vm_fixture *f = *state;
	struct grower g = {.f = f, .addr = START - STEP};

	stack_make_main(f, SIZE);
	grow_and_wait(&g);
	check_kr(KERN_SUCCESS, vm_map_delete(f->map, A, START - STEP));
	go_on(&g);
	check_kr(KERN_NO_SPACE, g.kr);
	check_stack(f->map, START - STEP, START, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(STEP, f->map->size);
	check_u64(STEP, vm_charge_used());
}

static void
limit(void *arg)
{
	struct grower *g = arg;

	model_proc_set_limit(g->f->proc, VM_LIMIT_STACK, 0);
	__atomic_store_n(&g->kr, KERN_SUCCESS, __ATOMIC_SEQ_CST);
}

/* growstack holds the process lock throughout: a limit set meanwhile counts from the next call. */
static void
proc_lock_held(void **state)
{
	struct vm_fixture *f = *state;
	struct grower g = {.f = f, .addr = START - 1}, s = {.f = f, .kr = KERN_FAILURE};

	stack_make_main(f, SIZE);
	grow_and_wait(&g);
	s.thread = model_thread_start("setrlimit", limit, &s);
	model_thread_await_sleep(s.thread);
	check_kr(KERN_FAILURE, __atomic_load_n(&s.kr, __ATOMIC_SEQ_CST));
	go_on(&g);
	model_thread_join(s.thread);
	check_kr(KERN_SUCCESS, g.kr);
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_kr(KERN_NO_SPACE, vm_map_growstack(f->proc, START - STEP - 1));
}

/* ---- growth while the stack is being wired ---- */

/* set_busy: a page is being filled by nobody in particular, or not any more. */
static void
set_busy(struct vm_page *m, bool busy)
{
	rwlock_write(&m->object->lock);
	if (busy)
		vm_page_busy(m);
	else
		vm_page_unbusy(m);
	rwlock_write_unlock(&m->object->lock);
}

static void
wire_all(void *arg)
{
	struct grower *g = arg;

	g->kr = vm_map_wire(g->f->map, g->addr, TOP, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
}

static void
while_wiring(struct vm_fixture *f, vm_offset_t wire_from)
{
	struct grower g = {.f = f, .addr = wire_from};
	struct pmap_mapping m;

	stack_make_main(f, SIZE);
	model_user_store(f->proc, START, 1);
	assert_true(pmap_query(f->pmap, START, &m));
	set_busy(m.page, true);
	g.thread = model_thread_start("wire", wire_all, &g);
	model_thread_await_sleep(g.thread);
	model_user_store(f->proc, START - 1, 2);
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	set_busy(m.page, false);
	model_thread_join(g.thread);
	check_kr(KERN_SUCCESS, g.kr);
	/* Wired is what was there when the wiring began. */
	check_u64(STEP, f->map->user_wired);
	check_u64(atop(STEP), pmap_wired_count(f->pmap));
	check_u64(0, map_at(f->map, START - 1)->wired_count);
	for (vm_offset_t va = A; va < TOP; va += PAGE)
		check_u64(0, map_at(f->map, va)->eflags & VM_ENTRY_IN_TRANSITION);
	vm_fixture_audit(f);
}

static void
wiring_gap(void **state)
{
	while_wiring(*state, A);
}

static void
wiring_part_of_gap(void **state)
{
	while_wiring(*state, START - PAGE);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"GRW-21: two threads grow at once: both succeed, every byte counted once", grw_21},
	    {"GRW-21: the stack goes while growth waits for the lock", grw_21_gone},
	    {"GRW-21: the gap is replaced while growth waits for the lock", grw_21_mapped},
	    {"GRW-21: the gap shrinks while growth waits for the lock", grw_21_less_room},
	    {"GRW-21: the process lock is held until growstack returns", proc_lock_held},
	    {"GRW-21: a stack that is being wired grows: the new part is not wired", wiring_gap},
	    {"GRW-21: likewise when the wiring begins inside the gap", wiring_part_of_gap},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

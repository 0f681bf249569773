/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads do everything to two address spaces at once.
 *
 * Each thread owns a strip of pages in its space and knows what every page of it must show and allow;
 * nobody else touches the strip, but strips are neighbours, so entries are merged and cut across
 * their borders, and all share the map, the page tables, the objects behind copies, and memory.  What
 * an operation answers and what the pages hold afterwards is checked at once.
 *
 * Some of a thread's allocations fail, and now and then a thread is told to die and survives it: then
 * an operation may end with RESOURCE_SHORTAGE or ABORTED, and must have changed nothing.
 *
 *	SEED=n	the same choices again (not the same interleaving)	SECONDS=n	how long
 */
#include <stdlib.h>
#include <time.h>
#include "kernel/base/sched.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "race/cpu.h"
#include "race/racer.h"
#include "race/sched.h"
#include "vm/vm_object.h"
#include "vm/vm_pager.h"
#include <machine/pmap.h>

#define WATCH 20 /* seconds */

static struct racer racers[THREADS];
uint64_t race_seed;

static struct model_event all_there;
static bool time_is_up; /* atomic */

static void
op_kill(struct racer *r)
{
	/* All threads live until the last has stopped. */
	model_thread_kill(racers[racer_random(r, THREADS)].thread);
}

/* ---- running ---- */

static const struct operation {
	const char *name;
	void (*run)(struct racer *r);
	unsigned weight;
} operations[] = {
    {"store", op_store, 12},
    {"check", op_check, 3},
    {"map", op_map, 10},
    {"remove", op_remove, 4},
    {"protect", op_protect, 6},
    {"inherit", op_inherit, 3},
    {"wire", op_wire, 3},
    {"unwire", op_unwire, 3},
    {"wired access", op_wired_access, 3},
    {"drop", op_drop, 1},
    {"fork", op_fork, 3},
    {"shared", op_shared, 6},
    {"stack", op_stack, 6},
    {"exec_map", op_exec_map, 2},
    {"kmem", op_kmem, 2},
    {"kernel stack", op_kstack, 1},
    {"advise", op_advise, 3},
    {"free", op_free, 2},
    {"discard", op_discard, 2},
    {"sync", op_sync, 1},
    {"residency", op_residency, 2},
    {"move", op_move, 3},

    {"kill", op_kill, 1},
};

static const struct operation *
choose_operation(struct racer *r)
{
	unsigned all = 0, n;
	size_t i = 0;

	for (size_t k = 0; k < ARRAY_SIZE(operations); k++)
		all += operations[k].weight;
	for (n = (unsigned)racer_random(r, all); n >= operations[i].weight; i++)
		n -= operations[i].weight;
	return &operations[i];
}

static void
race(void *arg)
{
	struct racer *r = arg;

	model_event_wait(&all_there);
	while (!__atomic_load_n(&time_is_up, __ATOMIC_RELAXED)) {
		const struct operation *op = choose_operation(r);

		race_alive(op->name);
		op->run(r);
		r->done++;
		/* A death that found nothing to end is forgotten. */
		racer_calm(KERN_SUCCESS);
	}
	race_alive("at the end");
}

static void
start(struct vm_fixture *f, struct proc *const *procs)
{
	(void)f;
	for (unsigned i = 0; i < THREADS; i++) {
		struct racer *r = &racers[i];

		*r = (struct racer){
		    .id = i,
		    .random = (race_seed * 0x9e3779b97f4a7c15ull + i) * 0xbf58476d1ce4e5b9ull | 1,
		    .proc = procs[i % SPACES],
		    .base = STRIPS + i / SPACES * ptoa(STRIP),
		};
	}
	for (unsigned i = 0; i < THREADS; i++)
		racers[i].thread = race_start("racer", race, &racers[i]);
	model_event_set(&all_there);
}

static unsigned
number(const char *name, unsigned usual)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? (unsigned)strtoul(text, NULL, 0) : usual;
}

static void
audit(struct vm_fixture *f, struct proc *const *procs)
{
	vm_fixture_audit(f);
	for (unsigned i = 0; i < SPACES; i++)
		pmap_audit(vm_map_pmap(model_proc_map(procs[i])));
	pmap_audit(kernel_pmap);
}

static void
everything(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, SHARED_SIZE);
	struct proc *procs[SPACES] = {f->proc, model_proc_create()};
	struct timespec length = {.tv_sec = number("SECONDS", 8)};
	uint64_t done = 0;

	race_seed = number("SEED", (unsigned)time(NULL));
	for (unsigned i = 0; i < SPACES; i++) {
		space_map_object(model_proc_map(procs[i]), object, SHARED, VM_PROT_RW, VM_PROT_ALL,
				 MAP_INHERIT_SHARE);
		check_kr(KERN_SUCCESS, vm_map_stack(model_proc_map(procs[i]), STACK,
						    ptoa(STACK_PAGES), VM_PROT_RW, VM_PROT_ALL, 0));
	}
	vm_object_deallocate(object);
	race_timer_start();
	race_watch(WATCH);
	start(f, procs);
	nanosleep(&length, NULL);
	__atomic_store_n(&time_is_up, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < THREADS; i++) {
		race_join(racers[i].thread);
		done += racers[i].done;
	}
	race_unwatch();
	race_timer_stop();
	audit(f, procs);
	for (unsigned i = 0; i < THREADS; i++)
		racer_check_strip(&racers[i]);
	print_message("SEED=%lu: %lu operations\n", race_seed, done);
	for (unsigned i = 1; i < SPACES; i++)
		model_proc_destroy(procs[i]);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"RACE: many threads, two spaces, everything at once", everything},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

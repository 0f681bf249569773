/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of the contracts that speak of several threads, each many times with threads that really run
 * at once; and what is under them: sleep queues, locks, shootdowns, waits for memory.
 */
#include "kernel/base/clock.h"
#include "kernel/base/mutex.h"
#include "kernel/base/rwlock.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/pager.h"
#include "model/space.h"
#include "model/stacks.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "race/cpu.h"
#include "race/sched.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A      0x100000ul
#define P      PAGE_SIZE
#define CREW   4
#define ROUNDS 60
#define WATCH  20 /* seconds */

/* ---- a crew: threads that do the same thing at the same moment ---- */

struct hand {
	struct vm_fixture *f;
	unsigned id;
	void (*fn)(struct hand *h);
	kern_return_t kr;
	enum model_signal signal;
	struct thread *thread;
};

static struct hand crew[CREW];
static unsigned at_start; /* atomic */

/* Spinning, so that they start as nearly at once as can be. */
static void
hand_main(void *arg)
{
	struct hand *h = arg;

	__atomic_sub_fetch(&at_start, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&at_start, __ATOMIC_SEQ_CST) != 0)
		model_yield();
	h->fn(h);
	race_alive("a round");
}

/* muster: `hands` threads, of which the i-th does fn[i % fns].  They have ended on return. */
static void
muster(struct vm_fixture *f, unsigned hands, void (*const *fn)(struct hand *h), unsigned fns)
{
	__atomic_store_n(&at_start, hands + 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < hands; i++) {
		crew[i] = (struct hand){.f = f, .id = i, .fn = fn[i % fns]};
		crew[i].thread = race_start("hand", hand_main, &crew[i]);
	}
	__atomic_sub_fetch(&at_start, 1, __ATOMIC_SEQ_CST); /* they may look at each other now */
	for (unsigned i = 0; i < hands; i++)
		race_join(crew[i].thread);
}

static void
muster_all(struct vm_fixture *f, void (*fn)(struct hand *h))
{
	muster(f, CREW, &fn, 1);
}

/* ---- rows ---- */

static void
touch_stack(struct hand *h)
{
	model_user_store(h->f->proc, STACK_TOP - (h->id + 1) * vm_sgrowsiz - 1,
			 (uint8_t)(h->id + 1));
}

static void
grw_21(void **state)
{
	struct vm_fixture *f = *state;

	for (unsigned i = 0; i < ROUNDS; i++) {
		stack_make_main(f, STACK_SIZE);
		muster_all(f, touch_stack);
		check_stack(f->map, STACK_BOTTOM, STACK_TOP - (CREW + 1) * vm_sgrowsiz, STACK_TOP,
			    VM_PROT_RW, VM_PROT_ALL);
		check_u64((CREW + 1) * vm_sgrowsiz, f->map->size);
		check_u64((CREW + 1) * vm_sgrowsiz, vm_charge_used());
		check_u64(CREW, pmap_resident_count(f->pmap));
		for (unsigned k = 0; k < CREW; k++)
			check_u64(k + 1,
				  model_user_load(f->proc, STACK_TOP - (k + 1) * vm_sgrowsiz - 1));
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, STACK_BOTTOM, STACK_TOP));
	}
}

static void
store_own_byte(struct hand *h)
{
	model_user_store(h->f->proc, A + 8 * h->id, (uint8_t)(h->id + 1));
}

static void
check_own_bytes(struct vm_fixture *f)
{
	for (unsigned k = 0; k < CREW; k++)
		check_u64(k + 1, model_user_load(f->proc, A + 8 * k));
}

/* The parent's copies: one shadow, one page, every store in it. */
static void
lkp_05(void **state)
{
	struct vm_fixture *f = *state;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct proc *child;
		uint64_t objects;

		space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
		space_fill(f->proc, A, 4, 100);
		child = model_proc_fork(f->proc);
		objects = vm_object_count();
		muster_all(f, store_own_byte);
		check_u64(objects + 1, vm_object_count());
		check_u64(2, space_chain(f->map, A));
		check_u64(1, space_entry(f->map, A)->object->resident);
		check_own_bytes(f);
		check_fill(child, A, 4, 100);
		model_proc_destroy(child);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	}
}

static void
flt_05(void **state)
{
	struct vm_fixture *f = *state;

	for (unsigned i = 0; i < ROUNDS; i++) {
		space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
		muster_all(f, store_own_byte);
		check_u64(1, space_entry(f->map, A)->object->resident);
		check_own_bytes(f);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
	}
}

/* A page that a pager brings, slowly, while something is done to the mapping. */
static struct model_pager pager;

static void
store_paged(struct hand *h)
{
	uint8_t byte = 1;

	h->signal = model_user_write(h->f->proc, A + 8 * h->id, &byte, 1);
}

static void
answer(struct hand *h)
{
	(void)h;
	model_pager_speak(&pager, VM_PAGER_OK);
}

static void
unmap_paged(struct hand *h)
{
	h->kr = vm_map_remove(h->f->map, A, A + P);
}

static void
protect_paged(struct hand *h)
{
	h->kr = vm_map_protect(h->f->map, A, A + P, VM_PROT_READ, FALSE);
}

static void
paged_round(struct vm_fixture *f, void (*change)(struct hand *h), enum model_signal late)
{
	void (*const fns[])(struct hand *) = {store_paged, answer, change, store_paged};
	struct vm_object *object = model_pager_object(&pager, 1, 50);
	struct vm_page *m;

	__atomic_store_n(&pager.silent, true, __ATOMIC_SEQ_CST);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	muster(f, CREW, fns, CREW);
	check_kr(KERN_SUCCESS, crew[2].kr);
	for (unsigned i = 0; i < CREW; i += 3)
		assert_true(crew[i].signal == MODEL_OK || crew[i].signal == late);
	/* From now on nobody can write. */
	store_paged(&crew[0]);
	check_u64(late, crew[0].signal);
	m = space_mapped(f->map, A);
	if (late == SEGV_MAPERR)
		assert_null(m);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
	vm_object_deallocate(object);
	check_u64(1, __atomic_load_n(&pager.terminations, __ATOMIC_SEQ_CST));
}

static void
flt_06(void **state)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		paged_round(*state, unmap_paged, SEGV_MAPERR);
}

static void
flt_07(void **state)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		paged_round(*state, protect_paged, SEGV_ACCERR);
}

static void
wire(struct hand *h)
{
	h->kr = vm_map_wire(h->f->map, A, A + 8 * P, VM_MAP_WIRE_USER);
	assert_true(h->kr == KERN_SUCCESS || h->kr == KERN_INVALID_ADDRESS);
}

static void
delete_wired(struct hand *h)
{
	h->kr = vm_map_remove(h->f->map, A + 2 * P, A + 4 * P);
	check_kr(KERN_SUCCESS, h->kr);
}

/* Either the wiring came first, and the deletion takes what it wired, or it finds the hole. */
static void
del_05(void **state)
{
	void (*const fns[])(struct hand *) = {wire, delete_wired};
	struct vm_fixture *f = *state;

	for (unsigned i = 0; i < ROUNDS; i++) {
		vm_size_t left;

		space_map(f->map, A, 8 * P, VM_PROT_RW, VM_PROT_ALL, 0);
		muster(f, 2, fns, 2);
		left = crew[0].kr == KERN_SUCCESS ? 6 * P : 0;
		check_u64(left, f->map->user_wired);
		check_u64(atop(left), pmap_wired_count(f->pmap));
		check_hole(f->map, A + 2 * P, A + 4 * P);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 8 * P));
	}
}

/* ---- locks ---- */

static void
upgrade(struct hand *h)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t before;

		vm_map_lock_read(h->f->map);
		before = h->f->map->timestamp;
		if (vm_map_lock_upgrade(h->f->map) != 0)
			continue;
		/* Nobody has had it meanwhile. */
		check_u64(before + 1, h->f->map->timestamp);
		h->f->map->audits++; /* lost if two are here */
		h->kr++;
		if (i % 2 != 0) {
			vm_map_lock_downgrade(h->f->map);
			vm_map_unlock_read(h->f->map);
		} else {
			vm_map_unlock(h->f->map);
		}
	}
}

static void
upgrades(void **state)
{
	struct vm_fixture *f = *state;
	uint32_t before = f->map->audits, done = 0;

	muster_all(f, upgrade);
	for (unsigned i = 0; i < CREW; i++)
		done += (uint32_t)crew[i].kr;
	assert_true(done > 0);
	check_u64(before + done, f->map->audits);
}

/* ---- sleep queues ---- */

#define TOKENS 400

static struct spinlock tokens_lock = SPINLOCK_INITIALIZER("tokens", LOCK_RANK_SPIN);
static unsigned tokens, taken, made; /* tokens_lock */

static bool
take_token(void)
{
	bool got;

	spinlock_lock(&tokens_lock);
	got = tokens > 0;
	tokens -= got;
	taken += got;
	spinlock_unlock(&tokens_lock);
	return got;
}

/* consume: wait for a token: for ever, for a moment, or until killed. */
static void
consume(struct hand *h)
{
	unsigned turn = h->id;

	for (;;) {
		spinlock_lock(&tokens_lock);
		if (taken == TOKENS) {
			spinlock_unlock(&tokens_lock);
			return;
		}
		sleepq_prepare(&tokens, "token");
		spinlock_unlock(&tokens_lock);
		if (take_token()) {
			sleepq_cancel();
		} else {
			uint64_t deadline =
			    turn % 3 == 0 ? clock_now() + NS_PER_MS : SLEEPQ_FOREVER;

			sleepq_wait(deadline, SLEEPQ_KILLABLE);
			__atomic_store_n(&curthread()->killed, false, __ATOMIC_SEQ_CST);
			take_token();
		}
		turn++;
		race_alive("consume");
	}
}

/* produce: each token wakes one; others are killed now and then.  In the end all are woken. */
static void
produce(struct hand *h)
{
	bool all = false;

	(void)h;
	while (!all) {
		bool make;

		spinlock_lock(&tokens_lock);
		make = made < TOKENS && tokens < 2;
		made += make;
		tokens += make;
		all = taken == TOKENS;
		spinlock_unlock(&tokens_lock);
		if (make)
			sleepq_wake_one(&tokens);
		if (made % 16 == 0)
			model_thread_kill(crew[1 + made / 16 % (CREW - 1)].thread);
		model_yield();
		race_alive("produce");
	}
	sleepq_wake_all(&tokens);
}

/* No wake-up is lost: if one were, two tokens would lie there and everybody sleep. */
static void
wakeups(void **state)
{
	void (*const fns[])(struct hand *) = {produce, consume, consume, consume};

	muster(*state, CREW, fns, CREW);
	check_u64(TOKENS, taken);
	check_u64(0, tokens);
}

/* ---- memory ---- */

#define FRAMES_LEFT 600

/* Each wants more than its share, and gives it back. */
static void
hoard(struct hand *h)
{
	vm_offset_t base = A + h->id * 0x1000000ul;

	for (unsigned i = 0; i < 6; i++) {
		unsigned pages = 0;

		space_map(h->f->map, base, 256 * P, VM_PROT_RW, VM_PROT_ALL, 0);
		for (; pages < 256; pages++) {
			uint8_t byte = (uint8_t)pages;

			h->signal = model_user_write(h->f->proc, base + ptoa(pages), &byte, 1);
			if (h->signal != MODEL_OK)
				break;
			race_alive("hoard");
		}
		assert_true(h->signal == MODEL_OK || h->signal == BUS_OOMERR);
		for (unsigned k = 0; k < pages; k++)
			check_u64((uint8_t)k, model_user_load(h->f->proc, base + ptoa(k)));
		check_kr(KERN_SUCCESS, vm_map_remove(h->f->map, base, base + 256 * P));
	}
}

static void
shortage(void **state)
{
	struct vm_fixture *f = *state;
	struct list kept = LIST_INITIALIZER(kept);
	struct vm_page_counts counts;
	struct list_link *link;

	for (vm_page_get_counts(&counts); counts.free > FRAMES_LEFT; counts.free--) {
		struct vm_page *m = vm_page_alloc_noobj(0);

		assert_non_null(m);
		list_push_back(&kept, &m->link);
	}
	muster_all(f, hoard);
	while ((link = list_pop_front(&kept)) != NULL)
		vm_page_free_noobj(container_of(link, struct vm_page, link));
}

/* ---- page tables ---- */

#define DROP_PAGES 24

#define DROP_ROUNDS (8 * ROUNDS)

static unsigned drops_wanted, drops_begun; /* atomic */

static void
drop(struct hand *h)
{
	for (unsigned i = 1; i <= DROP_ROUNDS; i++) {
		while (__atomic_load_n(&drops_wanted, __ATOMIC_SEQ_CST) < i)
			model_yield();
		__atomic_store_n(&drops_begun, i, __ATOMIC_SEQ_CST);
		pmap_drop(h->f->pmap);
	}
}

/* give_up: pages are freed that another processor is just unmapping.  Who frees them must not be told
 * that they are unmapped before every processor, this one too, has forgotten them. */
static void
give_up(struct hand *h)
{
	for (unsigned i = 1; i <= DROP_ROUNDS; i++) {
		space_fill(h->f->proc, A, DROP_PAGES, 1);
		__atomic_store_n(&drops_wanted, i, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&drops_begun, __ATOMIC_SEQ_CST) < i)
			model_yield();
		for (unsigned k = 0; k < i % 16; k++)
			model_yield();
		check_kr(KERN_SUCCESS,
			 vm_map_madvise(h->f->map, A, A + ptoa(DROP_PAGES), VM_ADVICE_FREE));
		for (unsigned k = 0; k < DROP_PAGES; k++)
			check_u64(0, model_user_load(h->f->proc, A + ptoa(k)));
		race_alive("give up");
	}
}

static void
freed_while_unmapped(void **state)
{
	void (*const fns[])(struct hand *) = {give_up, drop};
	struct vm_fixture *f = *state;

	space_map(f->map, A, ptoa(DROP_PAGES), VM_PROT_RW, VM_PROT_ALL, 0);
	muster(f, 2, fns, 2);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + ptoa(DROP_PAGES)));
}

/* ---- a table that is gone and not flushed ---- */

#define HOLD_OUT_MS 10
#define B	    (A + 0x400000ul) /* has a table of its own */

static bool knows, gone, answered; /* atomic */
static bool told_early;
static uint64_t tables_before;
static struct vm_page *taken_page;
static void (*answer_fn)(struct vm_fixture *f);

static void
set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_SEQ_CST);
}

static void
await_flag(bool *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST))
		model_yield();
}

/* hold_out: know the page at A, and do not answer a shootdown for a while after its table is gone. */
static void
hold_out(struct hand *h)
{
	uint8_t value = 0;
	uint64_t end;

	assert_true(model_access(h->f->pmap, A, VM_PROT_READ, &value));
	cpu_irq_disable();
	set_flag(&knows);
	while (pmap_table_count(h->f->pmap) == tables_before)
		model_yield();
	set_flag(&gone);
	for (end = clock_now() + HOLD_OUT_MS * NS_PER_MS; clock_now() < end;)
		model_yield();
	told_early = __atomic_load_n(&answered, __ATOMIC_SEQ_CST);
	assert_true(model_access(h->f->pmap, A, VM_PROT_READ, &value)); /* still */
	cpu_irq_enable();
	check_u64(5, value);
}

static void
take_page(struct hand *h)
{
	struct vm_object *object = taken_page->object;

	(void)h;
	await_flag(&knows);
	rwlock_write(&object->lock);
	pmap_remove_all(taken_page);
	rwlock_write_unlock(&object->lock);
}

static void
take_range(struct hand *h)
{
	await_flag(&knows);
	pmap_remove(h->f->pmap, A, A + P);
}

static void
ask_for_answer(struct hand *h)
{
	await_flag(&gone);
	answer_fn(h->f);
	set_flag(&answered);
}

static void
answer_removed(struct vm_fixture *f)
{
	pmap_remove(f->pmap, A, A + P);
}

static void
answer_protected(struct vm_fixture *f)
{
	pmap_protect(f->pmap, 0, B + P, VM_PROT_READ);
}

static void
answer_mapped(struct vm_fixture *f)
{
	model_user_store(f->proc, A, 6);
}

static void
answer_unmapped(struct vm_fixture *f)
{
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
}

/* unflushed_round: nobody is told that nothing is mapped at A, or maps something there, as long as a
 * processor can still read what was; with another table beside that one, or as the only one. */
static void
unflushed_round(struct vm_fixture *f, void (*taker)(struct hand *h),
		void (*ask)(struct vm_fixture *f), bool beside)
{
	void (*const fns[])(struct hand *) = {hold_out, taker, ask_for_answer};

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_map(f->map, B, P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_user_store(f->proc, A, 5);
	if (beside)
		model_user_store(f->proc, B, 5);
	knows = gone = answered = told_early = false;
	taken_page = space_mapped(f->map, A);
	tables_before = pmap_table_count(f->pmap);
	answer_fn = ask;
	muster(f, ARRAY_SIZE(fns), fns, ARRAY_SIZE(fns));
	assert_false(told_early);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, B + P));
}

static void
unflushed(void **state)
{
	static void (*const answers[])(struct vm_fixture *) = {answer_removed, answer_protected,
							       answer_mapped, answer_unmapped};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(answers); i++) {
		unflushed_round(*state, take_page, answers[i / 2], i % 2 != 0);
		unflushed_round(*state, take_range, answers[i / 2], i % 2 != 0);
	}
}

/* ---- the simulated processors ---- */

static struct model_event looked, changed;
static uint8_t seen;
static bool still_there;

static void
look_twice(void *arg)
{
	struct vm_fixture *f = arg;

	still_there = model_access(f->pmap, A, VM_PROT_READ, &seen);
	model_event_set(&looked);
	model_event_wait(&changed);
	still_there = model_access(f->pmap, A, VM_PROT_READ, &seen);
}

/* remember: another processor has read A; then A is unmapped.  Can it still read it? */
static bool
remembers(struct vm_fixture *f, bool forget)
{
	struct thread *t;

	looked = changed = (struct model_event){false};
	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_user_store(f->proc, A, 5);
	t = race_start("looks", look_twice, f);
	model_event_wait(&looked);
	sim_forget_shootdowns(forget);
	pmap_remove(f->pmap, A, A + P);
	sim_forget_shootdowns(false);
	model_event_set(&changed);
	race_join(t);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
	return still_there;
}

static void
shootdowns(void **state)
{
	assert_false(remembers(*state, false));
	assert_true(remembers(*state, true));
}

/* ---- the fixture: vm_fixture's, with a timer and a watchdog ---- */

static int
setup(void **state)
{
	int failed = vm_fixture.setup(state);

	race_timer_start();
	race_watch(WATCH);
	return failed;
}

static int
teardown(void **state)
{
	race_unwatch();
	race_timer_stop();
	return vm_fixture.teardown(state);
}

int
main(void)
{
	static const struct host_fixture fixture = {setup, teardown};
	static const struct host_test tests[] = {
	    {"GRW-21: four threads fault in different gap pages: all succeed, size exact", grw_21},
	    {"LKP-05: four threads write first to a NEEDS_COPY entry: one shadow", lkp_05},
	    {"FLT-05: four threads fault for one absent page: one page, every store in it", flt_05},
	    {"FLT-06: unmapped while faults wait for the pager: no page is left", flt_06},
	    {"FLT-07: made read-only while faults wait for the pager: no store after it", flt_07},
	    {"DEL-05: delete and wire at once: one after the other", del_05},
	    {"LCK-02: upgrades at once: who succeeds was alone", upgrades},
	    {"sleepq: wake-ups, deadlines and deaths at once: no wake-up is lost", wakeups},
	    {"oom: four threads want more memory than there is: each gets some or is told",
	     shortage},
	    {"pmap: a page is mapped until every processor has forgotten it", freed_while_unmapped},
	    {"pmap: nothing is mapped where a table was until every processor has forgotten it",
	     unflushed},
	    {"race: processors remember what no shootdown made them forget", shootdowns},
	};

	return host_run(&fixture, tests, ARRAY_SIZE(tests));
}

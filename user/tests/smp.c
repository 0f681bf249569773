/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several processors in one space: rights that are taken away are gone everywhere when the call
 * returns, and threads share the processors.  With one processor most of it is trivially true.
 */
#include <pagoda/memory.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define ROUNDS	40
#define MAX_CPU 16

static uint64_t
cpus(void)
{
	struct system_info info;

	REQUIRE_EQ(system_info(&info), 0);
	return info.cpus;
}

/* ---- Rights taken away while another thread uses them ---- */

/* What a copy of the process that dies of its storing thread leaves behind. */
struct shared {
	uint64_t counter; /* stored to by the storing thread, in a page of its own */
	uint8_t pad[PAGE_SIZE - sizeof(uint64_t)];
	uint32_t done; /* the right has been taken away */
};

static struct shared *shared;

static void
store_for_ever(void *arg)
{
	volatile uint64_t *counter = arg;

	for (uint64_t i = 1;; i++) {
		*counter = i;
	}
}

static void
await_first_store(void)
{
	while (__atomic_load_n(&shared->counter, __ATOMIC_RELAXED) == 0) {
		yield();
	}
}

static void
take_away(void *how)
{
	static struct user_thread thread;

	REQUIRE_EQ(thread_start(&thread, store_for_ever, &shared->counter, 0), 0);
	await_first_store();
	if (how == NULL) {
		REQUIRE_EQ(vm_unmap(HANDLE_SELF, (uint64_t)shared, PAGE_SIZE), 0);
	} else {
		REQUIRE_EQ(vm_protect(HANDLE_SELF, (uint64_t)shared, PAGE_SIZE, PROT_READ, 0), 0);
	}
	__atomic_store_n(&shared->done, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		yield();
	}
}

/* stores_end: from the moment when the call has returned no store is seen. */
static void
stores_end(void *how)
{
	unsigned seen = 0;

	shared = map_shared(sizeof(*shared));
	REQUIRE(shared != NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct proc_status status;
		handle_t child;

		shared->counter = shared->done = 0;
		child = tap_start(take_away, how);
		REQUIRE(child >= 0);
		while (__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST) == 0 &&
		       proc_wait(child, &status, 0) != 0) {
			yield();
		}
		if (__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST) != 0) {
			uint64_t last = __atomic_load_n(&shared->counter, __ATOMIC_SEQ_CST);

			sleep_ms(1);
			EXPECT_EQ(__atomic_load_n(&shared->counter, __ATOMIC_SEQ_CST), last);
			seen++;
		}
		proc_kill(child, 1);
		REQUIRE_EQ(proc_wait(child, &status, UINT64_MAX), 0);
		handle_close(child);
	}
	tap_note("%u of %u rounds ended before the storing thread's death", seen, ROUNDS);
}

static void
protect_while_storing(void)
{
	stores_end(&shared);
}

static void
unmap_while_storing(void)
{
	stores_end(NULL);
}

/* churn_frames: frames that were another space's come here, and are zero. */
static volatile bool churn_ends;

static void
use_fresh_frames(void *arg)
{
	uint64_t *bad = arg;

	while (!churn_ends) {
		uint64_t *p = map_pages(8 * PAGE_SIZE, PROT_RW);

		for (uint64_t i = 0; p != NULL && i < 8 * PAGE_SIZE / sizeof(*p); i += 64) {
			*bad += p[i] != 0;
		}
		for (uint64_t i = 0; p != NULL && i < 8 * PAGE_SIZE / sizeof(*p); i += 64) {
			*bad += p[i] != 0;
		}
		unmap_pages(p, 8 * PAGE_SIZE);
	}
}

static volatile uint64_t *victim;

static void
store_to_victim(void *arg)
{
	(void)arg;
	for (;;) {
		*victim = ~0ul;
	}
}

static void
unmap_victim(void *arg)
{
	static struct user_thread thread;

	(void)arg;
	victim = map_pages(PAGE_SIZE, PROT_RW);
	REQUIRE_EQ(thread_start(&thread, store_to_victim, NULL, 0), 0);
	while (*victim == 0) {
		yield();
	}
	unmap_pages((void *)victim, PAGE_SIZE);
	sleep_ms(1);
}

static void
frames_are_left_alone(void)
{
	struct user_thread user;
	uint64_t bad = 0;

	REQUIRE_EQ(thread_start(&user, use_fresh_frames, &bad, 0), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		(void)tap_run(unmap_victim, NULL);
	}
	churn_ends = true;
	REQUIRE_EQ(thread_join(&user), 0);
	EXPECT_EQ(bad, 0);
}

/* ---- Fork while another thread stores ---- */

static uint64_t *page;

static void
page_is_still(void *arg)
{
	uint64_t first = __atomic_load_n(page, __ATOMIC_SEQ_CST);

	(void)arg;
	sleep_ms(1);
	EXPECT_EQ(__atomic_load_n(page, __ATOMIC_SEQ_CST), first);
}

static void
fork_while_storing(void)
{
	struct user_thread thread;

	page = map_pages(PAGE_SIZE, PROT_RW);
	REQUIRE_EQ(thread_start(&thread, store_for_ever, page, 0), 0);
	while (__atomic_load_n(page, __ATOMIC_SEQ_CST) == 0) {
		yield();
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		EXPECT_SURVIVES(page_is_still, NULL);
	}
	thread_kill(thread.handle);
	REQUIRE_EQ(thread_join(&thread), 0);
}

/* A reader that spins on a page which is copied up for all who share it sees the store. */
static uint32_t reader_saw;

static void
wait_for_store(void *arg)
{
	(void)arg;
	while (__atomic_load_n(page, __ATOMIC_SEQ_CST) != 7) {
	}
	__atomic_store_n(&reader_saw, 1, __ATOMIC_SEQ_CST);
}

static void
store_seven(void *arg)
{
	(void)arg;
	__atomic_store_n(page, 7, __ATOMIC_SEQ_CST);
}

static void
do_nothing(void *arg)
{
	(void)arg;
	sleep_ms(1000000);
}

static void
share_a_copy(void)
{
	struct user_thread reader;
	handle_t ancestor;

	page = map_pages(PAGE_SIZE, PROT_RW);
	*page = 1;
	ancestor = tap_start(do_nothing, NULL); /* now the page is copied when it is stored to */
	REQUIRE(ancestor >= 0);
	REQUIRE_EQ(vm_inherit(HANDLE_SELF, (uint64_t)page, PAGE_SIZE, INHERIT_SHARE), 0);
	REQUIRE_EQ(thread_start(&reader, wait_for_store, NULL, 0), 0);
	EXPECT_SURVIVES(store_seven, NULL);
	REQUIRE_EQ(thread_join(&reader), 0);
	EXPECT_EQ(reader_saw, 1);
	proc_kill(ancestor, 0);
	handle_close(ancestor);
}

/* What is written into another space while that one forks: it is there afterwards. */
#define WRITES 100

static void
fork_and_store(void *arg)
{
	(void)arg;
	for (;;) {
		int64_t child = proc_fork(HANDLE_SELF, NULL, 0);

		__atomic_fetch_add(&page[1], 1, __ATOMIC_SEQ_CST); /* the page is copied */
		if (child > 0) {
			handle_close((handle_t)child);
		}
	}
}

/* So that the writer's faults have to wait for the map. */
static volatile bool writes_end;

static void
fork_for_ever(void *arg)
{
	(void)arg;
	while (!writes_end) {
		int64_t child = proc_fork(HANDLE_SELF, NULL, 0);

		if (child > 0) {
			handle_close((handle_t)child);
		}
	}
}

static void
write_while_forking(void)
{
	uint64_t *buffer = map_pages(PAGE_SIZE, PROT_RW), there[2] = {0};
	struct user_thread other;
	handle_t child;

	page = map_pages(PAGE_SIZE, PROT_RW);
	*page = 0;
	child = tap_start(fork_and_store, NULL);
	REQUIRE(child > 0);
	REQUIRE_EQ(thread_start(&other, fork_for_ever, NULL, 0), 0);
	for (uint64_t n = 1; n <= WRITES; n++) {
		*buffer = n;
		/* The kernel's own access to the buffer is to fault. */
		REQUIRE_EQ(vm_advise(HANDLE_SELF, (uint64_t)buffer, PAGE_SIZE, ADVICE_DONTNEED), 0);
		REQUIRE_EQ(vm_write(child, (uint64_t)page, buffer, sizeof(n)), sizeof(n));
		REQUIRE_EQ(vm_read(child, (uint64_t)page, there, sizeof(there)), sizeof(there));
		REQUIRE_EQ(there[0], n);
	}
	writes_end = true;
	REQUIRE_EQ(thread_join(&other), 0);
	tap_note("%u writes, %lu forks meanwhile", WRITES, there[1]);
	proc_kill(child, 0);
	handle_close(child);
}

/* ---- Faults, growth and changes in one space at once ---- */

#define WORKERS	   4
#define REPEATS	   60
#define AREA_PAGES 32

static uint64_t
grow(uint64_t depth, uint64_t seed)
{
	volatile uint64_t frame[PAGE_SIZE / sizeof(uint64_t)];

	frame[0] = seed + depth;
	if (depth > 0 && grow(depth - 1, seed) != seed) {
		return ~seed;
	}
	return frame[0] == seed + depth ? seed : ~seed;
}

static void
work(void *arg)
{
	uint64_t seed = (uint64_t)arg;

	for (uint64_t n = 0; n < REPEATS; n++) {
		uint64_t area = (uint64_t)map_pages(AREA_PAGES * PAGE_SIZE, PROT_RW);

		REQUIRE(area != 0);
		for (uint64_t i = 0; i < AREA_PAGES; i++) {
			fill_page(area + i * PAGE_SIZE, seed + n + i);
		}
		REQUIRE_EQ(vm_protect(HANDLE_SELF, area, AREA_PAGES * PAGE_SIZE, PROT_READ, 0), 0);
		for (uint64_t i = 0; i < AREA_PAGES; i++) {
			EXPECT(page_holds(area + i * PAGE_SIZE, seed + n + i));
		}
		REQUIRE_EQ(vm_unmap(HANDLE_SELF, area, AREA_PAGES * PAGE_SIZE), 0);
	}
	EXPECT_EQ(grow(100, seed), seed);
}

static void
work_at_once(void)
{
	struct user_thread thread[WORKERS];

	for (uint64_t i = 0; i < WORKERS; i++) {
		REQUIRE_EQ(thread_start(&thread[i], work, (void *)(i << 32), 0), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		REQUIRE_EQ(thread_join(&thread[i]), 0);
	}
}

static void
spin(void *arg)
{
	(void)arg;
	for (;;) {
	}
}

static void
many_spin(void *arg)
{
	struct user_thread thread[WORKERS];

	(void)arg;
	for (unsigned i = 0; i < WORKERS; i++) {
		REQUIRE_EQ(thread_start(&thread[i], spin, NULL, 0), 0);
	}
	proc_exit(0);
}

static void
all_threads_end(void)
{
	struct system_info before = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct proc_status status = tap_run(many_spin, NULL);

		if (i == ROUNDS / 4) {
			tap_counts(&before);
		}
		EXPECT_EQ(status.how, PROC_EXITED);
	}
	tap_no_leak(&before, 64);
}

/* ---- Scheduling ---- */

static volatile bool race_ends;

struct runner {
	struct user_thread thread;
	uint64_t laps;
	uint8_t pad[64];
};

static void
run_laps(void *arg)
{
	struct runner *r = arg;

	while (!race_ends) {
		__atomic_store_n(&r->laps, r->laps + 1, __ATOMIC_RELAXED);
	}
}

/* One thread more than there are processors: nobody gets less than half of what another one gets. */
static void
fairness(void)
{
	static struct runner runner[MAX_CPU + 1];
	uint64_t n = cpus() + 1, least = UINT64_MAX, most = 0;

	for (uint64_t i = 0; i < n; i++) {
		REQUIRE_EQ(thread_start(&runner[i].thread, run_laps, &runner[i], 0), 0);
	}
	sleep_ms(1000);
	race_ends = true;
	for (uint64_t i = 0; i < n; i++) {
		REQUIRE_EQ(thread_join(&runner[i].thread), 0);
		least = runner[i].laps < least ? runner[i].laps : least;
		most = runner[i].laps > most ? runner[i].laps : most;
	}
	tap_note("laps: %lu to %lu", least, most);
	EXPECT(least * 2 >= most);
}

static void
affinity(void)
{
	uint64_t n = cpus();

	for (uint64_t i = 0; i < n; i++) {
		REQUIRE_EQ(thread_affinity(HANDLE_SELF, 1ul << i), 0);
		for (unsigned k = 0; k < 20; k++) {
			EXPECT_EQ(thread_cpu(HANDLE_SELF), i);
			yield();
		}
	}
	EXPECT_EQ(thread_affinity(HANDLE_SELF, 1ul << 63), -EINVAL);
	EXPECT_EQ(thread_affinity(HANDLE_SELF, 0), 0);
}

/* Wake-ups back and forth: each that is lost would be for ever. */
#define TURNS 3000

static uint32_t turn;

static void
take_turns(void *arg)
{
	uint32_t mine = (uint32_t)(uint64_t)arg;

	for (uint32_t i = 0; i < TURNS; i++) {
		uint32_t now;

		while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) % 2 != mine) {
			(void)futex_wait(&turn, now, UINT64_MAX);
		}
		__atomic_store_n(&turn, now + 1, __ATOMIC_SEQ_CST);
		(void)futex_wake(&turn, 1);
	}
}

static void
no_lost_wakeups(void)
{
	struct user_thread other;

	REQUIRE_EQ(thread_start(&other, take_turns, (void *)1, 0), 0);
	take_turns((void *)0);
	REQUIRE_EQ(thread_join(&other), 0);
	EXPECT_EQ(turn, 2 * TURNS);
}

static const struct tap_test tests[] = {
    {"PRT-11: no store is seen after protect, by whatever processor", protect_while_storing},
    {"DEL-03: no store is seen after unmap, by whatever processor", unmap_while_storing},
    {"DEL-03: a frame is used again only when no processor reaches it", frames_are_left_alone},
    {"FRK-01: a copy stays as it was while another processor stores", fork_while_storing},
    {"INH-04: a store to a shared copy is seen by a processor that reads", share_a_copy},
    {"what is written into a space that forks is not lost", write_while_forking},
    {"GRW-21: faults, growth, protect and unmap by several threads at once", work_at_once},
    {"a process ends while its threads run everywhere", all_threads_end},
    {"one thread too many: all get their share", fairness},
    {"a thread runs where it may", affinity},
    {"no wake-up is lost", no_lost_wakeups},
};
TAP_MAIN(tests)

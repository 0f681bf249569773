/* SPDX-License-Identifier: BSD-2-Clause */
/* Time and turns: sleeping, yielding, preemption, futexes.  Order is tested, never speed. */
#include <pagoda/memory.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

static void
clock_ascends(void)
{
	uint64_t last = clock_now();

	for (int i = 0; i < 10000; i++) {
		uint64_t now = clock_now();

		if (now < last) {
			EXPECT(now >= last);
			return;
		}
		last = now;
	}
}

static void
sleeps_long_enough(void)
{
	for (uint64_t ms = 0; ms < 10; ms++) {
		uint64_t deadline = clock_now() + ms * NS_PER_MS;

		EXPECT_EQ(sleep_until(deadline), 0);
		EXPECT(clock_now() >= deadline);
	}
}

static void
past_deadlines(void)
{
	EXPECT_EQ(sleep_until(0), 0);
	EXPECT_EQ(sleep_until(clock_now() - 1), 0);
}

#define SLEEPERS 8

static uint64_t woken_at[SLEEPERS];

static void
sleep_some(void *arg)
{
	uint64_t i = ADDR(arg);
	uint64_t deadline = clock_now() + (SLEEPERS - i) * 2 * NS_PER_MS;

	sleep_until(deadline);
	woken_at[i] = clock_now() >= deadline ? 1 : 0;
}

static void
many_sleepers(void)
{
	struct user_thread threads[SLEEPERS];

	for (uint64_t i = 0; i < SLEEPERS; i++) {
		REQUIRE_EQ(thread_start(&threads[i], sleep_some, (void *)i, 0), 0);
	}
	for (int i = 0; i < SLEEPERS; i++) {
		REQUIRE_EQ(thread_join(&threads[i]), 0);
		EXPECT_EQ(woken_at[i], 1);
	}
}

static volatile uint32_t stop, progress;

static void
spin_until_stopped(void *arg)
{
	(void)arg;
	while (!stop) {
		progress = progress + 1;
	}
}

/* Only preemption lets this thread run again, and only preemption lets the other one run. */
static void
preemption(void)
{
	struct user_thread threads[2];

	for (int i = 0; i < 2; i++) {
		REQUIRE_EQ(thread_start(&threads[i], spin_until_stopped, NULL, 0), 0);
	}
	while (progress == 0) {
		__asm__ volatile("pause");
	}
	stop = 1;
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(thread_join(&threads[i]), 0);
	}
}

static void
spin_forever(void *arg)
{
	(void)arg;
	for (;;) {
		__asm__ volatile("pause");
	}
}

static void
sleeper_preempts(void)
{
	handle_t spinner = tap_start(spin_forever, NULL);
	struct proc_status status;

	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(sleep_until(clock_now() + NS_PER_MS), 0);
	}
	EXPECT_EQ(proc_kill(spinner, 1), 0);
	EXPECT_EQ(wait_for(spinner, &status), 0);
}

#define TURNS 1000

static volatile uint32_t turn;

static void
take_turns(void *arg)
{
	for (uint32_t i = 0; i < TURNS; i++) {
		while (turn % 2 != (uint32_t)ADDR(arg)) {
			yield();
		}
		turn = turn + 1;
	}
}

static void
yielding(void)
{
	struct user_thread threads[2];

	for (uint64_t i = 0; i < 2; i++) {
		REQUIRE_EQ(thread_start(&threads[i], take_turns, (void *)i, 0), 0);
	}
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(thread_join(&threads[i]), 0);
	}
	EXPECT_EQ(turn, 2 * TURNS);
}

/* ---- Futexes ---- */

static uint32_t word, woken;

static void
wait_on_word(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) {
		futex_wait(&word, 0, FOREVER);
	}
	__atomic_add_fetch(&woken, 1, __ATOMIC_RELAXED);
}

#define WAITERS 16

static void
futex_wakes_all(void)
{
	struct user_thread threads[WAITERS];

	for (int i = 0; i < WAITERS; i++) {
		REQUIRE_EQ(thread_start(&threads[i], wait_on_word, NULL, 0), 0);
	}
	sleep_ms(5);
	EXPECT_EQ(woken, 0);
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	EXPECT(futex_wake(&word, WAITERS) <= WAITERS);
	for (int i = 0; i < WAITERS; i++) {
		EXPECT_EQ(thread_join(&threads[i]), 0);
	}
	EXPECT_EQ(woken, WAITERS);
}

static void
futex_answers(void)
{
	uint32_t value = 5;
	uint64_t deadline = clock_now() + 3 * NS_PER_MS;

	EXPECT_EQ(futex_wait(&value, 4, FOREVER), -EAGAIN);
	EXPECT_EQ(futex_wait(&value, 5, deadline), -ETIMEDOUT);
	EXPECT(clock_now() >= deadline);
	EXPECT_EQ(futex_wait(&value, 5, 0), -ETIMEDOUT);
	EXPECT_EQ(futex_wake(&value, 10), 0);
}

static void
wait_in_shared(void *arg)
{
	uint32_t *shared = arg;

	while (__atomic_load_n(&shared[0], __ATOMIC_ACQUIRE) == 0) {
		futex_wait(&shared[0], 0, clock_now() + NS_PER_SEC);
	}
	__atomic_store_n(&shared[1], 1, __ATOMIC_RELEASE);
}

static void
futex_between_processes(void)
{
	uint32_t *shared = map_shared(PAGE_SIZE);
	struct proc_status status;

	REQUIRE(shared != NULL);
	shared[0] = shared[1] = 0;
	handle_t child = tap_start(wait_in_shared, shared);
	sleep_ms(3);
	__atomic_store_n(&shared[0], 1, __ATOMIC_RELEASE);
	EXPECT(futex_wake(&shared[0], 1) >= 0);
	REQUIRE_EQ(wait_for(child, &status), 0);
	EXPECT_EQ(status.value, 0);
	EXPECT_EQ(shared[1], 1);
}

#define MUTEX_THREADS 4
#define MUTEX_ROUNDS  2000

static struct mutex lock = MUTEX_INIT;
static volatile uint64_t counter;

static void
count_under_lock(void *arg)
{
	(void)arg;
	for (int i = 0; i < MUTEX_ROUNDS; i++) {
		mutex_lock(&lock);
		counter = counter + 1;
		mutex_unlock(&lock);
	}
}

static void
mutex_excludes(void)
{
	struct user_thread threads[MUTEX_THREADS];

	for (int i = 0; i < MUTEX_THREADS; i++) {
		REQUIRE_EQ(thread_start(&threads[i], count_under_lock, NULL, 0), 0);
	}
	for (int i = 0; i < MUTEX_THREADS; i++) {
		EXPECT_EQ(thread_join(&threads[i]), 0);
	}
	EXPECT_EQ(counter, MUTEX_THREADS * MUTEX_ROUNDS);
	EXPECT_EQ(lock.state, 0);
}

static const struct tap_test tests[] = {
    {"the clock never goes back", clock_ascends},
    {"nobody wakes before the deadline", sleeps_long_enough},
    {"a deadline in the past is no sleep", past_deadlines},
    {"sleepers with different deadlines all wake", many_sleepers},
    {"spinning threads are preempted", preemption},
    {"a sleeper wakes while another process spins", sleeper_preempts},
    {"threads that yield take turns", yielding},
    {"all waiters of a futex are woken", futex_wakes_all},
    {"a futex answers EAGAIN, ETIMEDOUT and the number woken", futex_answers},
    {"a futex in shared memory works between processes", futex_between_processes},
    {"a mutex excludes", mutex_excludes},
};

TAP_MAIN(tests)

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each processor runs what is meant for it: a thread for each, all in user mode at one time.
 * tests/qemu/cpus.t and tools/boots start it on machines of every size, often.
 */
#include <pagoda/stdio.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define MAX_CPU	   16
#define PATIENCE_S 30

static uint64_t count;
static uint32_t here; /* threads that have begun, each on its processor */
static int64_t seen[MAX_CPU];

static bool
all_are_here(void)
{
	return __atomic_load_n(&here, __ATOMIC_SEQ_CST) == count;
}

/* meet: without a system call after the first, so that the meeting needs all processors at once. */
static void
meet(void *arg)
{
	uint64_t cpu = (uint64_t)arg;

	if (thread_affinity(HANDLE_SELF, 1ul << cpu) == 0) {
		seen[cpu] = thread_cpu(HANDLE_SELF);
	}
	__atomic_fetch_add(&here, 1, __ATOMIC_SEQ_CST);
	while (!all_are_here()) {
		__builtin_ia32_pause();
	}
}

static void
all_at_once(void)
{
	struct user_thread thread[MAX_CPU];
	struct system_info info;
	uint64_t end = clock_now() + PATIENCE_S * NS_PER_SEC;

	REQUIRE_EQ(system_info(&info), 0);
	count = info.cpus;
	tap_note("processors: %lu", count);
	REQUIRE(count >= 1 && count <= MAX_CPU);
	for (uint64_t i = 0; i < count; i++) {
		seen[i] = -1;
		REQUIRE_EQ(thread_start(&thread[i], meet, (void *)i, 0), 0);
	}
	while (!all_are_here() && clock_now() < end) {
		sleep_ms(1);
	}
	REQUIRE_EQ(here, count);
	for (uint64_t i = 0; i < count; i++) {
		REQUIRE_EQ(thread_join(&thread[i]), 0);
		EXPECT_EQ(seen[i], i);
	}
}

static const struct tap_test tests[] = {
    {"each processor runs the thread that is meant for it, all at once", all_at_once},
};
TAP_MAIN(tests)

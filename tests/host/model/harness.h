/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How host tests are written:
 *
 *	static void
 *	grw_13(void **state)
 *	{
 *		struct vm_fixture *f = *state;		a booted vm, a process with an empty map
 *		check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, addr));
 *	}
 *
 *	int
 *	main(void)
 *	{
 *		static const struct host_test tests[] = {
 *		    {"GRW-13: growth is clamped, not refused, at the VMEM limit", grw_13},
 *		};
 *
 *		return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
 *	}
 *
 * Each test runs in a process of its own, from a boot of its own: a panic, a deadlock or a
 * sanitizer's report is the failure of one test.  Environment: T=text runs only the tests whose
 * name contains it, HOST_VERBOSE=1 shows what passing tests print, HOST_TIMEOUT=seconds.
 */
#ifndef MODEL_HARNESS_H
#define MODEL_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct host_test {
	const char *name; /* what must hold, with the row of the contracts if it has one */
	void (*fn)(void **state);
};

/* setup boots and sets *state, teardown checks that everything was given back; both may fail by
 * cmocka's assertions. */
struct host_fixture {
	int (*setup)(void **state);
	int (*teardown)(void **state);
};

int host_run(const struct host_fixture *fixture, const struct host_test *tests, size_t n);

/* check_kr, check_u64: expected, got; print both when they differ. */
#define check_kr(expected, got)	 host_check_kr((expected), (got), #got, __FILE__, __LINE__)
#define check_u64(expected, got) host_check_u64((expected), (got), #got, __FILE__, __LINE__)
void host_check_kr(int expected, int got, const char *what, const char *file, int line);
void host_check_u64(uint64_t expected, uint64_t got, const char *what, const char *file, int line);

/* host_random: the same numbers in every run with the same seed; host_random_below: less than n.
 * host_random_seed: start anew. */
void host_random_seed(uint64_t seed);
uint64_t host_random(void);
uint64_t host_random_below(uint64_t n);

#endif

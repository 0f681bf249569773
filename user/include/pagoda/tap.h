/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test programs: a table of tests, each run in a process of its own, reported in TAP.
 *
 *	1..2
 *	ok 1 - GRW-07: a touch of the guard is refused
 *	not ok 2 - GRW-08: ...
 *	# stack.c:52: r: expected -14 (bad address) got 0
 *
 * A test is a function named in the table by what must hold.  It runs in a forked copy of the
 * program, so whatever it maps, limits or breaks is gone afterwards, and its own death is a failure
 * like any other.  Faults that must happen are had in one more copy: tap_fault.
 *
 * A program's arguments choose tests: those whose name contains one of them.  "-n" runs them
 * without a process of their own, for a debugger.
 */
#ifndef PAGODA_TAP_H
#define PAGODA_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagoda/process.h>
#include <pagoda/syscalls.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

/* tap_main: run the tests of a table; returns the program's exit status. */
int tap_main(int argc, char **argv, const struct tap_test *tests, size_t count);

#define TAP_MAIN(tests)                                                                 \
	int main(int argc, char **argv)                                                 \
	{                                                                               \
		return tap_main(argc, argv, tests, sizeof(tests) / sizeof((tests)[0])); \
	}

/*
 * EXPECT: the condition holds.  EXPECT_EQ: the value is the expected one; system-call results
 * included, of which the error is named.  Both note a failure and go on; both return whether it
 * held.  REQUIRE, REQUIRE_EQ: likewise, but the test ends if it does not hold.
 */
#define EXPECT(condition) tap_check((condition), #condition, __FILE__, __LINE__)
#define EXPECT_EQ(got, expected) \
	tap_check_equal((int64_t)(got), (int64_t)(expected), #got, __FILE__, __LINE__)
#define REQUIRE(condition)                \
	do {                              \
		if (!EXPECT(condition)) { \
			tap_end_test();   \
		}                         \
	} while (0)
#define REQUIRE_EQ(got, expected)                \
	do {                                     \
		if (!EXPECT_EQ(got, expected)) { \
			tap_end_test();          \
		}                                \
	} while (0)

/* EXPECT_FAULT: fn(arg), run in a copy of the process, dies of this fault at this address.
 * EXPECT_SURVIVES: it returns, and leaves with no failure noted. */
#define EXPECT_FAULT(fn, arg, kind, addr) \
	tap_check_fault(fn, (void *)(arg), kind, (uint64_t)(addr), __FILE__, __LINE__)
#define EXPECT_SURVIVES(fn, arg) tap_check_survives(fn, (void *)(arg), __FILE__, __LINE__)

bool tap_check(bool held, const char *what, const char *file, int line);
bool tap_check_equal(int64_t got, int64_t expected, const char *what, const char *file, int line);
bool tap_check_fault(void (*fn)(void *), void *arg, int32_t kind, uint64_t addr, const char *file,
		     int line);
bool tap_check_survives(void (*fn)(void *), void *arg, const char *file, int line);

/* tap_note: a line of explanation, printed as a comment. */
void tap_note(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* tap_end_test: end the test that runs, as failed or passed as it is. */
_Noreturn void tap_end_test(void);

/* tap_run: fn(arg) in a copy of the process; how that ended.  The copy's exit status is 0 if all it
 * expected held.  Noted as a failure if it cannot be started. */
struct proc_status tap_run(void (*fn)(void *), void *arg);

/* tap_start: likewise, but only start it; its handle. */
handle_t tap_start(void (*fn)(void *), void *arg);

/* What the kernel holds, to be compared before and after.  tap_counts waits until processes that
 * nobody waits for are gone from the count too. */
void tap_counts(struct system_info *info);
/* tap_no_leak: nothing of `before` has grown or shrunk, pages within `slack`, and map entries within
 * a few of the kernel's own: so do a thing often before looking for what it loses. */
bool tap_no_leak(const struct system_info *before, uint64_t slack);

/* touch: write a byte; peek: read one.  Neither is optimised away. */
static inline void
touch(uint64_t addr)
{
	*(volatile uint8_t *)addr = 1;
}

static inline uint8_t
peek(uint64_t addr)
{
	return *(volatile uint8_t *)addr;
}

/* fill_page, page_holds: every word of the page is made from `seed` and its place. */
void fill_page(uint64_t addr, uint64_t seed);
bool page_holds(uint64_t addr, uint64_t seed);
/* page_is_zero: all of it. */
bool page_is_zero(uint64_t addr);

#endif

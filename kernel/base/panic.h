/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the road: panic() and the assertions that lead to it.
 *
 * ASSERT is for debug builds, VERIFY for every build.  Both take a printf-style hint, which must
 * print the values that made the condition false: "ASSERT(a < b, "a %zu b %zu", a, b)".
 */
#ifndef KERNEL_BASE_PANIC_H
#define KERNEL_BASE_PANIC_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/base/list.h"

/* A report that an upper storey adds to a panic's; it takes no locks and allocates nothing. */
struct panic_hook {
	struct list_link link;
	void (*report)(void);
};

/*
 * panic: print the message, the current thread, registers, the locks it holds and a symbolised backtrace, then
 * end the machine (cpu_exit(CPU_EXIT_PANIC)).  Callable from anywhere,
 * with any lock held.
 */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* machine_end: stop the other processors, and end the machine in good order: cpu_exit(code).  Callable
 * where a thread runs; no lock held. */
_Noreturn void machine_end(uint32_t code);

/* panic_prepare: stop the other processors, to report something before panic(), which must follow.
 * panic_stops_me: is this processor to stop, for another one's panic or as the machine ends?
 * panic_stand_still: this processor, stopped at pc with the frame fp, is to do nothing but to report that
 * when its turn comes. */
void panic_prepare(void);
bool panic_stops_me(void);
_Noreturn void panic_stand_still(uintptr_t pc, uintptr_t fp);

/* panic_hook_register: have h->report() called in a panic, after the backtrace.  Boot only. */
void panic_hook_register(struct panic_hook *h);

/* panic_active: has a panic begun?  Then reports read without locks. */
bool panic_active(void);

_Noreturn void panic_assert(const char *file, int line, const char *cond, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define VERIFY(cond, ...)                                                     \
	do {                                                                  \
		if (__builtin_expect(!(cond), 0))                             \
			panic_assert(__FILE__, __LINE__, #cond, __VA_ARGS__); \
	} while (0)

#ifdef CONFIG_DEBUG
#define ASSERT(cond, ...) VERIFY(cond, __VA_ARGS__)
#else
#define ASSERT(cond, ...)                                     \
	do {                                                  \
		if (0 && (cond))                              \
			panic_assert("", 0, "", __VA_ARGS__); \
	} while (0)
#endif

#endif

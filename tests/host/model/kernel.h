/* SPDX-License-Identifier: BSD-2-Clause */
/* The ground that vm/ stands on, as far as the host has to make its own: panic, printing, time. */
#ifndef MODEL_KERNEL_H
#define MODEL_KERNEL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * expect_panic: the statements must panic with a message that contains `hint`.  Locks that were
 * held stay held and structures stay half changed, so this is the end of a test: the fixture checks
 * nothing afterwards.
 */
#define expect_panic(hint, ...)                           \
	do {                                              \
		if (setjmp(*model_panic_expect()) == 0) { \
			__VA_ARGS__;                      \
			model_panic_missed(hint);         \
		}                                         \
		model_panic_compare(hint);                \
	} while (0)

jmp_buf *model_panic_expect(void);
void model_panic_missed(const char *hint);
void model_panic_compare(const char *hint);

/* model_panicked: has an expected panic happened? */
bool model_panicked(void);

/* model_die: print a message and the call stack; the test has failed.  From any thread. */
_Noreturn void model_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* model_last_words: called once by whoever dies of a panic or of model_die(), with the message, before
 * anything is printed; NULL: nobody. */
extern void (*model_last_words)(const char *message);

/* model_clock_set: the virtual clock, ns; it stands still but for this and for timed waits. */
void model_clock_set(uint64_t ns);

#endif

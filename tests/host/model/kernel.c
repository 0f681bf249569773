/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Panic, printing and time on the host.
 *
 * A panic that a test expects jumps back into the test; any other ends the process, which is just
 * this one test (see harness.c).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <machine/percpu.h>
#include "kernel/base/clock.h"
#include "kernel/base/lockorder.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/trace.h"
#include "model/kernel.h"

#define MESSAGE_MAX 1024

static jmp_buf panic_return;
static bool panic_expected, panic_happened, dying;
static char panic_message[MESSAGE_MAX];
static uint64_t now;

void (*model_last_words)(const char *message);

_Noreturn static void
die(const char *message)
{
	bool first = !__atomic_exchange_n(&dying, true, __ATOMIC_SEQ_CST);

	if (first && model_last_words != NULL)
		model_last_words(message);
	fprintf(stderr, "%s\n", message);
	if (first) {
		lockorder_print(curthread());
		__sanitizer_print_stack_trace();
	}
	_exit(EXIT_FAILURE);
}

void
model_die(const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	die(message);
}

_Noreturn static void
panic_end(void)
{
	if (!panic_expected) {
		fprintf(stderr, "panic: ");
		die(panic_message);
	}
	panic_expected = false;
	panic_happened = true;
	longjmp(panic_return, 1);
}

void
panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(panic_message, sizeof(panic_message), fmt, ap);
	va_end(ap);
	panic_end();
}

void
panic_assert(const char *file, int line, const char *cond, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(panic_message, sizeof(panic_message), "%s:%d: %s: ", file, line, cond);
	va_start(ap, fmt);
	vsnprintf(panic_message + n, sizeof(panic_message) - (size_t)n, fmt, ap);
	va_end(ap);
	panic_end();
}

bool
panic_active(void)
{
	return panic_happened || __atomic_load_n(&dying, __ATOMIC_RELAXED);
}

jmp_buf *
model_panic_expect(void)
{
	panic_expected = true;
	return &panic_return;
}

void
model_panic_missed(const char *hint)
{
	model_die("expected a panic with \"%s\", got none", hint);
}

void
model_panic_compare(const char *hint)
{
	if (strstr(panic_message, hint) == NULL)
		model_die("expected a panic with \"%s\", got: %s", hint, panic_message);
}

bool
model_panicked(void)
{
	return panic_happened;
}

int
kvprintf(const char *fmt, va_list ap)
{
	return vfprintf(stderr, fmt, ap);
}

int
kprintf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvprintf(fmt, ap);
	va_end(ap);
	return n;
}

int
kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	return vsnprintf(buf, size, fmt, ap);
}

int
ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

const char *
ksym_lookup(uintptr_t pc, size_t *offset)
{
	static _Thread_local char names[4][80];
	static _Thread_local unsigned turn;
	char *name = names[turn++ % 4];

	__sanitizer_symbolize_pc((void *)pc, "%f (%s:%l)", name, sizeof(names[0]));
	*offset = 0;
	return name;
}

uint64_t
clock_now(void)
{
	return __atomic_load_n(&now, __ATOMIC_SEQ_CST);
}

void
model_clock_set(uint64_t ns)
{
	__atomic_store_n(&now, ns, __ATOMIC_SEQ_CST);
}

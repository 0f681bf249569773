/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel printing: formatted text to every registered console.
 *
 * Formats: %d %i %u %x %X %o %c %s %p %% with flags "-0+ #", width, precision, '*', and lengths
 * hh h l ll z t j.  No floating point.
 */
#ifndef KERNEL_BASE_PRINT_H
#define KERNEL_BASE_PRINT_H

#include <stdarg.h>
#include <stddef.h>
#include "kernel/base/list.h"

/* A place where kernel text goes.  write() is called with interrupts off and must not sleep. */
struct console {
	struct list_link link;
	const char *name;
	void (*write)(struct console *c, const char *s, size_t n);
};

/* console_register: add a console; text logged before is replayed to it from the log ring. */
void console_register(struct console *c);

/* kprintf: print to all consoles and the log ring.  Callable with any lock held and from
 * interrupts. */
int kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int kvprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

/* console_write: raw bytes to all consoles (the log system call). */
void console_write(const char *s, size_t n);

int ksnprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* print_panic_mode: from now on print without locks; only panic() calls it. */
void print_panic_mode(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted output to the console.  A line is written when it ends, when the buffer is full and
 * when the program exits; lines of several threads do not mix.
 *
 * Formats: %d %i %u %x %X %o %c %s %p %%, flags "-0+ #", width, precision, '*', and the lengths
 * hh h l ll z j t.
 */
#ifndef PAGODA_STDIO_H
#define PAGODA_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#define PRINTF_LIKE(format, first) __attribute__((__format__(__printf__, format, first)))

int printf(const char *format, ...) PRINTF_LIKE(1, 2);
int vprintf(const char *format, va_list args) PRINTF_LIKE(1, 0);
int puts(const char *s);
int putchar(int c);

/* snprintf, vsnprintf: at most size bytes with the terminator; return the length of the whole. */
int snprintf(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
int vsnprintf(char *buffer, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);

/* stdout_flush: write what is buffered. */
void stdout_flush(void);

/* stdout_lock, stdout_unlock: keep other threads out; for fork, and for output of several calls. */
void stdout_lock(void);
void stdout_unlock(void);

/* format_to: the engine of all of them: put(c, cookie) for each character; returns how many. */
int format_to(void (*put)(char c, void *cookie), void *cookie, const char *format, va_list args)
    PRINTF_LIKE(3, 0);

#endif

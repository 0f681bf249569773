/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and string functions of the freestanding kernel; semantics are those of C11. */
#ifndef KERNEL_BASE_STRING_H
#define KERNEL_BASE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* strlcpy: copy with truncation, always terminated; returns strlen(src). */
size_t strlcpy(char *dst, const char *src, size_t size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes and strings, as ISO C has them. */
#ifndef PAGODA_STRING_H
#define PAGODA_STRING_H

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *wanted);

/* strlcpy: copy what fits into size bytes, always terminated (size > 0); returns strlen(src). */
size_t strlcpy(char *restrict dst, const char *restrict src, size_t size);

/* strerror: the text of an error number; negative ones too, as system calls return them. */
const char *strerror(int64_t error);

#endif

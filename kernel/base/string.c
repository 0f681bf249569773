/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and string functions.
 *
 * The compiler calls memcpy, memmove, memset and memcmp by itself, so these four exist under these
 * names whatever the kernel uses.  It also knows a loop that copies, fills or measures when it
 * sees one and would turn it into a call of the very function it stands in.  Moving forwards is
 * therefore the processor's (machine/words.h); the loops here hide one value from the compiler.
 */
#include "kernel/base/string.h"
#include <machine/words.h>
#include <stdbool.h>

/* OPAQUE: the compiler must assume that x has any value now. */
#define OPAQUE(x) __asm__("" : "+r"(x))

void *
memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	cpu_copy_forward(dst, src, n);
	return dst;
}

/* copy_backward: for a destination that begins inside the source. */
static void
copy_backward(unsigned char *dst, const unsigned char *src, size_t n)
{
	while (n > 0) {
		OPAQUE(n);
		n--;
		dst[n] = src[n];
	}
}

void *
memmove(void *dst, const void *src, size_t n)
{
	bool inside = (uintptr_t)dst - (uintptr_t)src < n;

	if (inside)
		copy_backward(dst, src, n);
	else
		cpu_copy_forward(dst, src, n);
	return dst;
}

void *
memset(void *dst, int c, size_t n)
{
	cpu_fill(dst, (unsigned char)c, n);
	return dst;
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++) {
		OPAQUE(i);
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

size_t
strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

size_t
strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0') {
		n++;
		OPAQUE(n);
	}
	return n;
}

int
strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int
strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char x = (unsigned char)a[i], y = (unsigned char)b[i];

		OPAQUE(i);
		if (x != y || x == '\0')
			return x - y;
	}
	return 0;
}

char *
strchr(const char *s, int c)
{
	for (;; s++) {
		OPAQUE(s);
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (*s == '\0')
			return NULL;
	}
}

size_t
strlcpy(char *dst, const char *src, size_t size)
{
	size_t length = strlen(src);

	if (size > 0) {
		size_t n = length < size ? length : size - 1;

		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return length;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes and strings.  Copying and filling use the string instructions: by eights, then the rest;
 * that is short, fast enough everywhere, and no compiler can turn it into a call of itself.
 */
#include <stdint.h>

#include <pagoda/string.h>

#define WORD 8

void *
memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	void *d = dst;
	size_t words = n / WORD, rest = n % WORD;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(rest) : : "memory");
	return dst;
}

/* Backwards, for a destination that overlaps the source from above. */
static void
copy_down(char *dst, const char *src, size_t n)
{
	dst += n - 1;
	src += n - 1;
	__asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

void *
memmove(void *dst, const void *src, size_t n)
{
	if ((uintptr_t)dst - (uintptr_t)src >= n) {
		return memcpy(dst, src, n);
	}
	if (n > 0) {
		copy_down(dst, src, n);
	}
	return dst;
}

void *
memset(void *dst, int byte, size_t n)
{
	void *d = dst;
	size_t words = n / WORD, rest = n % WORD;
	uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
	return dst;
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != q[i]) {
			return p[i] - q[i];
		}
	}
	return 0;
}

void *
memchr(const void *s, int byte, size_t n)
{
	const uint8_t *p = s;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == (uint8_t)byte) {
			return (void *)(uintptr_t)(p + i);
		}
	}
	return NULL;
}

size_t
strnlen(const char *s, size_t max)
{
	const char *end = memchr(s, '\0', max);

	return end == NULL ? max : (size_t)(end - s);
}

size_t
strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0') {
		/* An instruction the compiler cannot see through: this loop *is* strlen. */
		__asm__ volatile("" : "+r"(n));
		n++;
	}
	return n;
}

int
strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i] || a[i] == '\0') {
			return (uint8_t)a[i] - (uint8_t)b[i];
		}
	}
	return 0;
}

int
strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *
strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c) {
			return (char *)(uintptr_t)s;
		}
		if (*s == '\0') {
			return NULL;
		}
	}
}

char *
strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c) {
			last = s;
		}
	} while (*s++ != '\0');
	return (char *)(uintptr_t)last;
}

char *
strstr(const char *s, const char *wanted)
{
	size_t n = strlen(wanted);

	for (; strncmp(s, wanted, n) != 0; s++) {
		if (*s == '\0') {
			return NULL;
		}
	}
	return (char *)(uintptr_t)s;
}

size_t
strlcpy(char *restrict dst, const char *restrict src, size_t size)
{
	size_t length = strlen(src), n = length < size ? length : size - 1;

	memcpy(dst, src, n);
	dst[n] = '\0';
	return length;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Moving memory forwards: what memcpy and memset are made of. */
#ifndef MACHINE_WORDS_H
#define MACHINE_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define CPU_WORD_SIZE  sizeof(uint64_t)
#define CPU_WORD_BYTES 0x0101010101010101ull /* times a byte: a word of that byte */

/* cpu_copy_forward: n bytes from src to dst, lowest address first, a word at a time. */
static inline void
cpu_copy_forward(void *dst, const void *src, size_t n)
{
	size_t words = n / CPU_WORD_SIZE, rest = n % CPU_WORD_SIZE;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(rest) : : "memory");
}

/* cpu_fill: n bytes of c. */
static inline void
cpu_fill(void *dst, unsigned char c, size_t n)
{
	size_t words = n / CPU_WORD_SIZE, rest = n % CPU_WORD_SIZE;
	uint64_t pattern = c * CPU_WORD_BYTES;

	__asm__ volatile("rep stosq" : "+D"(dst), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(dst), "+c"(rest) : "a"(pattern) : "memory");
}

#endif

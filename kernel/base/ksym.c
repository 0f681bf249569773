/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which function is this address in?
 *
 * The kernel is linked twice.  tools/ksyms makes a table of the functions of the first link, sorted
 * by address, and the second link adds it in section .ksyms, behind all code, so that no function
 * moves.  Three arrays, all constant:
 *
 *	ksym_offsets[i]	distance of function i from the start of text, ascending
 *	ksym_names[i]	where in ksym_text its name begins
 *	ksym_text	the names, each ended by a NUL
 */
#include <stddef.h>
#include <stdint.h>
#include "kernel/base/trace.h"

extern const uint32_t ksym_count;
extern const uint32_t ksym_offsets[];
extern const uint32_t ksym_names[];
extern const char ksym_text[];

extern const char __text_start[];
extern const char __text_end[];

const char *
ksym_lookup(uintptr_t pc, size_t *offset)
{
	uintptr_t start = (uintptr_t)__text_start;
	size_t low = 0;
	size_t high = ksym_count;

	if (pc < start || pc >= (uintptr_t)__text_end)
		return NULL;
	/* Everything below low starts at or before pc, everything from high on after it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ksym_offsets[middle] <= pc - start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	*offset = pc - start - ksym_offsets[low - 1];
	return &ksym_text[ksym_names[low - 1]];
}

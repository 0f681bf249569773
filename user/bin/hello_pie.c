/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A position-independent program: it lies where the loader put it, and has moved its own pointers
 * there before main.  The table below holds such pointers.
 */
#include <pagoda/auxv.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>

static const char *const words[] = {"Hello", "from", "wherever", "I", "am"};

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

int
main(void)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		printf("%s%s", i > 0 ? " " : "", words[i]);
	}
	printf(": %p.\n", (const void *)__ehdr_start);
	return getauxval(AT_PHDR) - (uint64_t)__ehdr_start < 4096 ? 0 : 1;
}

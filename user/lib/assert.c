/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagoda/assert.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>

/* assert_failed: what assert does when it must. */
_Noreturn void
assert_failed(const char *condition, const char *file, int line)
{
	printf("%s:%d: assertion failed: %s\n", file, line, condition);
	abort();
}

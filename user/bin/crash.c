/* SPDX-License-Identifier: BSD-2-Clause */
/* crash NAME: have a debug kernel do what a kernel must not do (kernel/debug_faults.c), in a system
 * call, to see what it says of it.  Ends the machine. */
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

int
main(int argc, char **argv)
{
	if (argc != 2) {
		puts("usage: crash NAME");
		return 2;
	}
	int64_t error = debug_call(DEBUG_FAULT, ADDR(argv[1]), 0);
	printf("crash: %s: %s\n", argv[1], strerror((int)error));
	return 1;
}

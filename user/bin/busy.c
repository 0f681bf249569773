/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * busy off|FAULT: all processors are busy, with loops, faults and calls, when the machine is switched
 * off, or when the kernel does FAULT (bin/crash says which there are).
 */
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

#define AREA_BYTES (16 * PAGE_SIZE)
#define BUSY_MS	   50
#define STATUS	   7 /* that `off` ends with */
#define MAX_CPU	   16

static uint32_t begun;

static void
loop_for_ever(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
	for (;;) {
		__builtin_ia32_pause();
	}
}

static void
fault_for_ever(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
	for (;;) {
		char *p = map_pages(AREA_BYTES, PROT_RW);

		if (p != NULL) {
			memset(p, 1, AREA_BYTES);
			unmap_pages(p, AREA_BYTES);
		}
	}
}

/* keep_busy: two threads for each processor; false if one cannot be started. */
static bool
keep_busy(uint64_t cpus)
{
	static struct user_thread thread[2 * MAX_CPU];

	for (uint64_t i = 0; i < 2 * cpus; i++) {
		int error =
		    thread_start(&thread[i], i % 2 == 0 ? loop_for_ever : fault_for_ever, NULL, 0);

		if (error != 0) {
			printf("busy: thread %lu: %s\n", i, strerror(error));
			return false;
		}
	}
	while (__atomic_load_n(&begun, __ATOMIC_RELAXED) < 2 * cpus) {
		sleep_ms(1);
	}
	sleep_ms(BUSY_MS);
	return true;
}

int
main(int argc, char **argv)
{
	struct system_info info = {0};
	int64_t error = argc == 2 ? system_info(&info) : -EINVAL;

	if (error != 0 || info.cpus > MAX_CPU || !keep_busy(info.cpus)) {
		puts("usage: busy off|FAULT");
		return 2;
	}
	if (strcmp(argv[1], "off") == 0) {
		error = system_shutdown(STATUS);
	} else {
		error = debug_call(DEBUG_FAULT, ADDR(argv[1]), 0);
	}
	printf("busy: %s\n", strerror((int)error));
	return 1;
}

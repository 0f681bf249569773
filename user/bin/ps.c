/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes there are. */
#include <pagoda/stdio.h>
#include <pagoda/syscalls.h>

#define KIB	    1024
#define NS_PER_USEC 1000

int
main(void)
{
	struct proc_info info;

	printf("%5s %3s %4s %4s %5s %9s %9s %7s %7s %10s  %s\n", "ID", "THR", "HND", "ENT", "TABLE",
	       "SIZE KiB", "RES KiB", "WIRED", "STACK", "CPU us", "NAME");
	for (uint64_t id = 0; proc_info(id, &info) == 0; id = info.id + 1) {
		printf("%5lu %3u %4u %4u %5u %9lu %9lu %7lu %7lu %10lu  %.*s\n", info.id,
		       info.threads, info.handles, info.entries, info.table_pages, info.size / KIB,
		       info.resident / KIB, info.wired / KIB, info.stack_size / KIB,
		       info.cpu_time / NS_PER_USEC, PROC_NAME_MAX, info.name);
	}
	return 0;
}

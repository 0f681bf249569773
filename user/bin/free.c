/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of the machine is used. */
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

#define KIB_PER_PAGE (PAGE_SIZE / 1024)

static void
print_memory(const char *what, uint64_t pages)
{
	printf("%-22s %10lu pages %10lu KiB\n", what, pages, pages * KIB_PER_PAGE);
}

static void
print_charge(const char *what, uint64_t bytes)
{
	if (bytes == UINT64_MAX) {
		printf("%-22s %10s\n", what, "no limit");
	} else {
		print_memory(what, bytes / PAGE_SIZE);
	}
}

int
main(void)
{
	struct system_info info;
	int64_t error = system_info(&info);

	if (error != 0) {
		printf("free: %s\n", strerror(error));
		return 1;
	}
	print_memory("frames", info.pages_total);
	print_memory("  free", info.pages_free);
	print_memory("  used", info.pages_total - info.pages_free);
	print_charge("may be promised", info.commit_limit);
	print_charge("  is promised", info.commit_used);
	printf("%-22s %10lu\n", "memory objects", info.objects);
	printf("%-22s %10lu\n", "map entries", info.map_entries);
	print_memory("page tables", info.page_tables);
	printf("%-22s %10lu\n", "processes", info.procs);
	printf("%-22s %10lu\n", "threads", info.threads);
	printf("%-22s %10lu\n", "processors", info.cpus);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * typed: a thread waits for input with a buffer that goes away meanwhile; then the program reads a
 * line into a good one and prints it.  tests/qemu/console.t types the line: none of it may be lost.
 */
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

static int64_t result;

static void
read_into(void *page)
{
	result = console_read(page, PAGE_SIZE);
}

/* Until the return key, piece by piece as it comes. */
static void
read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && (n == 0 || line[n - 1] != '\r')) {
		int64_t more = console_read(line + n, size - 1 - n);

		if (more < 0) {
			break;
		}
		n += more;
	}
	line[n > 0 ? n - 1 : 0] = '\0';
}

int
main(void)
{
	static const char ready[] = "typed: now\n";
	void *page = map_pages(PAGE_SIZE, PROT_RW);
	struct user_thread reader;
	char line[80];

	if (page == NULL || thread_start(&reader, read_into, page, 0) != 0) {
		return 1;
	}
	sleep_ms(50); /* it waits by then */
	unmap_pages(page, PAGE_SIZE);
	kernel_log(ready, sizeof ready - 1);
	thread_join(&reader);
	read_line(line, sizeof line);
	printf("the thread: %s\nthe program: %s\n", strerror((int)result), line);
	return result == -EFAULT ? 0 : 1;
}

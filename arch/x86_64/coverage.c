/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was executed, for BUILD=coverage: the compiler counts in vm/, and the counts leave the machine
 * when it ends, through a port that only `make coverage` connects (tools/coverage reads it).
 *
 * The counts are written as the compiler's own library does it, in pieces; each piece has a head of
 * five bytes: 'F' for the name of a file or 'D' for data of the last named one, and its length.
 */
#include <machine/console.h>
#include <machine/coverage.h>
#include <machine/io.h>
#include "kernel/base/panic.h"

#ifdef CONFIG_COVERAGE

struct gcov_info;

/* Of libgcov. */
void __gcov_info_to_gcda(const struct gcov_info *info,
			 void (*filename)(const char *name, void *arg),
			 void (*dump)(const void *data, unsigned size, void *arg),
			 void *(*allocate)(unsigned size, void *arg), void *arg);

/* What libgcov would take from a C library, or what is for programs that write files. */
void __gcov_init(struct gcov_info *info);
void __gcov_exit(void);
void __gcov_merge_add(int64_t *counters, unsigned n);
void *mmap(void *addr, size_t size, int prot, int flags, int fd, long offset);
_Noreturn void abort(void);

/* By linker.ld. */
extern const struct gcov_info *const __gcov_info_start[], *const __gcov_info_end[];

void
__gcov_init(struct gcov_info *info)
{
	(void)info;
}

void
__gcov_exit(void)
{
}

void
__gcov_merge_add(int64_t *counters, unsigned n)
{
	(void)counters, (void)n;
}

void *
mmap(void *addr, size_t size, int prot, int flags, int fd, long offset)
{
	(void)addr, (void)size, (void)prot, (void)flags, (void)fd, (void)offset;
	return (void *)-1;
}

_Noreturn void
abort(void)
{
	panic("libgcov gives up");
}

static void
put_piece(char kind, const void *data, uint32_t size)
{
	io_out8(DEBUGCON_COVERAGE, (uint8_t)kind);
	for (unsigned shift = 0; shift < 32; shift += 8)
		io_out8(DEBUGCON_COVERAGE, (uint8_t)(size >> shift));
	debugcon_write(DEBUGCON_COVERAGE, data, size);
}

static void
put_name(const char *name, void *arg)
{
	uint32_t n = 0;

	(void)arg;
	while (name[n] != '\0')
		n++;
	put_piece('F', name, n);
}

static void
put_data(const void *data, unsigned size, void *arg)
{
	(void)arg;
	put_piece('D', data, size);
}

/* Nothing is counted that would need memory. */
static void *
no_memory(unsigned size, void *arg)
{
	(void)size, (void)arg;
	return NULL;
}

void
coverage_dump(void)
{
	for (const struct gcov_info *const *i = __gcov_info_start; i < __gcov_info_end; i++)
		__gcov_info_to_gcda(*i, put_name, put_data, no_memory, NULL);
}

#endif

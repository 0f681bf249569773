/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot archive: the programs on the boot medium, a ustar file held in a memory object. */
#ifndef PAGODA_ARCHIVE_H
#define PAGODA_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARCHIVE_PATH_MAX 260 /* 155 of prefix, a slash, 100 of name, the end */

struct archive_file {
	char path[ARCHIVE_PATH_MAX]; /* "bin/hello" */
	const void *data;
	size_t size; /* bytes */
};

/* archive_next: the file after *cursor (0: the first); false at the end, or where the archive is
 * damaged.  Any thread; the archive is mapped at the first call and stays so. */
bool archive_next(uint64_t *cursor, struct archive_file *file);

/* archive_find: a file by its path, or by its name in bin/, sbin/ or tests/. */
bool archive_find(const char *path, struct archive_file *file);

/* ustar_next: archive_next over any ustar image of `size` bytes. */
bool ustar_next(const void *image, size_t size, uint64_t *cursor, struct archive_file *file);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot archive: the programs that came with the kernel, in ustar format. */
#ifndef KERNEL_ARCHIVE_H
#define KERNEL_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

/* archive_check: walk the whole image; NULL if it is sound and has a file, else what is wrong. */
const char *archive_check(const void *image, size_t size);

/* archive_find: the file of this path; false if there is none. */
bool archive_find(const void *image, size_t size, const char *path, const void **data,
		  size_t *length);

#endif

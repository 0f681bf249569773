/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF64 images: checking one, and what must be known to load it.
 *
 * elf_parse() reads the headers once, into the kernel, and checks all of it before anybody maps
 * anything; elf_image holds nothing that was not checked.
 */
#ifndef KERNEL_ELF_H
#define KERNEL_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vm/vm_types.h"

#define ELF_MAX_SEGMENTS 16 /* that are loaded */
#define ELF_MAX_HEADERS	 64 /* program headers of all kinds */

/* Where the bytes of an image come from. */
struct elf_source {
	/* copies n bytes from offset on; the range lies in the image.  False if it cannot be read. */
	bool (*read)(const struct elf_source *s, size_t offset, void *to, size_t n);
	const void *image; /* kernel or user address, as read() knows */
	size_t size;	   /* bytes */
};

/* elf_source_kernel: an image in kernel memory.  elf_source_user: in the caller's user memory. */
struct elf_source elf_source_kernel(const void *image, size_t size);
struct elf_source elf_source_user(const void *uaddr, size_t size);

struct elf_segment {
	vm_offset_t start, end;	  /* pages, load bias included */
	vm_offset_t file_start;	  /* where its first byte goes */
	size_t offset, file_size; /* bytes of the image */
	vm_prot_t prot;
};

struct elf_image {
	struct elf_segment segments[ELF_MAX_SEGMENTS]; /* ascending, disjoint */
	unsigned segment_count;
	vm_offset_t bias;    /* 0 unless position-independent */
	vm_offset_t entry;   /* bias included */
	vm_offset_t headers; /* address of the program headers once loaded; 0: they are not */
	unsigned header_count, header_size;
};

/*
 * elf_parse: check the image and fill *out.  Returns NULL, or why the image is refused.
 * No lock held; may sleep.
 */
const char *elf_parse(const struct elf_source *s, struct elf_image *out);

#endif

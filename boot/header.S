/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The headers by which a boot loader knows a kernel: multiboot 1 (for `qemu -kernel`) and
 * multiboot 2 (for GRUB, under BIOS and under UEFI).
 *
 * The linker script puts this section first in the file, at the lowest physical address.  The
 * multiboot 1 header carries the address fields of the old a.out form (flag bit 16), because QEMU
 * refuses a 64-bit ELF file without them.  With them a loader reads the file as one piece, from
 * this header to __boot_load_end, and zeroes memory from there to __boot_bss_end.
 */
#include "boot/multiboot.h"

#define MB1_FLAGS                                                                                  \
	(MULTIBOOT1_PAGE_ALIGN | MULTIBOOT1_WANT_MEMORY | MULTIBOOT1_HAVE_ADDRESSES)

	.section .multiboot, "a"
	.balign	4
multiboot1_header:
	.long	MULTIBOOT1_HEADER_MAGIC
	.long	MB1_FLAGS
	.long	-(MULTIBOOT1_HEADER_MAGIC + MB1_FLAGS)
	.long	multiboot1_header		/* header_addr */
	.long	multiboot1_header		/* load_addr: the header is the first thing */
	.long	__boot_load_end
	.long	__boot_bss_end
	.long	boot_entry

	.balign	8
multiboot2_header:
	.long	MULTIBOOT2_HEADER_MAGIC
	.long	MULTIBOOT2_ARCH_I386
	.long	multiboot2_end - multiboot2_header
	.long	-(MULTIBOOT2_HEADER_MAGIC + MULTIBOOT2_ARCH_I386 + (multiboot2_end - multiboot2_header))

	/* A graphics mode if there is one; text, or nothing, will do. */
	.balign	8
	.short	MULTIBOOT2_HEADER_FRAMEBUFFER
	.short	MULTIBOOT2_HEADER_OPTIONAL
	.long	20
	.long	1024, 768, 32

	.balign	8
	.short	MULTIBOOT2_HEADER_MODULE_ALIGN
	.short	0
	.long	8

	.balign	8
	.short	MULTIBOOT2_HEADER_END
	.short	0
	.long	8
multiboot2_end:

	.section .note.GNU-stack, "", @progbits

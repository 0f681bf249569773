/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two multiboot formats as loaders hand them over: numbers for header.S, structures for the
 * parsers.  Nothing outside boot/ includes this; the rest of the kernel reads struct boot_info.
 */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#define MULTIBOOT1_HEADER_MAGIC	  0x1badb002
#define MULTIBOOT1_LOADER_MAGIC	  0x2badb002
#define MULTIBOOT1_PAGE_ALIGN	  0x00000001
#define MULTIBOOT1_WANT_MEMORY	  0x00000002
#define MULTIBOOT1_HAVE_ADDRESSES 0x00010000

#define MULTIBOOT2_HEADER_MAGIC 0xe85250d6
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289
#define MULTIBOOT2_ARCH_I386	0

#define MULTIBOOT2_HEADER_END	       0
#define MULTIBOOT2_HEADER_FRAMEBUFFER  5
#define MULTIBOOT2_HEADER_MODULE_ALIGN 6
#define MULTIBOOT2_HEADER_OPTIONAL     1

#ifndef __ASSEMBLER__

#include <stdint.h>

/* Which fields of struct multiboot1_info are filled in. */
#define MULTIBOOT1_INFO_CMDLINE	    0x0004
#define MULTIBOOT1_INFO_MODULES	    0x0008
#define MULTIBOOT1_INFO_MEMORY_MAP  0x0040
#define MULTIBOOT1_INFO_LOADER_NAME 0x0200
#define MULTIBOOT1_INFO_FRAMEBUFFER 0x1000

struct multiboot1_info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper;
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
	uint32_t apm_table;
	uint32_t vbe[4];
	uint64_t framebuffer_addr;
	uint32_t framebuffer_pitch, framebuffer_width, framebuffer_height;
	uint8_t framebuffer_bpp, framebuffer_type;
	uint8_t framebuffer_colors[6];
} __attribute__((packed));

struct multiboot1_module {
	uint32_t mod_start, mod_end;
	uint32_t string;
	uint32_t reserved;
};

/* `size` does not count itself. */
struct multiboot1_mmap_entry {
	uint32_t size;
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

enum multiboot2_tag_type {
	MULTIBOOT2_TAG_END = 0,
	MULTIBOOT2_TAG_CMDLINE = 1,
	MULTIBOOT2_TAG_LOADER_NAME = 2,
	MULTIBOOT2_TAG_MODULE = 3,
	MULTIBOOT2_TAG_MEMORY_MAP = 6,
	MULTIBOOT2_TAG_FRAMEBUFFER = 8,
	MULTIBOOT2_TAG_EFI32 = 11,
	MULTIBOOT2_TAG_EFI64 = 12,
	MULTIBOOT2_TAG_ACPI_OLD = 14,
	MULTIBOOT2_TAG_ACPI_NEW = 15,
};

struct multiboot2_info {
	uint32_t total_size;
	uint32_t reserved;
};

struct multiboot2_tag {
	uint32_t type;
	uint32_t size; /* with this header, without the padding to 8 bytes behind it */
};

struct multiboot2_module {
	struct multiboot2_tag tag;
	uint32_t mod_start, mod_end;
	char string[];
};

struct multiboot2_memory_map {
	struct multiboot2_tag tag;
	uint32_t entry_size, entry_version;
	unsigned char entries[];
};

struct multiboot2_mmap_entry {
	uint64_t base, length;
	uint32_t type;
	uint32_t reserved;
};

struct multiboot2_framebuffer {
	struct multiboot2_tag tag;
	uint64_t addr;
	uint32_t pitch, width, height;
	uint8_t bpp, type;
	uint16_t reserved;
	uint8_t colors[6];
};

/* Both formats. */
#define MULTIBOOT_MEMORY_USABLE	   1
#define MULTIBOOT_FRAMEBUFFER_RGB  1
#define MULTIBOOT_FRAMEBUFFER_TEXT 2

#endif
#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of boot/ share while struct boot_info is being built. */
#ifndef BOOT_PARSE_H
#define BOOT_PARSE_H

#include <machine/param.h>
#include "boot/boot_info.h"

/* The text screen that every PC starts with. */
#define VGA_TEXT    0xb8000
#define VGA_COLUMNS 80
#define VGA_ROWS    25

#define BOOT_EARLY_LIMIT 0x100000000ul /* the early page tables reach this far */

/* boot_phys: where the early page tables show n bytes of physical memory; NULL if they do not. */
static inline const void *
boot_phys(uint64_t pa, uint64_t n)
{
	if (pa >= BOOT_EARLY_LIMIT || n > BOOT_EARLY_LIMIT - pa)
		return NULL;
	return (const void *)(DIRECT_MAP_BASE + pa);
}

/* The readers of the two formats; what they find goes through the functions below. */
void multiboot1_parse(struct boot_info *bi, uint32_t info_phys);
void multiboot2_parse(struct boot_info *bi, uint32_t info_phys);

/* boot_add_memory: an entry of the loader's memory map; any order, overlaps allowed. */
void boot_add_memory(uint64_t base, uint64_t length, bool usable);

/* boot_finish_memory: make bi->memory and bi->reserved of what was added. */
void boot_finish_memory(struct boot_info *bi);

/* boot_add_module: a module at [start, end) with its string of at most max bytes. */
void boot_add_module(struct boot_info *bi, uint64_t start, uint64_t end, const char *string,
		     size_t max);

/* boot_set_framebuffer: a direct-colour display; `colors` has position and size of red, green and
 * blue.  One that cannot be drawn on is left out, with a line. */
void boot_set_framebuffer(struct boot_info *bi, uint64_t address, uint32_t pitch, uint32_t width,
			  uint32_t height, uint32_t bpp, const uint8_t colors[6]);

/* boot_set_text: a VGA text display. */
void boot_set_text(struct boot_info *bi, uint64_t address, uint32_t pitch, uint32_t columns,
		   uint32_t rows);

/* boot_copy_string: copy at most max bytes of src, always terminated, to dst. */
void boot_copy_string(char *dst, size_t size, const char *src, size_t max);

/* boot_set_rsdp: copy ACPI's root pointer if its checksum is right; max bytes can be read. */
bool boot_set_rsdp(struct boot_info *bi, const void *rsdp, size_t max);

/* boot_find_rsdp: look for the root pointer where a BIOS leaves it. */
void boot_find_rsdp(struct boot_info *bi);

/* boot_options_init: let boot_option() read this command line. */
void boot_options_init(const char *cmdline);

#endif

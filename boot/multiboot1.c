/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading multiboot 1: one structure with flags that say which fields hold, and pointers to lists
 * and strings all over low memory.
 *
 * QEMU's own loader puts the kernel's path in front of the command line; GRUB does not.
 */
#include "boot/multiboot.h"
#include "boot/parse.h"
#include "kernel/base/string.h"

#define MAX_STRING 4096
#define MAX_MMAP   0x10000

/* string_at: a string of the loader and how many bytes of it may be read. */
static const char *
string_at(uint32_t pa, size_t *max)
{
	const char *s = boot_phys(pa, MAX_STRING);

	*max = s != NULL ? MAX_STRING : 0;
	return s != NULL ? s : "";
}

static void
read_strings(struct boot_info *bi, const struct multiboot1_info *info)
{
	const char *s;
	size_t max, n;

	if ((info->flags & MULTIBOOT1_INFO_LOADER_NAME) != 0) {
		s = string_at(info->boot_loader_name, &max);
		boot_copy_string(bi->loader, sizeof(bi->loader), s, max);
	}
	if ((info->flags & MULTIBOOT1_INFO_CMDLINE) == 0)
		return;
	s = string_at(info->cmdline, &max);
	n = strnlen(s, max);
	if (strcmp(bi->loader, "qemu") == 0) {
		while (n > 0 && *s != ' ')
			s++, n--;
	}
	while (n > 0 && *s == ' ')
		s++, n--;
	boot_copy_string(bi->cmdline, sizeof(bi->cmdline), s, n);
}

static void
read_modules(struct boot_info *bi, const struct multiboot1_info *info)
{
	const struct multiboot1_module *m;
	size_t max;

	if ((info->flags & MULTIBOOT1_INFO_MODULES) == 0 || info->mods_count == 0)
		return;
	m = boot_phys(info->mods_addr, (uint64_t)info->mods_count * sizeof(*m));
	if (m == NULL)
		boot_fail("the list of boot modules is damaged");
	for (uint32_t i = 0; i < info->mods_count; i++) {
		const char *s = string_at(m[i].string, &max);

		boot_add_module(bi, m[i].mod_start, m[i].mod_end, s, max);
	}
}

static void
read_memory_map(const struct multiboot1_info *info)
{
	const char *p = boot_phys(info->mmap_addr, info->mmap_length);
	uint32_t left = info->mmap_length;
	struct multiboot1_mmap_entry e;

	if ((info->flags & MULTIBOOT1_INFO_MEMORY_MAP) == 0)
		boot_fail("the boot loader gave no memory map");
	if (p == NULL || left > MAX_MMAP)
		boot_fail("the memory map (%u bytes at %#x) is damaged", left, info->mmap_addr);
	while (left >= sizeof(e)) {
		memcpy(&e, p, sizeof(e));
		if (e.size < sizeof(e) - sizeof(e.size) || e.size > left - sizeof(e.size))
			boot_fail("the memory map has an entry of %u bytes", e.size);
		boot_add_memory(e.base, e.length, e.type == MULTIBOOT_MEMORY_USABLE);
		p += e.size + sizeof(e.size);
		left -= e.size + sizeof(e.size);
	}
}

static void
read_display(struct boot_info *bi, const struct multiboot1_info *info)
{
	if ((info->flags & MULTIBOOT1_INFO_FRAMEBUFFER) == 0) {
		boot_set_text(bi, VGA_TEXT, VGA_COLUMNS * 2, VGA_COLUMNS, VGA_ROWS);
	} else if (info->framebuffer_type == MULTIBOOT_FRAMEBUFFER_TEXT) {
		boot_set_text(bi, info->framebuffer_addr, info->framebuffer_pitch,
			      info->framebuffer_width, info->framebuffer_height);
	} else if (info->framebuffer_type == MULTIBOOT_FRAMEBUFFER_RGB) {
		boot_set_framebuffer(bi, info->framebuffer_addr, info->framebuffer_pitch,
				     info->framebuffer_width, info->framebuffer_height,
				     info->framebuffer_bpp, info->framebuffer_colors);
	}
}

void
multiboot1_parse(struct boot_info *bi, uint32_t info_phys)
{
	const void *p = boot_phys(info_phys, sizeof(struct multiboot1_info));
	struct multiboot1_info info;

	if (p == NULL)
		boot_fail("the multiboot information at %#x is out of reach", info_phys);
	memcpy(&info, p, sizeof(info));
	read_display(bi, &info);
	read_strings(bi, &info);
	read_memory_map(&info);
	read_modules(bi, &info);
}

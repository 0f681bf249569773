/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading multiboot 2: one block of tags, each with a type and a size, padded to 8 bytes.
 *
 *	total_size | tag | pad | tag | pad | ... | end tag
 *
 * A tag is only looked at once it is known to lie inside the block; a list inside a tag likewise.
 *
 * The tags are read twice: first for what there is to print complaints on, then for the rest.
 */
#include "boot/multiboot.h"
#include "boot/parse.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define MAX_INFO  0x1000000u
#define TAG_ALIGN 8u

/* need: fail unless the tag has at least n bytes. */
static void
need(const struct multiboot2_tag *tag, size_t n)
{
	if (tag->size < n)
		boot_fail("multiboot tag %u has %u bytes, %zu are needed", tag->type, tag->size, n);
}

static void
read_string(char *dst, size_t size, const struct multiboot2_tag *tag)
{
	boot_copy_string(dst, size, (const char *)(tag + 1), tag->size - sizeof(*tag));
}

static void
read_module(struct boot_info *bi, const struct multiboot2_tag *tag)
{
	const struct multiboot2_module *m = (const struct multiboot2_module *)tag;

	need(tag, sizeof(*m));
	boot_add_module(bi, m->mod_start, m->mod_end, m->string, tag->size - sizeof(*m));
}

static void
read_memory_map(const struct multiboot2_tag *tag)
{
	const struct multiboot2_memory_map *map = (const struct multiboot2_memory_map *)tag;
	struct multiboot2_mmap_entry e;
	uint32_t left;

	need(tag, sizeof(*map));
	if (map->entry_size < sizeof(e))
		boot_fail("the memory map has entries of %u bytes", map->entry_size);
	left = tag->size - sizeof(*map);
	for (const unsigned char *p = map->entries; left >= map->entry_size;
	     p += map->entry_size, left -= map->entry_size) {
		memcpy(&e, p, sizeof(e));
		boot_add_memory(e.base, e.length, e.type == MULTIBOOT_MEMORY_USABLE);
	}
}

static void
read_framebuffer(struct boot_info *bi, const struct multiboot2_tag *tag)
{
	const struct multiboot2_framebuffer *f = (const struct multiboot2_framebuffer *)tag;

	need(tag, offsetof(struct multiboot2_framebuffer, colors));
	if (f->type == MULTIBOOT_FRAMEBUFFER_TEXT) {
		boot_set_text(bi, f->addr, f->pitch, f->width, f->height);
	} else if (f->type == MULTIBOOT_FRAMEBUFFER_RGB) {
		need(tag, offsetof(struct multiboot2_framebuffer, colors) + sizeof(f->colors));
		boot_set_framebuffer(bi, f->addr, f->pitch, f->width, f->height, f->bpp, f->colors);
	}
}

/* read_display_tag: what boot_fail() has to know. */
static void
read_display_tag(struct boot_info *bi, const struct multiboot2_tag *tag)
{
	if (tag->type == MULTIBOOT2_TAG_FRAMEBUFFER)
		read_framebuffer(bi, tag);
	else if (tag->type == MULTIBOOT2_TAG_EFI32 || tag->type == MULTIBOOT2_TAG_EFI64)
		bi->efi = true;
}

/* read_tag: the others; what is not known is of no interest. */
static void
read_tag(struct boot_info *bi, const struct multiboot2_tag *tag)
{
	switch (tag->type) {
	case MULTIBOOT2_TAG_CMDLINE:
		read_string(bi->cmdline, sizeof(bi->cmdline), tag);
		break;
	case MULTIBOOT2_TAG_LOADER_NAME:
		read_string(bi->loader, sizeof(bi->loader), tag);
		break;
	case MULTIBOOT2_TAG_MODULE:
		read_module(bi, tag);
		break;
	case MULTIBOOT2_TAG_MEMORY_MAP:
		read_memory_map(tag);
		break;
	case MULTIBOOT2_TAG_ACPI_OLD:
	case MULTIBOOT2_TAG_ACPI_NEW:
		if (!boot_set_rsdp(bi, tag + 1, tag->size - sizeof(*tag)))
			kprintf("boot: the loader's ACPI root pointer is damaged, ignored\n");
		break;
	default:
		break;
	}
}

/* for_each_tag: call read for every tag of the block of `total` bytes at info. */
static void
for_each_tag(struct boot_info *bi, const struct multiboot2_info *info, uint32_t total,
	     void (*read)(struct boot_info *bi, const struct multiboot2_tag *tag))
{
	const struct multiboot2_tag *tag;
	uint32_t at = sizeof(*info);

	for (;;) {
		tag = (const struct multiboot2_tag *)((const char *)info + at);
		if (total < sizeof(*tag) || at > total - sizeof(*tag))
			boot_fail("the multiboot information has no end tag");
		if (tag->type == MULTIBOOT2_TAG_END)
			break;
		if (tag->size < sizeof(*tag) || tag->size > total - at)
			boot_fail("multiboot tag %u at %#x has %u bytes", tag->type, at, tag->size);
		read(bi, tag);
		at += (tag->size + TAG_ALIGN - 1) & ~(TAG_ALIGN - 1);
	}
}

void
multiboot2_parse(struct boot_info *bi, uint32_t info_phys)
{
	const struct multiboot2_info *info = boot_phys(info_phys, sizeof(*info));
	uint32_t total;

	if (info == NULL || info_phys % TAG_ALIGN != 0)
		boot_fail("the multiboot information at %#x is out of reach", info_phys);
	total = info->total_size;
	if (total > MAX_INFO || boot_phys(info_phys, total) == NULL)
		boot_fail("the multiboot information says it has %u bytes", total);
	for_each_tag(bi, info, total, read_display_tag);
	for_each_tag(bi, info, total, read_tag);
}

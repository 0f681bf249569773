/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building struct boot_info.
 *
 * The format is chosen by the loader's magic number; its reader (multiboot1.c, multiboot2.c) hands
 * each finding to a function of this file or of memory_ranges.c, which checks and copies it.  Every
 * length that comes from the loader is bounded before it is used: a damaged block ends in one clear
 * line, never in a fault.
 */
#include <stdarg.h>
#include <machine/console.h>
#include <machine/cpu.h>
#include "boot/boot_info.h"
#include "boot/multiboot.h"
#include "boot/parse.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

/* Where a BIOS keeps ACPI's root pointer: the extended BIOS data area and the ROM below 1 MiB. */
#define BIOS_EBDA_SEGMENT 0x40e
#define BIOS_EBDA_SIZE	  1024
#define BIOS_ROM	  0xe0000
#define BIOS_ROM_SIZE	  0x20000
#define RSDP_ALIGN	  16
#define RSDP_SIZE_1	  20 /* the part that ACPI 1.0 had, with its own checksum */
#define RSDP_REVISION	  15 /* offset */

#define MAX_SCREEN_SIDE 16384

static struct boot_info boot_info;

_Noreturn void
boot_fail(const char *fmt, ...)
{
	va_list ap;

	if (boot_info.display.kind == BOOT_DISPLAY_NONE && !boot_info.efi)
		boot_set_text(&boot_info, VGA_TEXT, VGA_COLUMNS * 2, VGA_COLUMNS, VGA_ROWS);
	display_init_early(&boot_info.display);
	kprintf("pagoda: cannot start: ");
	va_start(ap, fmt);
	kvprintf(fmt, ap);
	va_end(ap);
	kprintf("\n");
	cpu_exit(CPU_EXIT_PANIC);
}

void
boot_copy_string(char *dst, size_t size, const char *src, size_t max)
{
	size_t n = strnlen(src, max);

	if (n >= size)
		n = size - 1;
	memcpy(dst, src, n);
	dst[n] = '\0';
}

/* split_module_string: "path/name args" into name and args. */
static void
split_module_string(struct boot_module *m, const char *s, size_t n)
{
	size_t end = 0, base = 0;

	while (end < n && s[end] != ' ') {
		if (s[end] == '/')
			base = end + 1;
		end++;
	}
	boot_copy_string(m->name, sizeof(m->name), s + base, end - base);
	while (end < n && s[end] == ' ')
		end++;
	boot_copy_string(m->args, sizeof(m->args), s + end, n - end);
}

void
boot_add_module(struct boot_info *bi, uint64_t start, uint64_t end, const char *string, size_t max)
{
	struct boot_module *m;

	if (end <= start || (start & PAGE_MASK) != 0)
		boot_fail("boot module at %#lx to %#lx is empty or not page-aligned", start, end);
	if (bi->module_count == BOOT_MAX_MODULES)
		boot_fail("more than %d boot modules", BOOT_MAX_MODULES);
	m = &bi->modules[bi->module_count++];
	m->start = start;
	m->end = end;
	split_module_string(m, string, strnlen(string, max));
}

void
boot_set_framebuffer(struct boot_info *bi, uint64_t address, uint32_t pitch, uint32_t width,
		     uint32_t height, uint32_t bpp, const uint8_t colors[6])
{
	struct boot_display *d = &bi->display;

	if ((bpp != 24 && bpp != 32) || width == 0 || width > MAX_SCREEN_SIDE || height == 0 ||
	    height > MAX_SCREEN_SIDE || pitch < width * (bpp / 8) || pitch > MAX_SCREEN_SIDE * 4) {
		kprintf("boot: framebuffer %ux%u, %u bits, pitch %u: not usable, left out\n", width,
			height, bpp, pitch);
		return;
	}
	for (int i = 0; i < 6; i += 2) {
		if (colors[i] > bpp - 8 || colors[i + 1] < 1 || colors[i + 1] > 8) {
			kprintf("boot: framebuffer with odd colours, left out\n");
			return;
		}
	}
	d->kind = BOOT_DISPLAY_FRAMEBUFFER;
	d->address = address;
	d->pitch = pitch;
	d->width = width;
	d->height = height;
	d->bpp = bpp;
	d->red.shift = colors[0];
	d->red.bits = colors[1];
	d->green.shift = colors[2];
	d->green.bits = colors[3];
	d->blue.shift = colors[4];
	d->blue.bits = colors[5];
}

void
boot_set_text(struct boot_info *bi, uint64_t address, uint32_t pitch, uint32_t columns,
	      uint32_t rows)
{
	if (address >= BOOT_EARLY_LIMIT || columns == 0 || columns > MAX_SCREEN_SIDE || rows == 0 ||
	    rows > MAX_SCREEN_SIDE || pitch < columns * 2 || pitch > MAX_SCREEN_SIDE * 2)
		return;
	bi->display.kind = BOOT_DISPLAY_TEXT;
	bi->display.address = address;
	bi->display.pitch = pitch;
	bi->display.width = columns;
	bi->display.height = rows;
}

/* sum_is_zero: ACPI's checksum. */
static bool
sum_is_zero(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += p[i];
	return sum == 0;
}

bool
boot_set_rsdp(struct boot_info *bi, const void *rsdp, size_t max)
{
	const uint8_t *p = rsdp;
	size_t n = RSDP_SIZE_1;

	if (max < RSDP_SIZE_1 || memcmp(p, "RSD PTR ", 8) != 0 || !sum_is_zero(p, RSDP_SIZE_1))
		return false;
	if (p[RSDP_REVISION] >= 2 && max >= BOOT_RSDP_MAX && sum_is_zero(p, BOOT_RSDP_MAX))
		n = BOOT_RSDP_MAX;
	memset(bi->rsdp, 0, sizeof(bi->rsdp));
	memcpy(bi->rsdp, p, n);
	bi->has_rsdp = true;
	return true;
}

/* scan_for_rsdp: look for the root pointer in [pa, pa + n); true if found. */
static bool
scan_for_rsdp(struct boot_info *bi, uint64_t pa, size_t n)
{
	const char *p = boot_phys(pa, n);

	for (size_t i = 0; i + BOOT_RSDP_MAX <= n; i += RSDP_ALIGN) {
		if (boot_set_rsdp(bi, p + i, n - i))
			return true;
	}
	return false;
}

void
boot_find_rsdp(struct boot_info *bi)
{
	uint16_t segment;

	memcpy(&segment, boot_phys(BIOS_EBDA_SEGMENT, sizeof(segment)), sizeof(segment));
	if (segment != 0 && scan_for_rsdp(bi, (uint64_t)segment << 4, BIOS_EBDA_SIZE))
		return;
	scan_for_rsdp(bi, BIOS_ROM, BIOS_ROM_SIZE);
}

const struct boot_info *
boot_info_init(uint32_t magic, uint32_t info_phys)
{
	struct boot_info *bi = &boot_info;

	if (magic == MULTIBOOT1_LOADER_MAGIC)
		multiboot1_parse(bi, info_phys);
	else if (magic == MULTIBOOT2_LOADER_MAGIC)
		multiboot2_parse(bi, info_phys);
	else
		boot_fail("not started by a multiboot loader (eax was %#x)", magic);
	boot_finish_memory(bi);
	boot_options_init(bi->cmdline);
	if (!bi->has_rsdp && !bi->efi)
		boot_find_rsdp(bi);
	return bi;
}

void
boot_info_print(const struct boot_info *bi)
{
	static const char *const kinds[] = {"none", "text", "framebuffer"};
	const struct boot_display *d = &bi->display;

	kprintf("boot: loader \"%s\"%s, command line \"%s\"\n", bi->loader,
		bi->efi ? " (UEFI)" : "", bi->cmdline);
	for (uint32_t i = 0; i < bi->memory_count; i++)
		kprintf("boot: memory 0x%012lx - 0x%012lx\n", bi->memory[i].start,
			bi->memory[i].end);
	kprintf("boot: %lu KiB of memory in %u ranges\n", bi->memory_total >> 10, bi->memory_count);
	for (uint32_t i = 0; i < bi->reserved_count; i++)
		kprintf("boot: in use 0x%012lx - 0x%012lx\n", bi->reserved[i].start,
			bi->reserved[i].end);
	for (uint32_t i = 0; i < bi->module_count; i++)
		kprintf("boot: module %s at %#lx, %lu bytes, \"%s\"\n", bi->modules[i].name,
			bi->modules[i].start, bi->modules[i].end - bi->modules[i].start,
			bi->modules[i].args);
	kprintf("boot: display %s %ux%u, ACPI root pointer %s\n", kinds[d->kind], d->width,
		d->height, bi->has_rsdp ? "found" : "not found");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader told us, in one form whatever the loader.
 *
 * boot_info_init() reads the loader's structures once and copies all of it here; afterwards nothing
 * refers to loader memory but the modules, whose frames are in `reserved`.  The structure does not
 * change after that.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_MAX_RANGES	 128
#define BOOT_MAX_MODULES 16
#define BOOT_CMDLINE_MAX 1024
#define BOOT_MODULE_NAME 64
#define BOOT_MODULE_ARGS 192
#define BOOT_LOADER_NAME 64
#define BOOT_RSDP_MAX	 36
#define BOOT_OPTION_MAX	 256

/* Physical addresses, [start, end). */
struct boot_range {
	uint64_t start, end;
};

/* A file the loader put into memory. */
struct boot_module {
	uint64_t start, end;	     /* bytes, start is page-aligned */
	char name[BOOT_MODULE_NAME]; /* last part of its path */
	char args[BOOT_MODULE_ARGS]; /* what follows the name, may be empty */
};

enum boot_display_kind {
	BOOT_DISPLAY_NONE,
	BOOT_DISPLAY_TEXT,	  /* VGA text: cells of two bytes */
	BOOT_DISPLAY_FRAMEBUFFER, /* direct colour */
};

struct boot_display {
	enum boot_display_kind kind;
	uint64_t address;	/* physical */
	uint32_t pitch;		/* bytes from one line to the next */
	uint32_t width, height; /* pixels, or characters */
	uint32_t bpp;		/* 24 or 32 for a framebuffer */
	struct {
		uint8_t shift, bits;
	} red, green, blue;
};

struct boot_info {
	char loader[BOOT_LOADER_NAME];
	char cmdline[BOOT_CMDLINE_MAX]; /* options only, without the kernel's own path */
	bool efi;			/* started by UEFI firmware */

	/* RAM that may be used: sorted, disjoint, whole pages.  Includes what `reserved` names. */
	struct boot_range memory[BOOT_MAX_RANGES];
	uint32_t memory_count;
	uint64_t memory_total; /* bytes in `memory` */
	uint64_t memory_end;   /* end of its last range */

	/* What is in use already: sorted, disjoint, whole pages. */
	struct boot_range reserved[BOOT_MAX_RANGES];
	uint32_t reserved_count;

	struct boot_module modules[BOOT_MAX_MODULES];
	uint32_t module_count;

	struct boot_display display;

	uint8_t rsdp[BOOT_RSDP_MAX]; /* copy of ACPI's root pointer, checksum verified */
	bool has_rsdp;
};

/*
 * boot_info_init: read what the loader with this magic number left at info_phys; boot_option()
 * works from then on.  Boot only, while the early page tables stand.  A loader that is
 * not known or tells nonsense ends in boot_fail().
 */
const struct boot_info *boot_info_init(uint32_t magic, uint32_t info_phys);

/* boot_info_print: the summary of the boot log. */
void boot_info_print(const struct boot_info *bi);

/*
 * boot_for_each_free: call fn for each range of usable RAM that nothing is in, in ascending order.
 * Any context.
 */
void boot_for_each_free(const struct boot_info *bi,
			void (*fn)(uint64_t start, uint64_t end, void *arg), void *arg);

/* boot_fail: say in one line why this machine cannot be started, and halt.  Before pmap_bootstrap
 * or once the devices are there (machine_init_devices). */
_Noreturn void boot_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * boot_option: the value of the option `name` on the command line ("name=value", "name" alone gives
 * "", quotes keep blanks: name="a b"); the last one counts.  Copies it to buf (truncated to size)
 * and returns buf, or NULL if the option is not there.
 */
const char *boot_option(const char *name, char *buf, size_t size);

/*
 * boot_argument: copy argument number i (from 0) of the program that run= names, which is a word
 * behind "--", to buf (truncated to size); false if there is none.
 */
bool boot_argument(unsigned i, char *buf, size_t size);

/*
 * boot_option_number: the same as a number: decimal, 0x hexadecimal, with K, M or G behind it.
 * Returns fallback if the option is not there, and, with a line in the log, if it is no number.
 */
uint64_t boot_option_number(const char *name, uint64_t fallback);

/* boot_option_set: is the option there, and not "0", "no" or "off"? */
bool boot_option_set(const char *name);

#endif

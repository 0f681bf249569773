/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VGA text: each cell is two bytes of display memory, the character and its colours.  The cursor is
 * a cell with exchanged colours; the hardware's own is switched off.
 */
#include <stddef.h>
#include <machine/io.h>
#include "arch/x86_64/screen.h"
#include "boot/boot_info.h"

#define VGA_INDEX	 0x3d4
#define VGA_DATA	 0x3d5
#define VGA_CURSOR_START 0x0a
#define VGA_CURSOR_OFF	 0x20

#define COLORS_NORMAL	0x0700 /* light grey on black */
#define COLORS_INVERTED 0x7000

struct text_screen {
	struct screen screen; /* first: draw() gets its address */
	volatile uint16_t *cells;
	uint32_t pitch; /* cells in a line of display memory */
};

static void
text_draw(struct screen *s, uint32_t column, uint32_t row, char c, bool cursor)
{
	struct text_screen *t = (struct text_screen *)s;

	t->cells[row * t->pitch + column] = (uint8_t)c | (cursor ? COLORS_INVERTED : COLORS_NORMAL);
}

struct screen *
screen_text(const struct boot_display *d, void *memory)
{
	static struct text_screen text;

	text.screen = (struct screen){d->width, d->height, text_draw};
	text.cells = memory;
	text.pitch = d->pitch / sizeof(text.cells[0]);
	for (uint32_t i = 0; i < text.pitch * d->height; i++)
		text.cells[i] = ' ' | COLORS_NORMAL;
	io_out8(VGA_INDEX, VGA_CURSOR_START);
	io_out8(VGA_DATA, VGA_CURSOR_OFF);
	return &text.screen;
}

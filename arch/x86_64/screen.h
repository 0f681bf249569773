/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen as display.c sees it: a grid of character cells that somebody can draw.
 */
#ifndef ARCH_SCREEN_H
#define ARCH_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

struct boot_display;

struct screen {
	uint32_t columns, rows;
	/* draw: show c in a cell; `cursor`: inverted.  Interrupts off. */
	void (*draw)(struct screen *s, uint32_t column, uint32_t row, char c, bool cursor);
};

/* screen_text, screen_framebuffer: clear the display, whose memory is mapped at `memory`, and
 * describe it as a screen; NULL if it is too small. */
struct screen *screen_text(const struct boot_display *d, void *memory);
struct screen *screen_framebuffer(const struct boot_display *d, void *memory);

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

/* font_row: line `row` (0 is the top) of the picture of c, the leftmost pixel in the highest bit. */
uint8_t font_row(char c, uint32_t row);

#endif

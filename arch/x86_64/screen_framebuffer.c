/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A linear framebuffer: cells are pictures from the font, drawn pixel by pixel in 24 or 32 bits.
 */
#include <stddef.h>
#include "arch/x86_64/screen.h"
#include "boot/boot_info.h"
#include "kernel/base/string.h"

#define GREY_LEVEL	0xc0
#define BITS_OF_CHANNEL 8

struct fb_screen {
	struct screen screen; /* first: draw() gets its address */
	uint8_t *pixels;
	uint32_t pitch;	      /* bytes in a line */
	uint32_t pixel_bytes; /* 3 or 4 */
	uint32_t light, dark; /* pixel values */
};

/* channel: a level of 0 to 255 at the place of one colour in a pixel. */
static uint32_t
channel(uint32_t level, uint8_t shift, uint8_t bits)
{
	return level >> (BITS_OF_CHANNEL - bits) << shift;
}

/* set_pixel: in as few writes as the format allows. */
static inline void
set_pixel(const struct fb_screen *f, uint8_t *p, uint32_t value)
{
	if (f->pixel_bytes == sizeof(value)) {
		memcpy(p, &value, sizeof(value));
	} else {
		p[0] = value;
		p[1] = value >> 8;
		p[2] = value >> 16;
	}
}

static void
fb_draw(struct screen *s, uint32_t column, uint32_t row, char c, bool cursor)
{
	const struct fb_screen *f = (const struct fb_screen *)s;
	uint32_t ink = cursor ? f->dark : f->light, paper = cursor ? f->light : f->dark;
	uint8_t *line = f->pixels + (uint64_t)row * FONT_HEIGHT * f->pitch +
			column * FONT_WIDTH * f->pixel_bytes;

	for (uint32_t y = 0; y < FONT_HEIGHT; y++, line += f->pitch) {
		uint8_t bits = font_row(c, y);

		for (uint32_t x = 0; x < FONT_WIDTH; x++)
			set_pixel(f, line + x * f->pixel_bytes,
				  (bits & (0x80 >> x)) != 0 ? ink : paper);
	}
}

struct screen *
screen_framebuffer(const struct boot_display *d, void *memory)
{
	static struct fb_screen fb;

	fb.screen = (struct screen){d->width / FONT_WIDTH, d->height / FONT_HEIGHT, fb_draw};
	if (fb.screen.columns == 0 || fb.screen.rows == 0)
		return NULL;
	fb.pixels = memory;
	fb.pitch = d->pitch;
	fb.pixel_bytes = d->bpp / 8;
	fb.light = channel(GREY_LEVEL, d->red.shift, d->red.bits) |
		   channel(GREY_LEVEL, d->green.shift, d->green.bits) |
		   channel(GREY_LEVEL, d->blue.shift, d->blue.bits);
	fb.dark = 0;
	memset(fb.pixels, 0, (uint64_t)d->pitch * d->height);
	return &fb.screen;
}

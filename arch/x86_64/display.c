/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen as a console: a small terminal over a grid of cells.
 *
 * What is shown is kept in `cells`, so that scrolling never reads display memory (slow, uncached)
 * and only draws the cells that change.  Understood are newline, carriage return, backspace and
 * tab; escape sequences, which programs send for the serial terminal, are swallowed.
 */
#include <machine/console.h>
#include <machine/param.h>
#include <machine/pmap.h>
#include "arch/x86_64/screen.h"
#include "boot/boot_info.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define MAX_COLUMNS 256u
#define MAX_ROWS    128u
#define TAB_WIDTH   8u
#define ESCAPE	    '\033'

#define BOOT_DIRECT_MAP_SIZE 0x100000000ul /* of the page tables of boot/entry.S */

/* Guarded by the lock that console writes are called under. */
static struct {
	struct screen *screen;
	uint32_t columns, rows;
	uint32_t column, row; /* of the cursor; column may be one past the end */
	enum {
		TEXT,
		AFTER_ESCAPE,
		IN_SEQUENCE
	} state;
	char cells[MAX_ROWS][MAX_COLUMNS];
} term;

/* put: change a cell. */
static void
put(uint32_t column, uint32_t row, char c)
{
	if (term.cells[row][column] == c)
		return;
	term.cells[row][column] = c;
	term.screen->draw(term.screen, column, row, c, false);
}

static void
draw_cursor(bool on)
{
	if (term.column < term.columns)
		term.screen->draw(term.screen, term.column, term.row,
				  term.cells[term.row][term.column], on);
}

static void
scroll(void)
{
	for (uint32_t r = 0; r + 1 < term.rows; r++) {
		for (uint32_t c = 0; c < term.columns; c++)
			put(c, r, term.cells[r + 1][c]);
	}
	for (uint32_t c = 0; c < term.columns; c++)
		put(c, term.rows - 1, ' ');
}

static void
newline(void)
{
	term.column = 0;
	if (term.row + 1 < term.rows)
		term.row++;
	else
		scroll();
}

/* swallow: is c part of an escape sequence? */
static bool
swallow(char c)
{
	switch (term.state) {
	case TEXT:
		if (c != ESCAPE)
			return false;
		term.state = AFTER_ESCAPE;
		return true;
	case AFTER_ESCAPE:
		term.state = c == '[' ? IN_SEQUENCE : TEXT;
		return true;
	default:
		if (c >= '@' && c <= '~')
			term.state = TEXT;
		return true;
	}
}

static void
print_char(char c)
{
	switch (c) {
	case '\n':
		newline();
		break;
	case '\r':
		term.column = 0;
		break;
	case '\b':
		if (term.column > 0)
			term.column--;
		break;
	case '\t':
		term.column = (term.column / TAB_WIDTH + 1) * TAB_WIDTH;
		if (term.column > term.columns)
			term.column = term.columns;
		break;
	default:
		if (term.column >= term.columns)
			newline();
		put(term.column++, term.row, c);
		break;
	}
}

static void
display_write(struct console *console, const char *s, size_t n)
{
	(void)console;
	draw_cursor(false);
	for (; n > 0; s++, n--) {
		if (!swallow(*s))
			print_char(*s);
	}
	draw_cursor(true);
}

static uint32_t
smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* attach: make the display, whose memory is mapped at `memory`, a console. */
static void
attach(const struct boot_display *d, void *memory)
{
	static struct console console = {.name = "display", .write = display_write};

	if (d->kind == BOOT_DISPLAY_TEXT)
		term.screen = screen_text(d, memory);
	else
		term.screen = screen_framebuffer(d, memory);
	if (term.screen == NULL)
		return;
	term.columns = smaller(term.screen->columns, MAX_COLUMNS);
	term.rows = smaller(term.screen->rows, MAX_ROWS);
	memset(term.cells, ' ', sizeof(term.cells));
	console_register(&console);
}

void
display_init(const struct boot_info *bi)
{
	const struct boot_display *d = &bi->display;

	if (d->kind == BOOT_DISPLAY_NONE)
		return;
	attach(d, pmap_map_device(d->address, (uint64_t)d->pitch * d->height,
				  d->kind == BOOT_DISPLAY_TEXT ? PMAP_UNCACHED
							       : PMAP_WRITE_COMBINING));
}

void
display_init_early(const struct boot_display *d)
{
	uint64_t bytes = (uint64_t)d->pitch * d->height;

	if (term.screen == NULL && d->kind != BOOT_DISPLAY_NONE &&
	    d->address + bytes <= BOOT_DIRECT_MAP_SIZE)
		attach(d, (void *)(DIRECT_MAP_BASE + d->address));
}

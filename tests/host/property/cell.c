/* SPDX-License-Identifier: BSD-2-Clause */
/* Cells, in blocks that are reused from one run to the next, and the history of their stores. */
#include <stdlib.h>
#include "property/cell.h"

#define BLOCK 1024

struct block {
	struct block *next;
	struct cell cells[BLOCK];
};

static struct block *first_block, *block; /* all of them; the one in use */
static unsigned in_block;

static uint32_t last_stamp, room;
static uint32_t *before; /* by stamp: the stamp that the same cell had before, or 0 */

void
cells_reset(void)
{
	block = first_block;
	in_block = 0;
	last_stamp = 0;
}

static struct cell *
cell_take(void)
{
	if (block == NULL || in_block == BLOCK) {
		struct block *next = block != NULL ? block->next : NULL;

		if (next == NULL) {
			next = calloc(1, sizeof(*next));
			if (block != NULL)
				block->next = next;
			else
				first_block = next;
		}
		block = next;
		in_block = 0;
	}
	return &block->cells[in_block++];
}

struct cell *
cell_new(uint32_t base)
{
	struct cell *c = cell_take();

	*c = (struct cell){.base = base, .users = 1};
	return c;
}

struct cell *
cell_view(struct cell *source)
{
	struct cell *c = cell_take();

	*c = (struct cell){.since = last_stamp, .users = 1, .source = source};
	return c;
}

struct cell *
cell_clone(const struct cell *c)
{
	struct cell *copy = cell_take();

	if (c->stamp != 0)
		*copy = (struct cell){.base = c->stamp};
	else
		*copy = (struct cell){.base = c->base, .since = c->since, .source = c->source};
	copy->users = 1;
	return copy;
}

uint32_t
cell_next_stamp(void)
{
	return last_stamp + 1;
}

void
cell_store(struct cell *c)
{
	if (++last_stamp >= room) {
		room = room == 0 ? 4096 : 2 * room;
		before = realloc(before, room * sizeof(*before));
	}
	before[last_stamp] = c->stamp;
	c->stamp = last_stamp;
}

/* allows_since: may a view of c, made when `since` was the last store, show this value? */
static bool
allows_since(const struct cell *c, uint32_t value, uint32_t since)
{
	for (uint32_t stamp = c->stamp; stamp != 0; stamp = before[stamp]) {
		if (stamp == value)
			return true;
		if (stamp <= since)
			return false;
	}
	if (c->source != NULL)
		return allows_since(c->source, value, c->since);
	return value == c->base;
}

bool
cell_allows(const struct cell *c, uint32_t value)
{
	return allows_since(c, value, last_stamp);
}

uint32_t
cell_value(const struct cell *c)
{
	while (c->stamp == 0 && c->source != NULL)
		c = c->source;
	return c->stamp != 0 ? c->stamp : c->base;
}

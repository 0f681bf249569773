/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a page of memory contains, as the property test sees it: a cell holds a stamp, the number of
 * the store that was last done to it.
 *
 * Pages that show the same memory have the same cell.  A copy is a cell of its own, made at once.
 * One thing cannot be decided at once: a private view of memory that others may still store into.
 * Until the view itself is stored into, each of its pages shows what the source held when the view
 * was made, or anything it has held since (contracts 1.10: the copy is made page by page, by the
 * first store).  So such a cell knows its source, and since when.
 */
#ifndef PROPERTY_CELL_H
#define PROPERTY_CELL_H

#include <stdbool.h>
#include <stdint.h>

struct cell {
	uint32_t stamp;	     /* of the last store into this cell; 0: none yet */
	uint32_t base;	     /* what it holds before the first one, if it has no source */
	uint32_t since;	     /* the store that was the last one when the view was made */
	unsigned users;	     /* pages and objects through which it can be stored into */
	struct cell *source; /* what it is a view of, or NULL */
};

/* cells_reset: forget all cells and stamps. */
void cells_reset(void);

/* cell_new: memory that holds base.  cell_view: a view of source.  cell_clone: a copy of what c holds
 * or may hold.  Each has one user. */
struct cell *cell_new(uint32_t base);
struct cell *cell_view(struct cell *source);
struct cell *cell_clone(const struct cell *c);

/* cell_next_stamp: what the next store writes.  cell_store: it has been done. */
uint32_t cell_next_stamp(void);
void cell_store(struct cell *c);

/* cell_allows: may a load find this value?  cell_value: one that it may find, for messages. */
bool cell_allows(const struct cell *c, uint32_t value);
uint32_t cell_value(const struct cell *c);

#endif

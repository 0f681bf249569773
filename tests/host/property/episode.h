/* SPDX-License-Identifier: BSD-2-Clause */
/* The world as those see it who only run it. */
#ifndef PROPERTY_EPISODE_H
#define PROPERTY_EPISODE_H

#include <stdint.h>
#include "property/op.h"

/* How operations have ended, by kind: done, refused, or without what they needed. */
struct op_counts {
	uint64_t done[OP_KINDS], refused[OP_KINDS], starved[OP_KINDS];
};

/* world_boot: once a process.  world_begin: an empty world.  world_step: carry one operation out and
 * compare.  world_end: everything is given back, and nothing has been lost. */
void world_boot(void);
void world_begin(void);
void world_step(const struct op *op);
void world_end(void);

/* world_counts: where to count; NULL: nowhere. */
extern struct op_counts *world_counts;

#endif

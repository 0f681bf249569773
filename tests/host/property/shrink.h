/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shrinking: from a sequence of operations that fails to a short and simple one that still does.
 *
 *	1	leave out runs of operations: halves, quarters … single ones, until none can go
 *	2	make the numbers of what is left smaller, one at a time
 *	3	again from 1, until nothing changes
 */
#ifndef PROPERTY_SHRINK_H
#define PROPERTY_SHRINK_H

#include "property/op.h"

/* A question: do these operations still fail? */
typedef bool shrink_fn(const struct op *ops, size_t n, void *arg);

/* shrink: ops, of which there are n and which fail, are replaced by fewer and simpler ones.  Asks at
 * most `questions` times.  Returns how many are left. */
size_t shrink(struct op *ops, size_t n, shrink_fn *fails, void *arg, size_t questions);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Delta debugging over operations, and then over their numbers. */
#include <stdlib.h>
#include <string.h>
#include "property/shrink.h"

struct shrinking {
	struct op *ops, *trial;
	size_t n;
	shrink_fn *fails;
	void *arg;
	size_t questions; /* left */
};

/* still_fails: ask about the first n operations of the trial. */
static bool
still_fails(struct shrinking *s, size_t n)
{
	if (s->questions == 0)
		return false;
	s->questions--;
	return s->fails(s->trial, n, s->arg);
}

/* without: try to leave out [at, at + count). */
static bool
without(struct shrinking *s, size_t at, size_t count)
{
	size_t rest = s->n - at - count;

	memcpy(s->trial, s->ops, at * sizeof(*s->ops));
	memcpy(s->trial + at, s->ops + at + count, rest * sizeof(*s->ops));
	if (!still_fails(s, at + rest))
		return false;
	s->n = at + rest;
	memcpy(s->ops, s->trial, s->n * sizeof(*s->ops));
	return true;
}

/* leave_out: from the end on, as what fails stands there and what it needs before it. */
static bool
leave_out(struct shrinking *s)
{
	bool changed = false;

	for (size_t count = s->n / 2; count > 0; count /= 2) {
		for (size_t end = s->n; end >= count;) {
			size_t at = end - count;

			if (without(s, at, count))
				changed = true;
			end = at;
		}
	}
	return changed;
}

/* with: try the operation at `at` as `op`. */
static bool
with(struct shrinking *s, size_t at, struct op op)
{
	op_normalise(&op);
	if (memcmp(&op, &s->ops[at], sizeof(op)) == 0)
		return false;
	memcpy(s->trial, s->ops, s->n * sizeof(*s->ops));
	s->trial[at] = op;
	if (!still_fails(s, s->n))
		return false;
	s->ops[at] = op;
	return true;
}

/* lower: the smallest value of a byte of an operation that still fails, as far as halving finds it. */
static bool
lower(struct shrinking *s, size_t at, size_t byte)
{
	bool changed = false;

	for (uint8_t step = 128; step > 0; step /= 2) {
		struct op op = s->ops[at];
		uint8_t *value = (uint8_t *)&op + byte;

		while (*value >= step) {
			*value = (uint8_t)(*value - step);
			if (!with(s, at, op))
				break;
			changed = true;
			op = s->ops[at];
		}
	}
	return changed;
}

/* clear_bits: likewise for flags and rights, bit by bit. */
static bool
clear_bits(struct shrinking *s, size_t at, size_t byte)
{
	bool changed = false;

	for (unsigned bit = 1; bit < 256; bit <<= 1) {
		struct op op = s->ops[at];
		uint8_t *value = (uint8_t *)&op + byte;

		*value &= (uint8_t)~bit;
		changed |= with(s, at, op);
	}
	return changed;
}

static bool
simplify(struct shrinking *s, size_t at)
{
	bool changed = false;

	changed |= lower(s, at, offsetof(struct op, fail));
	changed |= clear_bits(s, at, offsetof(struct op, flags));
	changed |= lower(s, at, offsetof(struct op, space));
	changed |= lower(s, at, offsetof(struct op, pages));
	changed |= lower(s, at, offsetof(struct op, first));
	changed |= lower(s, at, offsetof(struct op, arg));
	changed |= clear_bits(s, at, offsetof(struct op, prot));
	return changed;
}

size_t
shrink(struct op *ops, size_t n, shrink_fn *fails, void *arg, size_t questions)
{
	struct shrinking s = {
	    .ops = ops,
	    .trial = calloc(n + 1, sizeof(*ops)),
	    .n = n,
	    .fails = fails,
	    .arg = arg,
	    .questions = questions,
	};
	bool changed = true;

	while (changed && s.questions > 0) {
		changed = leave_out(&s);
		for (size_t i = s.n; i-- > 0;)
			changed |= simplify(&s, i);
	}
	free(s.trial);
	return s.n;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The shrinker and the data it works on: with failures that are made up, so the answer is known. */
#include <string.h>
#include "model/harness.h"
#include "property/op.h"
#include "property/run.h"
#include "property/shrink.h"

#define MANY 1000

static struct op ops[MANY];

static void
many_ops(void)
{
	host_random_seed(7);
	for (size_t i = 0; i < MANY; i++)
		op_random(&ops[i], &ops[i > 0 ? i - 1 : 0], host_random);
}

/* A failure of two operations that belong together, some way apart: the third store to page 30 or
 * above, in a space that was wired somewhere before. */
static bool
needs_four(const struct op *list, size_t n, void *asked)
{
	unsigned stores[OP_SPACES] = {0};
	bool wired[OP_SPACES] = {0};

	++*(size_t *)asked;
	for (size_t i = 0; i < n; i++) {
		if (list[i].kind == OP_WIRE)
			wired[list[i].space] = true;
		if (list[i].kind == OP_STORE && list[i].first >= 30 && wired[list[i].space] &&
		    ++stores[list[i].space] == 3)
			return true;
	}
	return false;
}

static void
finds_the_smallest(void **state)
{
	static const struct op wire = {.kind = OP_WIRE, .pages = 1};
	static const struct op store = {.kind = OP_STORE, .first = 30};
	size_t asked = 0, n;

	(void)state;
	many_ops();
	n = shrink(ops, MANY, needs_four, &asked, SIZE_MAX);
	check_u64(4, n);
	for (size_t i = 0; i < n; i++) {
		struct op expected = i == 0 ? wire : store;

		/* One operation at a time: all four stay in the space they were found in. */
		expected.space = ops[0].space;
		assert_memory_equal(&expected, &ops[i], sizeof(expected));
	}
	assert_in_range(asked, 10, 2000);
}

static void
stops_when_told(void **state)
{
	size_t asked = 0, n;

	(void)state;
	many_ops();
	n = shrink(ops, MANY, needs_four, &asked, 20);
	check_u64(20, asked);
	asked = 0;
	assert_true(needs_four(ops, n, &asked));
}

static bool
always(const struct op *list, size_t n, void *arg)
{
	(void)list;
	(void)n;
	(void)arg;
	return true;
}

static bool
never_again(const struct op *list, size_t n, void *arg)
{
	(void)list;
	(void)n;
	(void)arg;
	return false;
}

static void
extremes(void **state)
{
	struct op before[MANY];

	(void)state;
	many_ops();
	memcpy(before, ops, sizeof(ops));
	check_u64(MANY, shrink(ops, MANY, never_again, NULL, SIZE_MAX));
	assert_memory_equal(before, ops, sizeof(ops));
	check_u64(0, shrink(ops, MANY, always, NULL, SIZE_MAX));
}

static void
bytes_and_words(void **state)
{
	char text[200];

	(void)state;
	host_random_seed(11);
	for (unsigned i = 0; i < 100000; i++) {
		struct op op, again, back;

		for (size_t k = 0; k < sizeof(op); k++)
			((uint8_t *)&op)[k] = (uint8_t)host_random();
		op_normalise(&op);
		again = op;
		op_normalise(&again);
		assert_memory_equal(&op, &again, sizeof(op));
		op_write(&op, text, sizeof(text));
		assert_true(op_parse(text, &back));
		assert_memory_equal(&op, &back, sizeof(op));
	}
	assert_false(op_parse("# a comment", &(struct op){0}));
	assert_false(op_parse("LOAD 1 2 3", &(struct op){0}));
	assert_false(op_parse("NOTHING 0 0 0 0 0 0 0 0", &(struct op){0}));
}

static void
as_c(void **state)
{
	const struct op op = {OP_OBJECT, .space = 1, .first = 2, .pages = 3,
			      .prot = 1, .max = 7,   .flags = 4, .fail = 9};
	char text[200];

	(void)state;
	op_format(&op, text, sizeof(text));
	assert_string_equal(text, "{OP_OBJECT, .space = 1, .first = 2, .pages = 3, .prot = 1, "
				  ".max = 7, .flags = 4, .fail = 9}");
}

static void
episodes_repeat(void **state)
{
	struct op first[EPISODE_STEPS], again[EPISODE_STEPS], other[EPISODE_STEPS];

	(void)state;
	episode_ops(3, 5, first);
	episode_ops(3, 6, other);
	episode_ops(3, 5, again);
	assert_memory_equal(first, again, sizeof(first));
	assert_memory_not_equal(first, other, sizeof(first));
}

int
main(void)
{
	static const struct host_fixture none = {0};
	static const struct host_test tests[] = {
	    {"INV-01: of a thousand operations the four that fail are left", finds_the_smallest},
	    {"INV-01: the shrinker stops after so many questions", stops_when_told},
	    {"INV-01: what fails always shrinks to nothing, what fails no more stays", extremes},
	    {"INV-01: any bytes are an operation, and its words are the same one", bytes_and_words},
	    {"INV-01: an operation as C", as_c},
	    {"INV-01: an episode depends on seed and number alone", episodes_repeat},
	};

	return host_run(&none, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INV-01: random operations on several maps against the model of property/reference.h.
 *
 * A million operations in PARTS tests, each with its own seed.  Environment: PROPERTY_STEPS=number for
 * all of them together, PROPERTY_SEED=number.
 */
#include <stdlib.h>
#include "model/harness.h"
#include "property/run.h"

#define STEPS 1000000
#define SEED  1
#define PARTS 4

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoul(text, NULL, 0) : otherwise;
}

static void
part(unsigned number)
{
	uint64_t steps = setting("PROPERTY_STEPS", STEPS) / PARTS;
	uint64_t seed = setting("PROPERTY_SEED", SEED) + number;

	print_message("%lu operations, seed %lu\n", (unsigned long)steps, (unsigned long)seed);
	assert_true(run_property(seed, steps));
	print_counts();
	assert_true(all_done());
}

static void
inv_01_a(void **state)
{
	(void)state;
	part(0);
}

static void
inv_01_b(void **state)
{
	(void)state;
	part(1);
}

static void
inv_01_c(void **state)
{
	(void)state;
	part(2);
}

static void
inv_01_d(void **state)
{
	(void)state;
	part(3);
}

/* What libFuzzer and failures of old have left: sequences that once did something new. */
static void
corpus(void **state)
{
	(void)state;
	assert_true(replay_corpus());
}

int
main(void)
{
	static const struct host_fixture none = {0};
	static const struct host_test tests[] = {
	    {"INV-01: random operations agree with the model, first quarter", inv_01_a},
	    {"INV-01: random operations agree with the model, second quarter", inv_01_b},
	    {"INV-01: random operations agree with the model, third quarter", inv_01_c},
	    {"INV-01: random operations agree with the model, last quarter", inv_01_d},
	    {"INV-01: sequences that were found once agree with the model", corpus},
	};

	return host_run(&none, tests, ARRAY_SIZE(tests));
}

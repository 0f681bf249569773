/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs of operations, each in a process of its own: a panic, a deadlock, a sanitizer's report or an
 * endless loop ends that process, and the run can be repeated with fewer operations.
 *
 * A random run is made of episodes: an empty world, EPISODE_STEPS operations, and a world from which
 * nothing was lost.  The operations of an episode depend on the seed and its number alone.
 */
#ifndef PROPERTY_RUN_H
#define PROPERTY_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "property/op.h"

#define EPISODE_STEPS 1000

/* How a run has ended. */
struct run_result {
	bool failed;
	uint64_t episode;
	size_t step;	   /* that failed; behind the last one: the end of the episode */
	char message[512]; /* first words of why */
};

/* run_ops: these operations, from an empty world to its end, in a child.  run_random: episodes
 * [first, first + count) of a seed, all in one child. */
void run_ops(const struct op *ops, size_t n, struct run_result *result);
void run_random(uint64_t seed, uint64_t first, uint64_t count, struct run_result *result);

/* episode_ops: the operations of an episode. */
void episode_ops(uint64_t seed, uint64_t episode, struct op ops[EPISODE_STEPS]);

/*
 * report_failure: these operations have failed so: shrink them as long as they fail in the same way,
 * and print on stderr what is left as the body of a test in C.  With PROPERTY_BRIEF in the environment
 * only the message.
 */
void report_failure(const struct op *ops, size_t n, const struct run_result *failure);

/* run_property: `steps` random operations.  False: something failed, and was reported. */
bool run_property(uint64_t seed, uint64_t steps);

/* replay_property: these operations; false: they failed, and were reported. */
bool replay_property(const struct op *ops, size_t n);

/* print_counts: how the operations of all runs so far have ended, by kind. */
void print_counts(void);
/* all_done: has each kind of operation succeeded at least once? */
bool all_done(void);

/* read_ops: the operations of a file: lines (op_parse) if its name ends in ".ops", otherwise bytes as
 * a fuzzer has them.  *n gets their number; NULL: no such file, or none in it. */
struct op *read_ops(const char *path, size_t *n);
/* replay_corpus: every file of tests/host/corpus, of which there is one at least. */
bool replay_corpus(void);
/* bytes_to_ops: whole operations only.  Returns how many; ops has room for size / sizeof(op). */
size_t bytes_to_ops(const uint8_t *bytes, size_t size, struct op *ops);

#endif

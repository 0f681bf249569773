/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The property test as a target of libFuzzer: bytes are operations (property/op.h).  Each input is an
 * episode of its own: an empty world, the operations, and a world from which nothing was lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include "model/kernel.h"
#include "property/episode.h"
#include "property/run.h"

/* Longer inputs say nothing that shorter ones do not. */
#define MOST 400

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
last_words(const char *message)
{
	fprintf(stderr, "%s\n", message);
	abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	model_last_words = last_words;
	world_boot();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct op ops[MOST];
	size_t most = MOST * sizeof(ops[0]),
	       n = bytes_to_ops(bytes, size < most ? size : most, ops);

	world_begin();
	for (size_t i = 0; i < n; i++)
		world_step(&ops[i]);
	world_end();
	return 0;
}

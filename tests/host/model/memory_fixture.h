/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine with physical memory, zones and radix trees, and nothing above. */
#ifndef MODEL_MEMORY_FIXTURE_H
#define MODEL_MEMORY_FIXTURE_H

#include "model/harness.h"

#define MEMORY_FIXTURE_FRAMES 4096

/* *state is not used.  The teardown checks that no lock is held, that the buddies' audit passes and
 * that all frames are free again. */
extern const struct host_fixture memory_fixture;

/* memory_free: free frames, exactly. */
uint64_t memory_free(void);

/* memory_settle: give back what zones keep in reserve, on every processor. */
void memory_settle(void);

#endif

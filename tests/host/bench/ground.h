/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands under vm/ while it is measured. */
#ifndef BENCH_GROUND_H
#define BENCH_GROUND_H

#include <stdint.h>

/* ground_init: memory, zones, maps: what the kernel's boot would do. */
void ground_init(void);

/* ground_steps: basic blocks of vm/ and its locks executed so far. */
extern uint64_t ground_steps;

#endif

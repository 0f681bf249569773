/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Simulated processors: each thread of a test is one, and walks the page tables that the kernel's own
 * pmap code makes.
 */
#ifndef RACE_CPU_H
#define RACE_CPU_H

#include <stdbool.h>
#include <stdint.h>

struct pmap;

/* sim_boot: what pmap_bootstrap() does; memory is there already.  pcids: tag the
 * translations of address spaces. */
void sim_boot(bool pcids);

/* sim_cpu_start: the caller's processor has nothing cached and kernel_pmap loaded.  sim_cpu_stop: it
 * leaves whatever space it has loaded. */
void sim_cpu_start(void);
void sim_cpu_stop(void);

/* sim_forget_shootdowns: from now on no other processor is told.  To test tests. */
void sim_forget_shootdowns(bool forget);

/* sim_jitter: now and then let another thread run, so that few host processors show many orders. */
void sim_jitter(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The other processors: see smp.c. */
#ifndef MACHINE_SMP_H
#define MACHINE_SMP_H

#include <stdint.h>

/* smp_reserve: keep a page below 1 MiB for starting them.  Boot, while vm_phys_early_alloc() serves. */
void smp_reserve(void);

/*
 * smp_init: start the other processors, as many as the boot option smp.max= allows, and return when each
 * runs its idle thread; one that does not come is named in the log.  Once threads run; may sleep.
 */
void smp_init(void);

/* smp_count: processors that run.  smp_online: likewise, a bit each. */
uint32_t smp_count(void);
uint32_t smp_online(void);

#endif

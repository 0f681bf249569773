/* SPDX-License-Identifier: BSD-2-Clause */
/* Shootdowns between simulated processors (race/cpu.c). */
#ifndef RACE_MACHINE_SHOOTDOWN_H
#define RACE_MACHINE_SHOOTDOWN_H

#include "vm/vm_types.h"

struct pmap;

void shootdown_leave(const struct pmap *pmap);
void pmap_shootdown(const struct pmap *pmap, vm_offset_t start, vm_offset_t end);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Making other processors forget translations: shootdown.c.  (On the host: tests/host/race/cpu.c.) */
#ifndef MACHINE_SHOOTDOWN_H
#define MACHINE_SHOOTDOWN_H

#include "vm/vm_types.h"

struct pmap;

/* shootdown_init: be ready for what other processors ask.  Boot. */
void shootdown_init(void);

/*
 * pmap_shootdown: make the other processors that may know them forget the translations of
 * [start, end) of pmap, and wait until they have.  Page tables and pmap->stale are up to date;
 * interrupts are off.
 */
void pmap_shootdown(const struct pmap *pmap, vm_offset_t start, vm_offset_t end);

/* shootdown_leave: no other processor has pmap loaded on return.  No thread is in that space. */
void shootdown_leave(const struct pmap *pmap);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Making other processors forget translations. */
#ifndef MACHINE_SHOOTDOWN_H
#define MACHINE_SHOOTDOWN_H

#include "arch/x86_64/pmap_private.h"
#include "kernel/base/panic.h"
#include <machine/cpu.h>

/*
 * pmap_shootdown: make the other processors forget [start, end) of pmap, and wait until they have.
 * Page tables and pmap->stale are up to date; the pmap's lock is held.  Only one processor runs.
 * (The host has many: tests/host/race/cpu.c.)
 */
static inline void
pmap_shootdown(const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	uint32_t others = __atomic_load_n(&pmap->active, __ATOMIC_SEQ_CST) & ~(1u << cpu_id());

	ASSERT(others == 0, "pmap %p, range %#lx-%#lx: loaded on processors %#x as well",
	       (const void *)pmap, start, end, others);
	(void)others, (void)start, (void)end;
}

#endif

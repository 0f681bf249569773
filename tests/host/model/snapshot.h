/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Unchanged": everything about a map that a refused call must leave as it was.
 *
 *	struct map_snapshot *before = map_snapshot_take(map);
 *	check_kr(KERN_NO_SPACE, vm_map_stack(map, ...));
 *	check_unchanged(before, map);
 *
 * Recorded are the map's own fields but its timestamp, the account of its owner's main stack, every
 * field of every entry, the objects of its chain with their reference counts and charges, every
 * mapping of the pmap within its bounds, and the frames, objects, entries and charge of the whole
 * machine.  A map's spare entries are filled up first, so that they do not look like a difference.
 *
 * No lock held, no other thread, no failure injected.
 */
#ifndef MODEL_SNAPSHOT_H
#define MODEL_SNAPSHOT_H

#include "vm/vm_map.h"

struct map_snapshot;

/* map_snapshot_take: it lives as long as the test. */
struct map_snapshot *map_snapshot_take(vm_map_t map);

/* check_unchanged: the map is as it was; otherwise the test fails with the lines that differ. */
#define check_unchanged(before, map) map_snapshot_check((before), (map), __FILE__, __LINE__)
void map_snapshot_check(const struct map_snapshot *before, vm_map_t map, const char *file,
			int line);

/* map_drop_spares: the map's spare entries are gone: its next change of entries must allocate. */
void map_drop_spares(vm_map_t map);

#endif

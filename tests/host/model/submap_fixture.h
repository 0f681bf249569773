/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A system map of the test's own, and a map that can become its submap.
 *
 *	PARENT_MIN			   PARENT_MAX
 *	|.....|      sub, SIZE       |......|	parent
 *	     LOW		   HIGH
 */
#ifndef MODEL_SUBMAP_FIXTURE_H
#define MODEL_SUBMAP_FIXTURE_H

#include "model/harness.h"
#include "vm/vm_map.h"

#define PARENT_MIN (VM_MAX_KERNEL_ADDRESS - (64ul << 20))
#define PARENT_MAX (PARENT_MIN + 256 * PAGE_SIZE)
#define SIZE	   (16 * PAGE_SIZE)
#define LOW	   (PARENT_MIN + 32 * PAGE_SIZE)
#define HIGH	   (LOW + SIZE)

extern vm_map_t parent, sub;

/* *state is a struct vm_fixture; parent and sub are empty.  The teardown empties them and destroys
 * them; a test that has destroyed sub sets it to NULL. */
extern const struct host_fixture submap_fixture;

/* place: a range of map with the placeholder object.  place_object: [LOW, HIGH) of parent with
 * another one.  empty: remove everything. */
void place(vm_map_t map, vm_offset_t addr, vm_size_t size, int cow);
void place_object(struct vm_object *object, int cow);
void empty(vm_map_t map);

/* install: sub is the submap of [LOW, HIGH). */
void install(void);

/* load, store: a byte of kernel memory, which is mapped. */
uint8_t load(vm_offset_t va);
void store(vm_offset_t va, uint8_t byte);

/* check_unlocked: this thread holds no lock, and nobody holds the map's. */
void check_unlocked(vm_map_t map);

#endif

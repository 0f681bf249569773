/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: a zone for each of some sizes, and whole pages above.
 *
 * The sizes are powers of two and the halves between them; from 384 bytes on, the largest that
 * still fit 8, 6, 4, 3 and 2 times into a slab.  A table tells the class of each multiple of 16
 * bytes, so no search is needed.
 */
#include "kernel/base/panic.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_zone.h"

#define GRAIN	 16
#define MAX_SIZE 2016

static const struct {
	const char *name;
	uint16_t size;
} classes[] = {
    {"kmalloc 16", 16},	    {"kmalloc 32", 32},		{"kmalloc 48", 48},
    {"kmalloc 64", 64},	    {"kmalloc 96", 96},		{"kmalloc 128", 128},
    {"kmalloc 192", 192},   {"kmalloc 256", 256},	{"kmalloc 384", 384},
    {"kmalloc 496", 496},   {"kmalloc 672", 672},	{"kmalloc 1008", 1008},
    {"kmalloc 1344", 1344}, {"kmalloc 2016", MAX_SIZE},
};

#define CLASSES (sizeof(classes) / sizeof(classes[0]))

static struct vm_zone zones[CLASSES];
static uint8_t class_of[MAX_SIZE / GRAIN + 1]; /* by size in grains, rounded up */

void
kmalloc_init(void)
{
	unsigned grains = 0;

	for (unsigned i = 0; i < CLASSES; i++) {
		vm_zone_init(&zones[i], classes[i].name, classes[i].size, NULL);
		while (grains * GRAIN <= classes[i].size)
			class_of[grains++] = (uint8_t)i;
	}
}

/* zone_for: the zone of a size up to MAX_SIZE. */
static struct vm_zone *
zone_for(size_t size)
{
	return &zones[class_of[(size + GRAIN - 1) / GRAIN]];
}

static void *
alloc_pages(size_t size, int flags)
{
	int kmem_flags = 0;

	if ((flags & VM_ZONE_NOWAIT) != 0)
		kmem_flags |= KMEM_NOWAIT;
	if ((flags & VM_ZONE_ZERO) != 0)
		kmem_flags |= KMEM_ZERO;
	return (void *)kmem_malloc(kmem_map, size, kmem_flags);
}

void *
kmalloc(size_t size, int flags)
{
	if (size <= MAX_SIZE)
		return vm_zone_alloc(zone_for(size), flags);
	return alloc_pages(size, flags);
}

void
kfree(void *p, size_t size)
{
	if (p == NULL)
		return;
	if (size <= MAX_SIZE)
		vm_zone_free(zone_for(size), p);
	else
		kmem_free(kmem_map, (vm_offset_t)p, size);
}

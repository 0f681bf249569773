/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug builds know every map and every object: so the host tests can recount what is charged. */
#ifndef VM_VM_CENSUS_H
#define VM_VM_CENSUS_H

struct vm_map;
struct vm_object;

#ifdef CONFIG_DEBUG

/* A map or an object begins, ends. */
void vm_census_add_map(struct vm_map *map);
void vm_census_remove_map(struct vm_map *map);
void vm_census_add_object(struct vm_object *object);
void vm_census_remove_object(struct vm_object *object);

/* vm_census_maps, _objects: fn for each there is.  None may begin or end meanwhile: for tests. */
void vm_census_maps(void (*fn)(struct vm_map *map, void *arg), void *arg);
void vm_census_objects(void (*fn)(struct vm_object *object, void *arg), void *arg);

#else

static inline void
vm_census_add_map(struct vm_map *map)
{
	(void)map;
}

static inline void
vm_census_remove_map(struct vm_map *map)
{
	(void)map;
}

static inline void
vm_census_add_object(struct vm_object *object)
{
	(void)object;
}

static inline void
vm_census_remove_object(struct vm_object *object)
{
	(void)object;
}

#endif
#endif

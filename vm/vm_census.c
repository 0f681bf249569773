/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists of all maps and all objects, in debug builds. */
#include "vm/vm_census.h"

#ifdef CONFIG_DEBUG

#include "kernel/base/list.h"
#include "kernel/base/spinlock.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

static struct spinlock census_lock = SPINLOCK_INITIALIZER("census", LOCK_RANK_PROC_LIST);
static struct list maps = LIST_INITIALIZER(maps);	/* (c) */
static struct list objects = LIST_INITIALIZER(objects); /* (c) census_lock */

static void
census_add(struct list *list, struct list_link *link)
{
	spinlock_lock(&census_lock);
	list_push_back(list, link);
	spinlock_unlock(&census_lock);
}

static void
census_remove(struct list_link *link)
{
	spinlock_lock(&census_lock);
	list_remove(link);
	spinlock_unlock(&census_lock);
}

void
vm_census_add_map(struct vm_map *map)
{
	census_add(&maps, &map->all);
}

void
vm_census_remove_map(struct vm_map *map)
{
	census_remove(&map->all);
}

void
vm_census_add_object(struct vm_object *object)
{
	census_add(&objects, &object->all);
}

void
vm_census_remove_object(struct vm_object *object)
{
	census_remove(&object->all);
}

void
vm_census_maps(void (*fn)(struct vm_map *map, void *arg), void *arg)
{
	struct vm_map *map;

	list_for_each_entry (map, &maps, all)
		fn(map, arg);
}

void
vm_census_objects(void (*fn)(struct vm_object *object, void *arg), void *arg)
{
	struct vm_object *object;

	list_for_each_entry (object, &objects, all)
		fn(object, arg);
}

#endif

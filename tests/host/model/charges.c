/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must be charged follows from who can write to what, so it is found out from the entries of all
 * maps and from all objects, whatever path has led there.
 */
#include <stdio.h>
#include <stdlib.h>
#include "model/charges.h"
#include "model/kernel.h"
#include "vm/vm_census.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_pager.h"

/* A part of a private object that an entry shows. */
struct window {
	const struct vm_object *object;
	const struct vm_map *map;
	const struct vm_map_entry *entry;
	vm_ooffset_t start, end;
};

struct count {
	struct window *window;
	size_t n, room;
	uint64_t bytes;
};

#define ENTRY_RULE(cond, e, what)                                                             \
	do {                                                                                  \
		if (!(cond))                                                                  \
			model_die("charge: %s: entry %#lx-%#lx flags %#x prot %#x object %p", \
				  what, (e)->start, (e)->end, (e)->eflags, (e)->protection,   \
				  (const void *)(e)->object);                                 \
	} while (0)
#define OBJECT_RULE(cond, o, what)                                                                \
	do {                                                                                      \
		if (!(cond))                                                                      \
			model_die("charge: %s: object %p flags %#x refs %u size %#lx "            \
				  "resident %#lx charge %#lx",                                    \
				  what, (const void *)(o), (o)->flags, (o)->ref_count, (o)->size, \
				  (o)->resident, (o)->charge);                                    \
	} while (0)

static void
add_window(struct count *c, const struct vm_map *map, const struct vm_map_entry *e)
{
	if (c->n == c->room) {
		c->room = c->room * 2 + 64;
		c->window = realloc(c->window, c->room * sizeof(*c->window));
	}
	c->window[c->n++] =
	    (struct window){e->object, map, e, e->offset, e->offset + (e->end - e->start)};
}

static bool
writable(const struct vm_map_entry *e)
{
	return (e->protection & VM_PROT_WRITE) &&
	       !(e->eflags & (VM_ENTRY_GUARD | VM_ENTRY_NOFAULT | VM_ENTRY_NO_CHARGE));
}

/* count_direct: e shows an anonymous object and writes to it, if it may. */
static void
count_direct(struct count *c, const struct vm_map *map, const struct vm_map_entry *e)
{
	const struct vm_object *object = e->object;
	bool charged = (e->eflags & VM_ENTRY_CHARGED) != 0;

	if (object->flags & VM_OBJECT_SHARED) {
		ENTRY_RULE(!charged, e, "charged, and its object is shared");
		OBJECT_RULE(!writable(e) || (object->flags & VM_OBJECT_CHARGED) ||
				object->charge == 0,
			    object, "somebody may write, and it is not charged");
		return;
	}
	ENTRY_RULE(charged || !writable(e), e, "private and writable, but not charged");
	add_window(c, map, e);
}

static void
count_entry(struct count *c, const struct vm_map *map, const struct vm_map_entry *e)
{
	bool charged = (e->eflags & VM_ENTRY_CHARGED) != 0;

	if (charged)
		c->bytes += e->end - e->start;
	if (e->eflags &
	    (VM_ENTRY_GUARD | VM_ENTRY_NOFAULT | VM_ENTRY_NO_CHARGE | VM_ENTRY_IS_SUB_MAP)) {
		ENTRY_RULE(!charged, e, "charged for nothing");
		return;
	}
	if (e->object == NULL || (e->eflags & VM_ENTRY_NEEDS_COPY))
		ENTRY_RULE(charged || !writable(e), e, "to be written to, but not charged");
	else if ((e->object->traits & VM_PAGER_ANONYMOUS))
		count_direct(c, map, e);
	else
		ENTRY_RULE(!charged, e, "charged for what is there anyway");
}

static void
count_map(struct vm_map *map, void *arg)
{
	const struct vm_map_entry *e;

	vm_map_for_each (e, map)
		count_entry(arg, map, e);
}

static void
count_object(struct vm_object *object, void *arg)
{
	bool shared = (object->flags & VM_OBJECT_SHARED) != 0;
	struct count *c = arg;

	if (object->flags & VM_OBJECT_CHARGED)
		c->bytes += object->charge;
	OBJECT_RULE(shared || !(object->flags & VM_OBJECT_CHARGED), object, "charged, not shared");
	OBJECT_RULE(shared || object->charge == 0, object, "stands for something, not shared");
	OBJECT_RULE(!shared || (object->traits & VM_PAGER_ANONYMOUS), object, "of a wrong kind");
	OBJECT_RULE(!shared || !(object->flags & VM_OBJECT_ONEMAPPING), object,
		    "shared by one mapping");
	OBJECT_RULE(!shared || object->resident << PAGE_SHIFT <= object->charge, object,
		    "holds more than it stands for");
}

static int
compare(const void *a, const void *b)
{
	const struct window *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* check_windows: what is private is shown once, and by one map. */
static void
check_windows(const struct count *c)
{
	for (size_t i = 1; i < c->n; i++) {
		const struct window *w = &c->window[i];

		if (w[-1].object != w->object)
			continue;
		ENTRY_RULE(w[-1].end <= w->start, w->entry, "part of it is another entry's");
		ENTRY_RULE(w[-1].map == w->map, w->entry, "another map has a part of its object");
		OBJECT_RULE(w->object->flags & VM_OBJECT_ONEMAPPING, w->object,
			    "several parts, not of one mapping");
	}
}

void
charges_check(void)
{
	struct count c = {0};

	vm_census_maps(count_map, &c);
	vm_census_objects(count_object, &c);
	if (c.n != 0)
		qsort(c.window, c.n, sizeof(*c.window), compare);
	check_windows(&c);
	free(c.window);
	if (c.bytes != vm_charge_used())
		model_die("charge: expected %#lx bytes, got %#lx", c.bytes, vm_charge_used());
}

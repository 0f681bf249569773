/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handle tables.
 *
 * A table is an array under a spinlock, because the lock is held for a few instructions only: memory
 * for a larger array is got, and objects are let go, outside.
 *
 *	free ----reserve----> reserved ----fill----> used ----close----> free
 *	                          +--------cancel------------------------> free
 *
 * Invariants: slot 0 is never used; `used` counts the slots with an object; all slots below
 * first_free are used or reserved.
 */
#include <pagoda/errno.h>
#include "kernel/base/panic.h"
#include "kernel/base/string.h"
#include "kernel/handle.h"
#include "kernel/kobject.h"
#include "kernel/proc.h"
#include "vm/vm_malloc.h"
#include "vm/vm_zone.h"

#define HANDLE_FIRST	  1
#define HANDLE_TABLE_STEP 16 /* slots of the first array; later ones double */

void
handle_table_init(struct handle_table *t)
{
	spinlock_init(&t->lock, "handles", LOCK_RANK_PROC_LIST);
	t->slots = NULL;
	t->size = t->used = 0;
	t->first_free = HANDLE_FIRST;
	t->closed = false;
}

uint32_t
handle_count(struct handle_table *t)
{
	return __atomic_load_n(&t->used, __ATOMIC_RELAXED);
}

/* slot_is_free: table locked. */
static bool
slot_is_free(const struct handle_table *t, uint32_t h)
{
	return t->slots[h].object == NULL && !t->slots[h].reserved;
}

/* slot_clear: free slot h and return what it named.  Table locked. */
static struct kobject *
slot_clear(struct handle_table *t, uint32_t h)
{
	struct kobject *o = t->slots[h].object;

	if (o != NULL)
		t->used--;
	t->slots[h] = (struct handle_slot){0};
	if (h < t->first_free)
		t->first_free = h;
	return o;
}

int
handle_get(struct handle_table *t, uint64_t h, uint32_t type, uint32_t needed, struct kobject **out,
	   uint32_t *rights)
{
	const struct handle_slot *s;
	int error = 0;

	spinlock_lock(&t->lock);
	s = h < t->size ? &t->slots[h] : NULL;
	if (s == NULL || s->object == NULL ||
	    (type != HANDLE_TYPE_ANY && s->object->ops->type != type)) {
		error = EBADF;
	} else if ((s->rights & needed) != needed) {
		error = EACCES;
	} else {
		kobject_ref(s->object);
		*out = s->object;
		if (rights != NULL)
			*rights = s->rights;
	}
	spinlock_unlock(&t->lock);
	return error;
}

/* grow: make room for number h at least.  Not locked.  0, EMFILE or ENOMEM. */
static int
grow(struct handle_table *t, uint32_t h)
{
	uint32_t old_size = __atomic_load_n(&t->size, __ATOMIC_RELAXED);
	uint32_t size = old_size == 0 ? HANDLE_TABLE_STEP : old_size;
	struct handle_slot *slots, *spare;

	if (h >= HANDLE_MAX)
		return EMFILE;
	while (size <= h)
		size *= 2;
	if (size <= old_size)
		return 0;
	slots = kmalloc(size * sizeof(*slots), VM_ZONE_ZERO);
	if (slots == NULL)
		return ENOMEM;
	spinlock_lock(&t->lock);
	spare = slots;
	if (t->size == old_size && !t->closed) {
		if (old_size != 0)
			memcpy(slots, t->slots, old_size * sizeof(*slots));
		spare = t->slots;
		t->slots = slots;
		t->size = size;
	}
	spinlock_unlock(&t->lock);
	kfree(spare, (spare == slots ? size : old_size) * sizeof(*slots));
	return 0;
}

/* find_free: the number to give out for the wish `at`; t->size if there is none.  Table locked. */
static uint32_t
find_free(struct handle_table *t, uint32_t at)
{
	uint32_t h;

	if (at != HANDLE_SELF)
		return at < t->size ? at : t->size;
	for (h = t->first_free; h < t->size && !slot_is_free(t, h); h++)
		;
	t->first_free = h;
	return h;
}

/* reserve_now: handle_reserve where no memory is needed: EAGAIN, and *h is the number that the table
 * must be grown for. */
static int
reserve_now(struct handle_table *t, uint32_t at, uint32_t *h)
{
	int error = 0;

	spinlock_lock(&t->lock);
	*h = find_free(t, at);
	if (t->closed) {
		error = ESRCH;
	} else if (*h >= t->size) {
		error = EAGAIN;
		if (at != HANDLE_SELF)
			*h = at;
	} else if (!slot_is_free(t, *h)) {
		error = EBUSY;
	} else {
		t->slots[*h].reserved = true;
	}
	spinlock_unlock(&t->lock);
	return error;
}

int
handle_reserve(struct handle_table *t, uint64_t at, uint32_t *h)
{
	int error;

	if (at >= HANDLE_MAX)
		return EBADF;
	while ((error = reserve_now(t, (uint32_t)at, h)) == EAGAIN) {
		error = grow(t, *h < HANDLE_FIRST ? HANDLE_FIRST : *h);
		if (error != 0)
			break;
	}
	return error;
}

void
handle_fill(struct handle_table *t, uint32_t h, struct kobject *o, uint32_t rights)
{
	bool refused;

	spinlock_lock(&t->lock);
	refused = t->closed;
	if (!refused) {
		ASSERT(t->slots[h].reserved, "handle %u was not reserved", h);
		t->slots[h] = (struct handle_slot){.object = o, .rights = rights};
		t->used++;
	}
	spinlock_unlock(&t->lock);
	/* The process ended meanwhile: as if it had closed the handle. */
	if (refused)
		kobject_unref(o);
}

void
handle_cancel(struct handle_table *t, uint32_t h)
{
	spinlock_lock(&t->lock);
	if (!t->closed)
		slot_clear(t, h);
	spinlock_unlock(&t->lock);
}

bool
handle_may_give(const struct kobject *o, struct proc *p)
{
	return o->ops->type != HANDLE_TYPE_PROC || !proc_is_embryo(p) ||
	       !proc_is_embryo((struct proc *)(uintptr_t)o);
}

int
handle_close(struct handle_table *t, uint64_t h)
{
	struct kobject *o = NULL;

	spinlock_lock(&t->lock);
	if (h < t->size && t->slots[h].object != NULL)
		o = slot_clear(t, (uint32_t)h);
	spinlock_unlock(&t->lock);
	if (o == NULL)
		return EBADF;
	kobject_unref(o);
	return 0;
}

void
handle_table_close(struct handle_table *t)
{
	struct handle_slot *slots;
	uint32_t size;

	spinlock_lock(&t->lock);
	t->closed = true;
	slots = t->slots;
	size = t->size;
	t->slots = NULL;
	t->size = t->used = 0;
	spinlock_unlock(&t->lock);
	for (uint32_t h = 0; h < size; h++) {
		if (slots[h].object != NULL)
			kobject_unref(slots[h].object);
	}
	kfree(slots, size * sizeof(*slots));
}

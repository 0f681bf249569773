/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intrusive doubly linked lists.
 *
 * A list is a ring through a head; an element carries a `struct list_link`.  An element that is on
 * no list has a NULL `next`, so membership can be asserted.  The caller's lock guards the list.
 */
#ifndef KERNEL_BASE_LIST_H
#define KERNEL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
	struct list_link *next, *prev;
};

struct list {
	struct list_link head;
};

#define LIST_INITIALIZER(l)                  \
	{                                    \
		{                            \
			&(l).head, &(l).head \
		}                            \
	}

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void
list_init(struct list *l)
{
	l->head.next = l->head.prev = &l->head;
}

static inline bool
list_empty(const struct list *l)
{
	return l->head.next == &l->head;
}

static inline bool
list_linked(const struct list_link *e)
{
	return e->next != NULL;
}

/* list_insert_after: put e behind pos, which is an element or the head. */
static inline void
list_insert_after(struct list_link *pos, struct list_link *e)
{
	e->prev = pos;
	e->next = pos->next;
	pos->next->prev = e;
	pos->next = e;
}

static inline void
list_push_front(struct list *l, struct list_link *e)
{
	list_insert_after(&l->head, e);
}

static inline void
list_push_back(struct list *l, struct list_link *e)
{
	list_insert_after(l->head.prev, e);
}

static inline void
list_remove(struct list_link *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	e->next = e->prev = NULL;
}

/* list_pop_front: take the first element off, or return NULL when the list is empty. */
static inline struct list_link *
list_pop_front(struct list *l)
{
	struct list_link *e = l->head.next;

	if (e == &l->head)
		return NULL;
	list_remove(e);
	return e;
}

/* list_splice_back: move all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void
list_splice_back(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->head.next->prev = to->head.prev;
	to->head.prev->next = from->head.next;
	from->head.prev->next = &to->head;
	to->head.prev = from->head.prev;
	list_init(from);
}

#define list_first_entry(l, type, member) container_of((l)->head.next, type, member)

/* link_of: &e->member, also where e is what would contain a list's head. */
#define link_of(e, member) ((struct list_link *)((char *)(e) + offsetof(__typeof__(*(e)), member)))

#define list_for_each_entry(e, l, member)                                  \
	for ((e) = container_of((l)->head.next, __typeof__(*(e)), member); \
	     link_of(e, member) != &(l)->head;                             \
	     (e) = container_of((e)->member.next, __typeof__(*(e)), member))

/* The body may remove e. */
#define list_for_each_entry_safe(e, tmp, l, member)                                   \
	for ((e) = container_of((l)->head.next, __typeof__(*(e)), member),            \
	    (tmp) = container_of(link_of(e, member)->next, __typeof__(*(e)), member); \
	     link_of(e, member) != &(l)->head; (e) = (tmp),                           \
	    (tmp) = container_of(link_of(tmp, member)->next, __typeof__(*(e)), member))

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handle tables: the small integers by which a process names kernel objects.
 *
 * A handle is an object and the rights to it.  Number 0 is never in a table: HANDLE_SELF means the
 * caller.  A table grows when it is full, up to HANDLE_MAX numbers; the lowest free number is given
 * out first.
 */
#ifndef KERNEL_HANDLE_H
#define KERNEL_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <pagoda/abi.h>
#include "kernel/base/spinlock.h"

struct kobject;
struct proc;

#define HANDLE_MAX 1024 /* numbers of one process, HANDLE_SELF included */

struct handle_slot {
	struct kobject *object; /* NULL: free, or reserved */
	uint32_t rights;
	bool reserved;
};

struct handle_table {
	struct spinlock lock;
	struct handle_slot *slots; /* (h) */
	uint32_t size;		   /* (h) slots there are */
	uint32_t used;		   /* (h) handles, reserved ones not counted */
	uint32_t first_free;	   /* (h) no number below is free */
	bool closed;		   /* (h) the process has ended: nothing comes in any more */
};				   /* (h) lock */

void handle_table_init(struct handle_table *t);

/* handle_table_close: drop all handles, give the memory back, and take no more.  No lock held; may
 * sleep. */
void handle_table_close(struct handle_table *t);

/* handle_count: handles in use. */
uint32_t handle_count(struct handle_table *t);

#define HANDLE_TYPE_ANY 0

/*
 * handle_get: the object behind number h, which must be of this type and have these rights; *out has
 * a reference for the caller, *rights (unless NULL) is what the handle allows.
 * 0; EBADF: no such handle, or of another type; EACCES: a right is lacking.  Never sleeps.
 */
int handle_get(struct handle_table *t, uint64_t h, uint32_t type, uint32_t needed,
	       struct kobject **out, uint32_t *rights);

/*
 * Making a handle takes two steps, so that what happens between them need not be undone:
 *
 * handle_reserve: set a free number aside: `at`, or the lowest one if at is 0.
 * 0; EMFILE; ENOMEM; EBUSY: at is in use; EBADF: at is no number; ESRCH: the process has ended.
 * May sleep, only the process lock may be held.
 * handle_fill: what it names; the caller's reference on o passes to the table.  Cannot fail.
 * handle_cancel: do without.
 */
int handle_reserve(struct handle_table *t, uint64_t at, uint32_t *h);
void handle_fill(struct handle_table *t, uint32_t h, struct kobject *o, uint32_t rights);
void handle_cancel(struct handle_table *t, uint32_t h);

/*
 * handle_may_give: may p be given a handle of o?  An embryo may not get one of an embryo: two of them
 * that hold each other would never be let go, as nothing in them ever runs and ends.
 */
bool handle_may_give(const struct kobject *o, struct proc *p);

/* handle_close: 0 or EBADF.  Drops the table's reference: no lock held, may sleep. */
int handle_close(struct handle_table *t, uint64_t h);

#endif

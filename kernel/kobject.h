/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel objects that handles can name: processes, threads, memory objects, physical memory.
 *
 * The header is embedded in the object.  A reference keeps the structure alive, nothing more: an
 * ended process stays readable as long as somebody holds one.
 */
#ifndef KERNEL_KOBJECT_H
#define KERNEL_KOBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct kobject;

struct kobject_ops {
	uint32_t type;				 /* HANDLE_TYPE_* */
	uint64_t (*id)(const struct kobject *o); /* what handle_info shows; any context */
	void (*destroy)(struct kobject *o);	 /* last reference gone; may sleep, no lock held */
};

struct kobject {
	const struct kobject_ops *ops; /* (c) */
	uint32_t refs;		       /* (a) */
};				       /* (c) constant  (a) atomic */

/* kobject_init: one reference, the caller's. */
void kobject_init(struct kobject *o, const struct kobject_ops *ops);

/* kobject_ref: one more, by somebody who has one.  kobject_tryref: by somebody who found o on a list
 * whose lock he holds and which destroy() leaves first; false if the last one is gone. */
void kobject_ref(struct kobject *o);
bool kobject_tryref(struct kobject *o);

/* kobject_unref: drop one.  The last one destroys o: no lock held then; may sleep. */
void kobject_unref(struct kobject *o);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Reference counts of kernel objects. */
#include "kernel/base/panic.h"
#include "kernel/kobject.h"

void
kobject_init(struct kobject *o, const struct kobject_ops *ops)
{
	o->ops = ops;
	__atomic_store_n(&o->refs, 1, __ATOMIC_RELAXED);
}

void
kobject_ref(struct kobject *o)
{
	uint32_t refs = __atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED);

	VERIFY(refs > 0 && refs < UINT32_MAX, "object %p of type %u has %u references", (void *)o,
	       o->ops->type, refs);
}

bool
kobject_tryref(struct kobject *o)
{
	uint32_t refs = __atomic_load_n(&o->refs, __ATOMIC_RELAXED);

	while (refs != 0) {
		if (__atomic_compare_exchange_n(&o->refs, &refs, refs + 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

void
kobject_unref(struct kobject *o)
{
	uint32_t refs = __atomic_fetch_sub(&o->refs, 1, __ATOMIC_ACQ_REL);

	VERIFY(refs > 0, "object %p of type %u lost a reference it did not have", (void *)o,
	       o->ops->type);
	if (refs == 1)
		o->ops->destroy(o);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical memory as a handle names it. */
#include <pagoda/abi.h>
#include "kernel/base/panic.h"
#include "kernel/physmem.h"

static uint64_t
physmem_id(const struct kobject *o)
{
	(void)o;
	return 0; /* there is only one */
}

static void
physmem_destroy(struct kobject *o)
{
	panic("physical memory %p lost the kernel's own reference", (void *)o);
}

static const struct kobject_ops physmem_ops = {
    .type = HANDLE_TYPE_PHYSMEM,
    .id = physmem_id,
    .destroy = physmem_destroy,
};

/* One reference is the kernel's for ever. */
static struct kobject physmem = {.ops = &physmem_ops, .refs = 1};

struct kobject *
physmem_object(void)
{
	kobject_ref(&physmem);
	return &physmem;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system call of debug kernels, for tests: let allocations fail, count what is in use, check
 * structures.  A release kernel answers ENOSYS.
 */
#ifdef CONFIG_DEBUG

#include <machine/copy.h>
#include <machine/pmap.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/base/string.h"
#include "kernel/debug.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "vm/vm_kern.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"
#include "vm/vm_zone.h"
#include "vm/vmspace.h"

#define FAULT_NAME_MAX 32

static int64_t
fail_allocs(uint64_t skip, uint64_t fail)
{
	struct debug_allocs *a = &curthread()->debug_allocs;
	uint32_t failed = a->failed;

	if (skip > UINT32_MAX || fail > UINT32_MAX)
		return -EINVAL;
	*a = (struct debug_allocs){.skip = (uint32_t)skip, .fail = (uint32_t)fail};
	return failed;
}

/* What the walk over the zones looks for and adds up. */
struct zone_walk {
	uint64_t index;		   /* zones still to go to the one that is asked for */
	struct debug_count *count; /* of that one */
	uint64_t slabs, heap_slabs;
};

static void
walk_zone(struct vm_zone *z, void *arg)
{
	struct zone_walk *w = arg;

	w->slabs += z->slabs;
	if (z->supplier == NULL)
		w->heap_slabs += z->slabs;
	if (w->index-- != 0)
		return;
	strlcpy(w->count->name, z->name, sizeof(w->count->name));
	w->count->value = vm_zone_in_use(z);
}

/* The counts behind those of the zones. */
static const char *const others[] = {"frames but slabs", "kmem_map but slabs", "exec_map",
				     "stack_map", "kernel_map"};

#define OTHERS (sizeof(others) / sizeof(others[0]))

/* other_count: number i of `others`. */
static uint64_t
other_count(uint64_t i, const struct zone_walk *w)
{
	struct vm_page_counts pages;

	switch (i) {
	case 0:
		vm_page_get_counts(&pages);
		return pages.total - pages.free - w->slabs;
	case 1:
		return kmem_map->size - ptoa(w->heap_slabs);
	case 2:
		return exec_map->size;
	case 3:
		return stack_map->size;
	default:
		return kernel_map->size;
	}
}

/* count: number `index` of what is in use: objects of each zone, then the others. */
static int64_t
count(uint64_t index, void *uaddr)
{
	struct debug_count c = {.value = 0};
	struct zone_walk w = {.index = index, .count = &c};

	vm_zone_for_each(walk_zone, &w);
	if (c.name[0] == '\0') {
		if (w.index >= OTHERS)
			return -ENOENT;
		strlcpy(c.name, others[w.index], sizeof(c.name));
		c.value = other_count(w.index, &w);
	}
	return copyout(&c, uaddr, sizeof(c)) ? 0 : -EFAULT;
}

/* audit: the frames, the kernel's page tables, the caller's map and page tables. */
static int64_t
audit(void)
{
	vm_map_t map = &curproc()->vmspace->vm_map;

	vm_phys_audit();
	pmap_audit(kernel_pmap);
	pmap_audit(map->pmap);
	vm_map_lock(map);
	vm_map_audit(map);
	vm_map_unlock(map);
	return 0;
}

static int64_t
fault(const char *uname)
{
	char name[FAULT_NAME_MAX];
	size_t length;

	if (!curproc()->root)
		return -EPERM;
	if (copyinstr(uname, name, sizeof(name), &length) != COPYINSTR_OK)
		return -EFAULT;
	debug_fault_named(name);
	return -ENOENT;
}

int64_t
sys_debug(const struct trapframe *tf)
{
	switch (ARG0(tf)) {
	case DEBUG_FAIL_ALLOCS:
		return fail_allocs(ARG1(tf), ARG2(tf));
	case DEBUG_COUNT:
		return count(ARG1(tf), (void *)ARG2(tf));
	case DEBUG_AUDIT:
		return audit();
	case DEBUG_FAULT:
		return fault((const char *)ARG1(tf));
	default:
		return -EINVAL;
	}
}

#endif

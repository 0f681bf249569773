/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making processes, finding them, and what vm/ may ask of one (vm/vm_proc.h).  How they end is in
 * proc_exit.c.
 *
 * map->owner.  The map of a process names it from creation until it is taken down, so that limits
 * are those of the process the map was made for, whoever works on it.  While the owner is set, the
 * process exists.
 */
#include <pagoda/errno.h>
#include "kernel/base/panic.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include "kernel/errors.h"
#include "kernel/proc.h"
#include "kernel/thread.h"
#include "vm/pmap.h"
#include "vm/vm_proc.h"
#include "vm/vm_zone.h"
#include "vm/vmspace.h"

_Static_assert((int)VM_LIMIT_STACK == LIMIT_STACK && (int)VM_LIMIT_VMEM == LIMIT_VMEM &&
		   (int)VM_LIMIT_MEMLOCK == LIMIT_MEMLOCK && (int)VM_LIMITS == LIMIT_COUNT,
	       "vm/ numbers the limits as the ABI does");
_Static_assert(VM_LIMIT_INFINITY == LIMIT_INFINITY, "no limit is the same number everywhere");

struct list proc_list = LIST_INITIALIZER(proc_list);
static struct spinlock proc_list_lock = SPINLOCK_INITIALIZER("proc list", LOCK_RANK_PROC_LIST);
static uint64_t last_id; /* (g) proc_list_lock */
static uint64_t count;	 /* (a) */

static struct vm_zone proc_zone;
static struct limit default_limits[LIMIT_COUNT]; /* constant after boot */

static uint64_t proc_object_id(const struct kobject *o);
static void proc_object_destroy(struct kobject *o);

static const struct kobject_ops proc_ops = {
    .type = HANDLE_TYPE_PROC,
    .id = proc_object_id,
    .destroy = proc_object_destroy,
};

void
proc_init(uint64_t main_stack, uint64_t wired)
{
	vm_zone_init(&proc_zone, "proc", sizeof(struct proc), NULL);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		default_limits[i] = (struct limit){LIMIT_INFINITY, LIMIT_INFINITY};
	default_limits[LIMIT_STACK].cur = main_stack;
	default_limits[LIMIT_MEMLOCK].cur = wired;
}

/* ---- vm/vm_proc.h ---- */

void
proc_lock(struct proc *p)
{
	mutex_lock(&p->lock);
}

void
proc_unlock(struct proc *p)
{
	mutex_unlock(&p->lock);
}

bool
proc_lock_owned(struct proc *p)
{
	return mutex_owned(&p->lock);
}

uint64_t
proc_limit(struct proc *p, enum vm_limit which)
{
	return __atomic_load_n(&p->limits[which].cur, __ATOMIC_RELAXED);
}

struct vmspace *
proc_vmspace(struct proc *p)
{
	return p->vmspace;
}

void
proc_set_vmspace(struct proc *p, struct vmspace *vm)
{
	ASSERT(mutex_owned(&p->lock) && p->live == 0, "process %lu has %u threads", p->id, p->live);
	p->vmspace = vm;
}

/* ---- Life ---- */

static uint64_t
proc_object_id(const struct kobject *o)
{
	return ((const struct proc *)o)->id;
}

/* proc_object_destroy: nobody knows p any more.  An embryo that was never killed still has its space. */
static void
proc_object_destroy(struct kobject *o)
{
	struct proc *p = proc_from_object(o);

	ASSERT(p->live == 0 && p->unreaped == 0, "process %lu dies with %u threads", p->id,
	       p->live);
	proc_list_remove(p);
	if (p->state == PROC_EMBRYO)
		proc_take_down(p);
	__atomic_fetch_sub(&count, 1, __ATOMIC_RELAXED);
	vm_zone_free(&proc_zone, p);
}

static void
proc_list_insert(struct proc *p)
{
	spinlock_lock(&proc_list_lock);
	p->id = ++last_id;
	list_push_back(&proc_list, &p->all);
	spinlock_unlock(&proc_list_lock);
}

void
proc_list_remove(struct proc *p)
{
	spinlock_lock(&proc_list_lock);
	if (list_linked(&p->all))
		list_remove(&p->all);
	spinlock_unlock(&proc_list_lock);
}

/* proc_alloc: a process around a space, whose reference it takes over; NULL, and the space stays the
 * caller's, without memory. */
static struct proc *
proc_alloc(const char *name, struct vmspace *vm, const struct limit *limits)
{
	struct proc *p = vm_zone_alloc(&proc_zone, VM_ZONE_ZERO);

	if (p == NULL)
		return NULL;
	__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
	kobject_init(&p->object, &proc_ops);
	mutex_init(&p->lock, "proc", LOCK_RANK_PROC);
	p->state = PROC_EMBRYO;
	list_init(&p->threads);
	memcpy(p->limits, limits, sizeof(p->limits));
	handle_table_init(&p->handles);
	strlcpy(p->name, name, sizeof(p->name));
	p->vmspace = vm;
	vm_map_lock(&vm->vm_map);
	vm->vm_map.owner = p;
	vm_map_unlock(&vm->vm_map);
	return p;
}

struct proc *
proc_create(const char *name, uint32_t flags)
{
	struct vmspace *vm = vmspace_alloc(vm_min_user_map, VM_MAX_USER_ADDRESS);
	struct proc *p;

	if (vm == NULL)
		return NULL;
	p = proc_alloc(name, vm, default_limits);
	if (p == NULL) {
		vmspace_free(vm);
		return NULL;
	}
	p->root = (flags & PROC_CREATE_ROOT) != 0;
	proc_list_insert(p);
	return p;
}

int
proc_fork(struct proc *p, struct proc **out)
{
	struct vmspace *source = proc_get_space(p), *copy;
	struct limit limits[LIMIT_COUNT];
	kern_return_t kr;

	if (source == NULL)
		return ESRCH;
	kr = vmspace_fork(source, &copy);
	vmspace_free(source);
	if (kr != KERN_SUCCESS)
		return errno_of(kr);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		proc_limit_get(p, i, &limits[i]);
	*out = proc_alloc(p->name, copy, limits);
	if (*out == NULL) {
		vmspace_free(copy);
		return ENOMEM;
	}
	proc_list_insert(*out);
	return 0;
}

struct vmspace *
proc_get_space(struct proc *p)
{
	struct vmspace *vm;

	mutex_lock(&p->lock);
	vm = p->vmspace;
	if (vm != NULL && !vmspace_acquire(vm))
		vm = NULL;
	mutex_unlock(&p->lock);
	return vm;
}

struct proc *
proc_find(uint64_t id)
{
	struct proc *p, *found = NULL;

	spinlock_lock(&proc_list_lock);
	list_for_each_entry (p, &proc_list, all) {
		if (p->id >= id && kobject_tryref(&p->object)) {
			found = p;
			break;
		}
	}
	spinlock_unlock(&proc_list_lock);
	return found;
}

bool
proc_is_embryo(struct proc *p)
{
	return __atomic_load_n(&p->state, __ATOMIC_RELAXED) == PROC_EMBRYO;
}

uint64_t
proc_count(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

/* ---- Limits and description ---- */

void
proc_limit_get(struct proc *p, unsigned which, struct limit *out)
{
	mutex_lock(&p->lock);
	*out = p->limits[which];
	mutex_unlock(&p->lock);
}

int
proc_limit_set(struct proc *p, unsigned which, const struct limit *l)
{
	int error = 0;

	if (l->cur > l->max)
		return EINVAL;
	mutex_lock(&p->lock);
	if (l->max > p->limits[which].max) {
		error = EPERM;
	} else {
		p->limits[which].max = l->max;
		__atomic_store_n(&p->limits[which].cur, l->cur, __ATOMIC_RELAXED);
	}
	mutex_unlock(&p->lock);
	return error;
}

/* describe_space: the part of info that the address space knows. */
static void
describe_space(struct vmspace *vm, struct proc_info *info)
{
	struct pmap *pmap = vm->vm_map.pmap;

	vm_map_lock_read(&vm->vm_map);
	info->size = vm->vm_map.size;
	info->wired = vm->vm_map.user_wired;
	info->entries = vm->vm_map.nentries;
	info->stack_size = ptoa(vm->vm_ssize);
	info->stack_low = vm->vm_maxsaddr;
	info->stack_top = vm->vm_stacktop;
	vm_map_unlock_read(&vm->vm_map);
	info->resident = ptoa(pmap_resident_count(pmap));
	info->table_pages = (uint32_t)pmap_table_count(pmap);
}

void
proc_describe(struct proc *p, struct proc_info *info)
{
	struct vmspace *vm = proc_get_space(p);
	const struct uthread *ut;

	memset(info, 0, sizeof(*info));
	info->id = p->id;
	info->handles = handle_count(&p->handles);
	strlcpy(info->name, p->name, sizeof(info->name));
	mutex_lock(&p->lock);
	info->threads = p->live;
	info->cpu_time = p->cpu_time;
	list_for_each_entry (ut, &p->threads, proc_link)
		info->cpu_time += ut->thread.cpu_time;
	mutex_unlock(&p->lock);
	if (vm != NULL) {
		describe_space(vm, info);
		vmspace_free(vm);
	}
}

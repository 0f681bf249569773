/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls on memory objects. */
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/handle.h"
#include "kernel/memobj.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"

int64_t
sys_object_create(const struct trapframe *tf)
{
	struct handle_table *handles = &curproc()->handles;
	struct memobj *m;
	uint32_t h;
	int error = handle_reserve(handles, 0, &h);

	if (error != 0)
		return -error;
	error = memobj_create(ARG0(tf), &m);
	if (error != 0) {
		handle_cancel(handles, h);
		return -error;
	}
	handle_fill(handles, h, &m->object, RIGHT_ALL);
	return h;
}

int64_t
sys_object_size(const struct trapframe *tf)
{
	struct memobj *m;
	int64_t bytes;
	int error = target_memobj(ARG0(tf), RIGHT_READ, &m, NULL);

	if (error != 0)
		return -error;
	bytes = (int64_t)m->bytes;
	kobject_unref(&m->object);
	return bytes;
}

/* The rights that pass from the handle of physical memory to that of a device in it. */
#define DEVICE_RIGHTS (RIGHT_READ | RIGHT_WRITE | RIGHT_DUP)

/* cache_of: the memory type that the ABI's word stands for; false if it is none. */
static bool
cache_of(uint64_t type, enum pmap_cache *cache)
{
	*cache = type == DEVICE_UNCACHED ? PMAP_UNCACHED : PMAP_WRITE_COMBINING;
	return type == DEVICE_UNCACHED || type == DEVICE_WRITE_COMBINING;
}

int64_t
sys_object_device(const struct trapframe *tf)
{
	struct handle_table *handles = &curproc()->handles;
	enum pmap_cache cache;
	struct memobj *m;
	uint32_t h, rights;
	int error = target_physmem(ARG0(tf), RIGHT_READ, &rights);

	if (error == 0 && !cache_of(ARG3(tf), &cache))
		error = EINVAL;
	if (error == 0)
		error = handle_reserve(handles, 0, &h);
	if (error != 0)
		return -error;
	error = memobj_create_device(ARG1(tf), ARG2(tf), cache, &m);
	if (error != 0) {
		handle_cancel(handles, h);
		return -error;
	}
	handle_fill(handles, h, &m->object, rights & DEVICE_RIGHTS);
	return h;
}

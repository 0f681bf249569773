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

/* SPDX-License-Identifier: BSD-2-Clause */
/* SYS_vm_move: move, extend or shrink a range of a space. */
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/errors.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "vm/vmspace.h"

_Static_assert(VM_MOVE_MAY == VM_MAP_MOVE_MAY && VM_MOVE_FIXED == VM_MAP_MOVE_FIXED,
	       "vm/ has the numbers of the ABI");

struct request {
	uint64_t addr, length, new_length, flags, to; /* bytes */
};

/* check: everything that can be judged from the arguments alone.  0 or EINVAL. */
static int
check(const struct request *r)
{
	if ((r->flags & ~(uint64_t)(VM_MOVE_MAY | VM_MOVE_FIXED)) != 0 || r->length == 0 ||
	    r->new_length == 0)
		return EINVAL;
	if (!target_range_ok(r->addr, r->length) || !page_aligned(r->new_length))
		return EINVAL;
	/* Without a flag the place is not looked at, so it had better be none. */
	if (r->flags == 0)
		return r->to == 0 ? 0 : EINVAL;
	if (!page_aligned(r->to))
		return EINVAL;
	return (r->flags & VM_MOVE_FIXED) != 0 && r->to < vm_min_user_map ? EINVAL : 0;
}

int64_t
sys_vm_move(const struct trapframe *tf)
{
	struct request r = {
	    .addr = ARG1(tf),
	    .length = ARG2(tf),
	    .new_length = ARG3(tf),
	    .flags = ARG4(tf),
	    .to = ARG5(tf),
	};
	struct target t;
	kern_return_t kr;
	int error = check(&r);

	if (error == 0)
		error = target_get(ARG0(tf), RIGHT_WRITE, &t);
	if (error != 0)
		return -error;
	/* Where the kernel chooses, it does as SYS_vm_map. */
	if (r.flags == VM_MOVE_MAY && r.to == 0)
		r.to = TARGET_MAP_BASE;
	kr = vm_map_move(t.map, r.addr, r.length, r.new_length, &r.to, (int)r.flags);
	target_put(&t);
	if (kr == KERN_NO_SPACE && (r.flags & VM_MOVE_FIXED) != 0)
		return -EEXIST;
	return kr == KERN_SUCCESS ? (int64_t)r.to : -errno_of(kr);
}

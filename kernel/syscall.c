/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the system calls.  Numbers below SYS_BASE belong to the process's personality; there
 * is none yet, so they do not exist.
 */
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/syscall.h"

#define CALL(name) [SYS_##name - SYS_BASE] = sys_##name

static syscall_fn *const calls[] = {
    CALL(vm_map),	 CALL(vm_unmap),       CALL(vm_protect),    CALL(vm_inherit),
    CALL(vm_wire),	 CALL(vm_unwire),      CALL(vm_query),	    CALL(vm_read),
    CALL(vm_write),	 CALL(vm_wire_future), CALL(object_create), CALL(object_size),
    CALL(proc_create),	 CALL(proc_fork),      CALL(proc_load),	    CALL(proc_exit),
    CALL(proc_kill),	 CALL(proc_wait),      CALL(proc_id),	    CALL(proc_info),
    CALL(proc_open),	 CALL(limit_get),      CALL(limit_set),	    CALL(proc_give),
    CALL(thread_create), CALL(thread_exit),    CALL(thread_kill),   CALL(thread_wait),
    CALL(thread_get),	 CALL(thread_set),     CALL(thread_stop),   CALL(thread_resume),
    CALL(thread_id),	 CALL(handle_close),   CALL(handle_dup),    CALL(handle_info),
    CALL(yield),	 CALL(sleep_until),    CALL(clock),	    CALL(log),
    CALL(console_write), CALL(console_read),   CALL(system_info),   CALL(shutdown),
    CALL(futex_wait),	 CALL(futex_wake),
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

void
syscall_dispatch(struct trapframe *tf)
{
	uint64_t number = tf->rax - SYS_BASE;

	if (number >= CALLS || calls[number] == NULL) {
		tf->rax = (uint64_t)-ENOSYS;
		return;
	}
	tf->rax = (uint64_t)calls[number](tf);
	ASSERT(curthread()->lockorder.count == 0, "call %#lx returns with a lock held",
	       number + SYS_BASE);
}

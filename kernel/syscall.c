/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the system calls.  entry.S checks the number and calls through it, so that a call costs
 * no more than that; a number of the ABI's range that means nothing is syscall_unknown here.
 *
 * Numbers below SYS_BASE belong to the process's personality; there is none yet, so they are unknown
 * too.
 */
#include <machine/asmdefs.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/syscall.h"

#define CALL(name)	    [SYS_##name - SYS_BASE] = sys_##name
/* The numbers between two calls. */
#define UNKNOWN(last, next) [last + 1 - SYS_BASE... next - 1 - SYS_BASE] = syscall_unknown

syscall_fn *const syscall_table[] = {
    CALL(vm_map),
    CALL(vm_unmap),
    CALL(vm_protect),
    CALL(vm_inherit),
    CALL(vm_wire),
    CALL(vm_unwire),
    CALL(vm_query),
    CALL(vm_read),
    CALL(vm_write),
    CALL(vm_wire_future),
    CALL(object_create),
    CALL(object_size),
    UNKNOWN(SYS_object_size, SYS_proc_create),
    CALL(proc_create),
    CALL(proc_fork),
    CALL(proc_load),
    CALL(proc_exit),
    CALL(proc_kill),
    CALL(proc_wait),
    CALL(proc_id),
    CALL(proc_info),
    CALL(proc_open),
    CALL(limit_get),
    CALL(limit_set),
    CALL(proc_give),
    UNKNOWN(SYS_proc_give, SYS_thread_create),
    CALL(thread_create),
    CALL(thread_exit),
    CALL(thread_kill),
    CALL(thread_wait),
    CALL(thread_get),
    CALL(thread_set),
    CALL(thread_stop),
    CALL(thread_resume),
    CALL(thread_id),
    CALL(thread_affinity),
    CALL(thread_cpu),
    UNKNOWN(SYS_thread_cpu, SYS_handle_close),
    CALL(handle_close),
    CALL(handle_dup),
    CALL(handle_info),
    CALL(yield),
    CALL(sleep_until),
    CALL(clock),
    CALL(log),
    CALL(console_write),
    CALL(console_read),
    CALL(system_info),
    CALL(shutdown),
    CALL(futex_wait),
    CALL(futex_wake),
    CALL(debug),
    CALL(object_device),
    UNKNOWN(SYS_object_device, SYS_vm_advise),
    CALL(vm_advise),
    CALL(vm_sync),
    CALL(vm_move),
    CALL(vm_discard),
    CALL(vm_residency),
};

_Static_assert(SYSCALL_FIRST == SYS_BASE, "entry.S subtracts another base");
_Static_assert(sizeof(syscall_table) / sizeof(syscall_table[0]) == SYSCALL_COUNT,
	       "entry.S has another number of calls");

int64_t
syscall_unknown(const struct trapframe *tf)
{
	(void)tf;
	return -ENOSYS;
}

#ifdef CONFIG_DEBUG
int64_t
syscall_check(int64_t result)
{
	const struct lockorder *l = &curthread()->lockorder;

	VERIFY(l->count == 0, "a system call returns with lock %s held", l->held[0].name);
	return result;
}
#endif

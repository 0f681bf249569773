/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls: what user/include/pagoda/abi.h promises.
 *
 * Each call is a function that takes the trapframe, checks every argument, and returns the result or
 * a negative error; this is the only storey where errors are negative.  Interrupts are on, no lock is
 * held.
 */
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include <stdint.h>
#include <machine/trapframe.h>
#include <machine/upcalls.h>

/* The arguments of a call, in the ABI's order. */
#define ARG0(tf) ((tf)->rdi)
#define ARG1(tf) ((tf)->rsi)
#define ARG2(tf) ((tf)->rdx)
#define ARG3(tf) ((tf)->r10)
#define ARG4(tf) ((tf)->r8)
#define ARG5(tf) ((tf)->r9)

/* sys_vm.c */
syscall_fn sys_vm_unmap, sys_vm_protect, sys_vm_inherit, sys_vm_wire, sys_vm_unwire,
    sys_vm_wire_future, sys_vm_read, sys_vm_write, sys_vm_advise, sys_vm_sync, sys_vm_discard;
/* sys_vm_map.c, sys_vm_move.c, sys_vm_query.c */
syscall_fn sys_vm_map, sys_vm_move, sys_vm_query, sys_vm_residency;
/* sys_object.c */
syscall_fn sys_object_create, sys_object_size, sys_object_device;
/* sys_proc.c */
syscall_fn sys_proc_create, sys_proc_fork, sys_proc_load, sys_proc_exit, sys_proc_kill,
    sys_proc_wait, sys_proc_id, sys_proc_info, sys_proc_open, sys_limit_get, sys_limit_set;
/* sys_thread.c */
syscall_fn sys_thread_create, sys_thread_exit, sys_thread_kill, sys_thread_wait, sys_thread_get,
    sys_thread_set, sys_thread_stop, sys_thread_resume, sys_thread_id, sys_thread_affinity,
    sys_thread_cpu;
/* sys_handle.c */
syscall_fn sys_handle_close, sys_handle_dup, sys_handle_info, sys_proc_give;
/* sys_misc.c */
syscall_fn sys_yield, sys_sleep_until, sys_clock, sys_log, sys_console_write, sys_console_read,
    sys_system_info, sys_shutdown, sys_futex_wait, sys_futex_wake;
/* sys_debug.c */
#ifdef CONFIG_DEBUG
syscall_fn sys_debug;
#else
#define sys_debug syscall_unknown
#endif

#endif

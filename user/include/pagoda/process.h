/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes the way a program wants them: fork, spawn and wait, made of a few system calls each.
 * A process is named by a handle; there are no parents and no zombies: close the handle and what
 * was left of an ended process is gone.
 */
#ifndef PAGODA_PROCESS_H
#define PAGODA_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include <pagoda/syscalls.h>

/*
 * fork: copy the process; only the calling thread exists in the copy.
 *
 * Returns the child's handle in the parent, HANDLE_SELF (0) in the child, or -E* (and no child).
 * The child has the handle of the boot archive, if the parent has, and no other.
 */
handle_t fork(void);

/* fork_giving: fork whose child gets these handles too, at the same numbers. */
handle_t fork_giving(const handle_t *give, size_t count);

/*
 * spawn: start a program of the boot archive.
 *
 *	path	its path ("bin/hello"), or a name that is looked for in bin/, sbin/ and tests/
 *	argv	its arguments, ended by NULL, argv[0] is its name
 *	envp	its environment; NULL: that of the caller
 *
 * Returns its handle or -E*: ENOENT, ENOEXEC, or what creating the process gave.
 */
handle_t spawn(const char *path, const char *const argv[], const char *const envp[]);

/* spawn_stopped: likewise, but without a thread; *regs is how its first one shall start.  For those
 * who want to give it handles first.  flags: of SYS_proc_create. */
handle_t spawn_stopped(const char *path, const char *const argv[], const char *const envp[],
		       uint32_t flags, struct thread_regs *regs);

/* spawn_flags: spawn with flags of SYS_proc_create; PROC_CREATE_ROOT needs the root right. */
handle_t spawn_flags(const char *path, const char *const argv[], const char *const envp[],
		     uint32_t flags);

/* spawn_run: give a stopped process its first thread.  0 or -E*. */
int spawn_run(handle_t proc, const struct thread_regs *regs);

/* wait_for: wait until proc has ended, then close the handle.  0 or -E* (and the handle stays). */
int wait_for(handle_t proc, struct proc_status *status);

/* describe_status: how a process ended, in words, as in "fault: nothing mapped at 0x10". */
void describe_status(const struct proc_status *status, char *buffer, size_t size);

/* fault_name: what a FAULT_* kind means. */
const char *fault_name(int32_t kind);

#endif

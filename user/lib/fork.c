/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork: SYS_proc_fork copies the memory, SYS_thread_create gives the copy a thread that comes out
 * of fork_giving (fork_entry.S) a second time.
 *
 * The library's locks are taken before the copy is made and released in both processes: no other
 * thread of the parent can have been half-way through the heap or the output buffer.
 */
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/syscalls.h>

handle_t fork_process(const handle_t *give, size_t count, uint64_t stack_pointer);
void fork_child(void);
void fork_child_start(void);

static handle_t
give_thread(handle_t child, uint64_t stack_pointer)
{
	struct thread_regs regs = {
	    .rip = ADDR(fork_child),
	    .rsp = stack_pointer,
	    .rflags = 0x200, /* interrupts on, as always in user mode */
	};
	int64_t thread = thread_create(child, &regs, 0);

	if (thread < 0) {
		handle_close(child);
		return (handle_t)thread;
	}
	handle_close((handle_t)thread);
	return child;
}

/* fork_process: the C part of fork_giving; stack_pointer is where the child finds its registers. */
handle_t
fork_process(const handle_t *give, size_t count, uint64_t stack_pointer)
{
	stdout_flush();
	heap_lock();
	stdout_lock();
	int64_t child = proc_fork(HANDLE_SELF, give, count);
	stdout_unlock();
	heap_unlock();
	return child < 0 ? (handle_t)child : give_thread((handle_t)child, stack_pointer);
}

/* fork_child_start: the first thing a child does: release what the parent's thread held. */
void
fork_child_start(void)
{
	stdout_unlock();
	heap_unlock();
}

handle_t
fork(void)
{
	static const handle_t archive = HANDLE_BOOT_ARCHIVE;
	struct handle_info info;
	bool have = handle_info(HANDLE_BOOT_ARCHIVE, &info) == 0 && info.type == HANDLE_TYPE_OBJECT;

	return fork_giving(&archive, have ? 1 : 0);
}

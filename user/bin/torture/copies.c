/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies of the process: what they see, what they store, and who sees that.
 *
 * A copy fills all it has.  Private slots of the worker are not touched by that; shared ones are full
 * afterwards, or, if the copy was killed, nobody knows.
 */
#include "torture.h"

struct archive_file torture_image;

static void
check_all(struct worker *w)
{
	for (uint64_t i = 0; i < SLOTS; i++) {
		check_slot(w, &w->slot[i]);
	}
}

/* A copy sees what was there at the fork; what it stores is its own, or, where that is shared, everybody's. */
static void
copy_main(void *arg)
{
	struct worker *w = arg;

	check_all(w);
	for (uint64_t i = 0; i < SLOTS; i++) {
		for (uint64_t page = 0; !w->slot[i].readonly && page < w->slot[i].pages; page++) {
			write_page(w, &w->slot[i], page);
		}
	}
	check_all(w);
	proc_exit(0);
}

/* copy_ended: what became of shared slots; a copy that was killed may have stored any part of them. */
static void
copy_ended(struct worker *w, bool killed)
{
	for (uint64_t i = 0; i < SLOTS; i++) {
		struct slot *s = &w->slot[i];

		if (!s->shared || s->readonly || s->pages == 0) {
			continue;
		}
		s->written = (1u << s->pages) - 1;
		if (killed) {
			must(w, vm_unmap(HANDLE_SELF, slot_addr(w, s), slot_bytes(s)), "unmap",
			     slot_addr(w, s));
			*s = (struct slot){.pages = 0};
		}
	}
}

/* run_copy: give the child its thread, and wait for its end.  True if it was killed. */
static bool
run_copy(struct worker *w, handle_t child, const struct thread_regs *regs, bool kill)
{
	int64_t thread = thread_create(child, regs, 0);
	struct proc_status status;

	if (thread < 0) {
		return false; /* no handle is left */
	}
	handle_close((handle_t)thread);
	for (uint64_t i = 0; i < SLOTS; i++) {
		if (!w->slot[i].shared) {
			write_slot(w, &w->slot[i]);
		}
	}
	if (kill) {
		must(w, proc_kill(child, 0), "kill a copy", 0);
	}
	must(w, proc_wait(child, &status, UINT64_MAX), "wait", 0);
	if ((status.how != PROC_EXITED && !kill) || status.value != 0) {
		fail(w, "a copy ended badly", (uint64_t)status.how, status.value);
	}
	return status.how != PROC_EXITED;
}

/* fork_worker: the copy runs on its copy of this stack, whose contents it does not need. */
void
fork_worker(struct worker *w, struct slot *s)
{
	int64_t child = proc_fork(HANDLE_SELF, NULL, 0);
	struct thread_regs regs;

	(void)s;
	if (child < 0) {
		return; /* no handle is left, or no memory */
	}
	thread_regs_init(&regs, copy_main, w, w->stack + STACK_BYTES);
	copy_ended(w, run_copy(w, (handle_t)child, &regs, choose(w, 4) == 0));
	handle_close((handle_t)child);
}

/* load_program: a copy becomes another program, which ends at once. */
void
load_program(struct worker *w, struct slot *s)
{
	const char *const argv[] = {"torture", END_MARK, NULL};
	struct proc_args args = {ADDR(argv), ADDR(argv + 2)};
	int64_t child = proc_fork(HANDLE_SELF, NULL, 0);
	struct proc_entry entry;
	struct thread_regs regs;

	(void)s;
	if (child < 0) {
		return;
	}
	must(w, proc_load((handle_t)child, torture_image.data, torture_image.size, &args, &entry),
	     "load", 0);
	regs = (struct thread_regs){.rip = entry.rip, .rsp = entry.rsp, .rflags = 0x200};
	(void)run_copy(w, (handle_t)child, &regs, false);
	handle_close((handle_t)child);
}

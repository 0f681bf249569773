/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes: an address space, threads, handles, limits.  The kernel knows no parents.
 *
 *	embryo --first thread--> alive --exit, kill, fault, last thread--> ending --> dead
 *	   +-------------------------------kill------------------------------^
 *
 * An ending process has every thread marked killed; each leaves at its next return to user mode or
 * killable wait.  The last one to leave takes the space and the handles down on its own kernel
 * stack.  When the stacks of all are given back, the process is dead and its waiters are woken: so
 * who has waited for a process finds all of its memory free.  The structure lives on while there
 * are references (handles).
 */
#ifndef KERNEL_PROC_H
#define KERNEL_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <pagoda/abi.h>
#include "kernel/base/list.h"
#include "kernel/base/mutex.h"
#include "kernel/handle.h"
#include "kernel/kobject.h"
#include "vm/vm_types.h"

struct uthread;
struct vmspace;

enum proc_state {
	PROC_EMBRYO, /* no thread yet */
	PROC_ALIVE,
	PROC_ENDING, /* its threads are on their way out */
	PROC_DEAD,   /* nothing is left but this structure */
};

struct proc {
	struct kobject object;	 /* first: a struct kobject * is a struct proc * */
	struct mutex lock;	 /* LOCK_RANK_PROC */
	enum proc_state state;	 /* (l) */
	uint32_t live;		 /* (l) threads that have not left */
	uint32_t unreaped;	 /* (l) threads whose kernel stack still exists */
	bool loading;		 /* (l) an image is being loaded */
	bool root;		 /* (c) may open any process and shut the machine down */
	struct list threads;	 /* (l) struct uthread, those that have not left */
	struct vmspace *vmspace; /* (l) NULL once taken down; its own threads read it unlocked */
	struct limit limits[LIMIT_COUNT]; /* (l); each `cur` (a): proc_limit() */
	struct proc_status status;	  /* (l) set when it starts to end, constant then */
	uint64_t cpu_time;		  /* (l) ns, of threads that are gone */
	struct handle_table handles;	  /* its own lock */
	struct list_link all;		  /* (g) on proc_list, by id, until dead */
	uint64_t id;			  /* (c) unique, ascending */
	char name[PROC_NAME_MAX];	  /* (c) */
}; /* (l) lock  (g) proc_list_lock  (c) constant after creation */

/* All processes that are not dead, by id.  For ps and debuggers. */
extern struct list proc_list;

/* proc_init: boot.  main_stack: the soft LIMIT_STACK of processes that are created, bytes; wired:
 * the soft LIMIT_MEMLOCK. */
void proc_init(uint64_t main_stack, uint64_t wired);

/*
 * proc_create: an empty process (PROC_CREATE_* flags) with one reference, the caller's; NULL without
 * memory.
 * proc_fork: a copy of p without threads and handles; 0 and *out, ENOMEM, EINTR, or ESRCH: p has
 * ended.  No lock held; may sleep.
 */
struct proc *proc_create(const char *name, uint32_t flags);
int proc_fork(struct proc *p, struct proc **out);

static inline struct proc *
proc_from_object(struct kobject *o)
{
	return (struct proc *)o;
}

static inline void
proc_unref(struct proc *p)
{
	kobject_unref(&p->object);
}

/* proc_get_space: p's address space with a reference for the caller (vmspace_free); NULL if it is
 * taken down.  No lock held. */
struct vmspace *proc_get_space(struct proc *p);

/* proc_find: the process with the least id that is not below `id`, with a reference; or NULL. */
struct proc *proc_find(uint64_t id);

/* proc_is_embryo: has it never had a thread? */
bool proc_is_embryo(struct proc *p);

/* proc_count: process structures alive. */
uint64_t proc_count(void);

/* proc_limit_get, _set: which < LIMIT_COUNT.  _set: EINVAL: cur above max; EPERM: max would rise. */
void proc_limit_get(struct proc *p, unsigned which, struct limit *out);
int proc_limit_set(struct proc *p, unsigned which, const struct limit *l);

/* proc_describe: what SYS_proc_info tells. */
void proc_describe(struct proc *p, struct proc_info *info);

/* ---- proc_exit.c ---- */

/* proc_end: p is to end, for this reason (ignored if it already ends).  No lock held; may sleep.
 * Does not wait; if p is the caller's, the caller goes on until thread_exit(). */
void proc_end(struct proc *p, uint32_t how, int32_t value, uint64_t address);

/* proc_wait: until p is dead or the clock reaches deadline; *status is how it ended.
 * 0, ETIMEDOUT, EINTR. */
int proc_wait(struct proc *p, uint64_t deadline, struct proc_status *status);

/* proc_thread_add: ut becomes a thread of its process; ESRCH if that ends, EBUSY if it is being loaded.
 * proc_thread_leave: the current thread, ut, stops being one; it has no user space loaded.  Takes
 * the process down if it is the last.
 * proc_thread_reaped: ut's stack is free. */
int proc_thread_add(struct uthread *ut);
void proc_thread_leave(struct uthread *ut);
void proc_thread_reaped(struct uthread *ut);

/* proc_take_down: free the space and the handles.  Nobody runs in it; no lock held. */
void proc_take_down(struct proc *p);
/* proc_list_remove: off the list of processes, if it is there. */
void proc_list_remove(struct proc *p);

#endif

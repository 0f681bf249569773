/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of the own process, and the mutex they share.
 *
 * A thread's stack is a stack of the kernel's making (VM_MAP_FLAG_STACK): the top is mapped, the
 * rest is reserved and grows when it is touched, and its lowest pages are a guard.
 */
#ifndef PAGODA_THREAD_H
#define PAGODA_THREAD_H

#include <stdint.h>

#include <pagoda/syscalls.h>

struct user_thread {
	handle_t handle;
	uint64_t stack_low;  /* lowest address of the reservation */
	uint64_t stack_size; /* bytes of the reservation, guard and all */
};

#define THREAD_STACK_DEFAULT (1ul << 20)

/*
 * thread_start: run fn(arg) in a new thread; the thread ends when fn returns.
 *
 *	t		filled in; needed by thread_join
 *	stack_size	bytes to reserve, rounded up to pages; 0: THREAD_STACK_DEFAULT
 *
 * Returns 0 or -E*; on failure nothing is left behind.
 */
int thread_start(struct user_thread *t, void (*fn)(void *), void *arg, uint64_t stack_size);

/* thread_join: wait for the end of t, close its handle and unmap its stack.  0 or -E*. */
int thread_join(struct user_thread *t);

/* thread_regs_init: registers of a thread that starts at entry(arg) on a stack that ends at
 * stack_top; entry must not return. */
void thread_regs_init(struct thread_regs *regs, void (*entry)(void *), void *arg,
		      uint64_t stack_top);

/* A lock that sleeps: 0 free, 1 held, 2 held and perhaps waited for. */
struct mutex {
	uint32_t state;
};

#define MUTEX_INIT \
	{          \
		0  \
	}

void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

/* sleep_ms: not less than this many milliseconds. */
void sleep_ms(uint64_t ms);

#define NS_PER_MS  1000000ull
#define NS_PER_SEC 1000000000ull

#endif

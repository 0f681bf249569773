/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rare things made common: switches of debug builds, of which a release build has nothing left.
 *
 *	debug.poison		all of each free frame and object is filled and checked, not only its ends
 *	debug.frames=scattered	single frames come in descending order, no two next to each other
 *	debug.small		caches, batches and hash tables as small as they can be
 *	SYS_debug		the n-th allocation of a thread fails
 *
 * kernel/debug.c reads the command line; the code under test asks the functions below.
 */
#ifndef KERNEL_BASE_DEBUG_H
#define KERNEL_BASE_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

/* What a thread has been told to let fail: first `skip` allocations succeed, then `fail` of them do
 * not.  Part of struct thread. */
struct debug_allocs {
	uint32_t skip, fail;
	uint32_t failed; /* so many have */
};

#ifdef CONFIG_DEBUG

extern struct debug_switches {
	bool poison, scattered, small;
} debug_switches; /* constant after boot */

/* debug_alloc_fails: stands at the start of every lowest allocator: is this one to fail? */
bool debug_alloc_fails(void);

/* debug_limit: a limit in place of which a small one shall do as well. */
static inline unsigned
debug_limit(unsigned usual, unsigned small)
{
	return debug_switches.small ? small : usual;
}

/* debug_scattered: shall frames be handed out one by one, from all over memory? */
static inline bool
debug_scattered(void)
{
	return debug_switches.scattered;
}

#else

static inline bool
debug_alloc_fails(void)
{
	return false;
}

static inline unsigned
debug_limit(unsigned usual, unsigned small)
{
	(void)small;
	return usual;
}

static inline bool
debug_scattered(void)
{
	return false;
}

#endif

#endif

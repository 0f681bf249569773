/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks of pages that are too many to have one each: pages share a few by hash. */
#ifndef ARCH_PAGE_LOCK_H
#define ARCH_PAGE_LOCK_H

#include "kernel/base/spinlock.h"
#include "vm/vm_page.h"
#include <machine/param.h>

#define PAGE_LOCKS 64 /* a power of two */

/* One set of locks: each is on a cache line of its own. */
struct page_lock {
	struct spinlock lock;
} __attribute__((aligned(CACHE_LINE_SIZE)));

#define PAGE_LOCKS_INITIALIZER(name, rank)                                    \
	{                                                                     \
		[0 ... PAGE_LOCKS - 1] = { SPINLOCK_INITIALIZER(name, rank) } \
	}

/* page_lock: the lock of m in a set. */
static inline struct spinlock *
page_lock(struct page_lock *set, const struct vm_page *m)
{
	return &set[(uintptr_t)m / sizeof(*m) % PAGE_LOCKS].lock;
}

#endif

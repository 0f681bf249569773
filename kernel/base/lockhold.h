/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long spinlocks are held, and waited for: debug builds only.
 *
 * While a spinlock is held its processor takes no interrupts, and all who want the lock stand still.
 * So each hold is measured, the longest of each lock is remembered, and one that is longer than the
 * limit (lock.hold_us on the command line) is a panic.  The limit is generous, because an emulator's
 * host may stop a processor at any time; where the clock counts instructions (-icount) the numbers
 * are exact (tests/qemu/holds.t).
 */
#ifndef KERNEL_BASE_LOCKHOLD_H
#define KERNEL_BASE_LOCKHOLD_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/base/lockorder.h"

/* A wait that must come to an end: begins all zero. */
struct lockhold_wait {
	uint64_t since; /* ns; 0: not looked yet */
	uint32_t turns;
};

#ifdef CONFIG_DEBUG

/* lockhold_set_limit: the longest hold that is allowed, in ns; 0: any. */
void lockhold_set_limit(uint64_t ns);

/* lockhold_ends: h, a spinlock, is about to be released at pc.  Panics if that is too late.  Interrupts
 * off. */
void lockhold_ends(const struct lockorder_held *h, uintptr_t pc);

/* lockhold_waits_too_long: one turn more of a loop that waits for another processor with interrupts
 * off; true if that has taken longer than several holds may. */
bool lockhold_waits_too_long(struct lockhold_wait *w);

/* lockhold_print: the longest hold of each lock to the log, the longest first. */
void lockhold_print(void);

#else

static inline bool
lockhold_waits_too_long(struct lockhold_wait *w)
{
	(void)w;
	return false;
}

#endif

#endif

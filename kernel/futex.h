/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for a word of user memory to change. */
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include <stdint.h>

void futex_init(void); /* boot */

/*
 * futex_wait: sleep until futex_wake on the word at uaddr (aligned, in the caller's space), if it is
 * `expected` now; a wake-up after the comparison is not lost.
 * 0; EAGAIN: it is not; ETIMEDOUT: the clock reached deadline; EFAULT; EINTR: killed.
 */
int futex_wait(const uint32_t *uaddr, uint32_t expected, uint64_t deadline);

/* futex_wake: wake up to n who wait for the word; *woken gets how many.  0 or EFAULT. */
int futex_wake(const uint32_t *uaddr, uint64_t n, int64_t *woken);

#endif

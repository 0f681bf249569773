/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler should know and cannot see. */
#ifndef KERNEL_BASE_COMPILER_H
#define KERNEL_BASE_COMPILER_H

/*
 * SLOWPATH: a part of a hot function that is rarely entered.  Kept apart, it does not make the hot
 * part save registers that only it needs.
 */
#define SLOWPATH __attribute__((noinline, cold))

/*
 * COUNT_ADD: change a number that others read without the lock that guards its changes, by
 * __atomic_load_n: they see it as it was before or as it is after.
 */
#define COUNT_ADD(number, by) __atomic_store_n(&(number), (number) + (by), __ATOMIC_RELAXED)

#endif

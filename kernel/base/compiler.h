/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler should know about a function and cannot see. */
#ifndef KERNEL_BASE_COMPILER_H
#define KERNEL_BASE_COMPILER_H

/*
 * SLOWPATH: a part of a hot function that is rarely entered.  Kept apart, it does not make the hot
 * part save registers that only it needs.
 */
#define SLOWPATH __attribute__((noinline, cold))

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which fault is awake.  Included before every source that tools/lib/mutants.py has rewritten, whose
 * MUT_BASE is the number of faults in the files before it.
 */
#ifndef TESTS_MUTATE_MUTANT_H
#define TESTS_MUTATE_MUTANT_H

#define MUTANTS_MAX 16384

extern unsigned mutant_awake;			 /* its number from 1; 0: none */
extern unsigned char mutant_passed[MUTANTS_MAX]; /* 1: a test has come by this fault */

#define MUT(n) (mutant_passed[MUT_BASE + (n)] = 1, mutant_awake == MUT_BASE + (n))

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is started first, and run mode: with run=NAME on the command line one program takes the place
 * of init, its output goes to the test channel, and the machine ends when it ends
 * (docs/running.md).
 */
#ifndef KERNEL_RUN_H
#define KERNEL_RUN_H

#include <stdbool.h>
#include <stddef.h>

struct boot_info;
struct proc;

/* run_init: look at the command line and find the archive and the first program.  What is lacking or
 * damaged ends in one clear line and a halt.  Boot. */
void run_init(const struct boot_info *bi);

/* run_first: start the first process.  Called on a kernel thread; returns it with a reference, or
 * ends in a clear line and a halt. */
struct proc *run_first(void);

/* run_supervise: wait for the end of the first process, say how it ended, and end the machine. */
_Noreturn void run_supervise(struct proc *p);

/* run_mode: does one program have the machine?  Constant after boot. */
bool run_mode(void);

/* run_end: end the machine in good order, with this code for cpu_exit(); in run mode the host is told
 * the status of the program. */
_Noreturn void run_end(int status, uint32_t code);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug switches of the command line (docs/running.md); a release kernel only refuses them. */
#ifndef KERNEL_DEBUG_H
#define KERNEL_DEBUG_H

#include <stdbool.h>

/* debug_init: read the switches.  First thing of kmain, before memory is given out. */
void debug_init(void);

/* debug_fault: do what debug.fault=NAME asks for, if anything.  On a kernel thread, interrupts on. */
void debug_fault(void);

/* debug_fault_named: do it; returns, with false, only if the name is unknown.  Debug kernels only. */
bool debug_fault_named(const char *name);

/* debug_report: what the command line wants to see when the machine ends in good order. */
void debug_report(void);

#endif

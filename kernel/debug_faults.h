/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults on purpose that take several processors: debug_faults_smp.c, for the table of debug_faults.c. */
#ifndef KERNEL_DEBUG_FAULTS_H
#define KERNEL_DEBUG_FAULTS_H

void fault_cross(void);
void fault_deaf(void);
void fault_held(void);
void fault_mute(void);
void fault_stuck(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory as a handle names it: the right to make device objects.
 *
 * There is one such object for the whole machine.  The first process is given a handle of it at boot,
 * and whom that one gives a copy to has the right as well; nobody has it otherwise.  Who shall drive
 * one device is given no such handle but an object that shows that device.
 */
#ifndef KERNEL_PHYSMEM_H
#define KERNEL_PHYSMEM_H

#include "kernel/kobject.h"

/* physmem_object: a new reference on it. */
struct kobject *physmem_object(void);

#endif

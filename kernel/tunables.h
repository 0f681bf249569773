/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be set on the kernel's command line about memory:
 *
 *	vm.stack_guard_pages=N	pages below a stack that are never given out (16; at least 1)
 *	vm.sgrowsiz=BYTES	how much a stack grows at once (128K)
 *	vm.maxssiz=BYTES	address space set aside for a main stack (512M)
 *	vm.commit_percent=N	how much memory may be promised, of what is free after boot (87)
 *	vm.commit=BYTES		the same in bytes; 0: no limit
 *
 * Values that make no sense are replaced by the nearest that do.
 */
#ifndef KERNEL_TUNABLES_H
#define KERNEL_TUNABLES_H

/* tunables_init: guard, growth, stack size.  tunables_commit: the commit limit; when boot has taken
 * what it needs.  Boot. */
void tunables_init(void);
void tunables_commit(void);

#endif

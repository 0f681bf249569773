/* SPDX-License-Identifier: BSD-2-Clause */
/* Filling an empty process with a program. */
#ifndef KERNEL_EXEC_H
#define KERNEL_EXEC_H

#include <pagoda/abi.h>
#include "vm/vm_types.h"

struct elf_source;
struct exec_args;
struct proc;

/* exec_init: bytes of address space that are set aside for main stacks, whatever the limits
 * (vm.maxssiz).  Boot. */
void exec_init(vm_size_t maxssiz);

/*
 * exec_load: load an image into p, which has no thread and nothing mapped: segments, main stack with
 * arguments.  From then on no page of p may be writable and executable.
 * 0, and *entry says how the first thread starts; EBUSY: p is not empty, or has had a thread; ESRCH:
 * p has ended; ENOEXEC: the image is refused (the log says why); E2BIG, EFAULT, ENOMEM, EINTR.
 * On failure p is empty again.  No lock held; may sleep.
 */
int exec_load(struct proc *p, const struct elf_source *source, struct exec_args *args,
	      struct proc_entry *entry);

#endif

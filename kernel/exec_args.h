/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments and environment of a program to be started, on their way from one address space to
 * another.  They lie in pageable scratch memory of exec_map.
 */
#ifndef KERNEL_EXEC_ARGS_H
#define KERNEL_EXEC_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vm/vm_types.h"

#define EXEC_ARGS_MAX (128ul << 10) /* bytes of strings and of the pointers to them */

struct exec_args {
	char *buffer;	     /* EXEC_ARGS_SIZE bytes of exec_map */
	size_t used;	     /* bytes of strings, their ends included */
	size_t pages;	     /* of the buffer that are resident */
	unsigned argc, envc; /* the strings are argc arguments, then envc of the environment */
};

/* exec_args_init: no arguments.  0; ENOMEM, EINTR.  exec_args_free: give the memory back.
 * No lock held; may sleep. */
int exec_args_init(struct exec_args *a);
void exec_args_free(struct exec_args *a);

/* exec_args_add: one more string, of the kernel; the caller counts it in argc or envc.
 * 0; E2BIG, ENOMEM, EINTR. */
int exec_args_add(struct exec_args *a, const char *s);

/* exec_args_copyin: the strings of the caller that are named by a NULL-terminated array of addresses
 * (0: none), *count gets how many.  0; E2BIG, EFAULT, ENOMEM, EINTR. */
int exec_args_copyin(struct exec_args *a, uint64_t array, unsigned *count);

/*
 * exec_args_push: put the initial stack, as the System V ABI wants it, below `top` into map: strings,
 * auxiliary vector (`auxc` pairs of numbers, without those that point at the strings), environment,
 * arguments.  *sp gets the stack pointer of the first thread.
 * 0; E2BIG: the stack cannot hold it; ENOMEM, EINTR.
 */
int exec_args_push(struct exec_args *a, vm_map_t map, vm_offset_t top, const char *name,
		   const uint64_t (*aux)[2], unsigned auxc, uint64_t *sp);

#endif

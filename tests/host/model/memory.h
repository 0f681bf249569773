/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical memory of a test, and the failures it can have. */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "vm/pmap.h"
#include "vm/vm_types.h"

/* MODEL_MEMORY: where the lowest memory begins; below it is none. */
#define MODEL_MEMORY (16 * PAGE_SIZE)

/* model_memory_boot: a machine with this many frames for use (and some more that the page array
 * takes); adds the early ranges and runs vm_phys_init(). */
void model_memory_boot(uint64_t frames);

/* model_memory_file, model_memory_offset: the file that holds all frames, and where in it one is:
 * so that a frame can be mapped at a second address. */
int model_memory_file(void);
off_t model_memory_offset(vm_paddr_t pa);

/*
 * The machine has a device as well: MODEL_DEVICE_SIZE bytes of registers, which begin as zeroes and keep
 * what is stored.  It is not in the direct map; its page at MODEL_DEVICE_OWN the kernel drives itself.
 * model_device_contains: does pa lie in it?  model_device_check: what pmap_device_check() says.
 * model_phys_address: where the host has the byte at pa, of memory or of the device.
 */
#define MODEL_DEVICE	   0x80000000ul
#define MODEL_DEVICE_SIZE  (8 * PAGE_SIZE)
#define MODEL_DEVICE_OWN   (6 * PAGE_SIZE)
#define MODEL_PHYSICAL_END 0x100000000ul
bool model_device_contains(vm_paddr_t pa);
kern_return_t model_device_check(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache);
char *model_phys_address(vm_paddr_t pa);

/* model_memory_take_all: no frame is free any more.  model_memory_give_back: they are again. */
void model_memory_take_all(void);
void model_memory_give_back(void);

/*
 * Failure injection.  An allocation is: a zone object, a frame, a page table or reverse-map entry of
 * the model pmap.
 * model_fail_after: the k-th allocation from now on fails, once (k = 1: the next one).
 * model_fail_from: the k-th and all later ones do.  model_fail_off: none does.
 * model_fail_count: how many have failed since.
 * model_fail_calls: the k-th allocation from now on calls fn(arg) first, once, and goes on: what somebody
 *	else does at just this moment.
 * model_fail_charges: from now on a commit charge is an allocation, too.
 */
void model_fail_after(uint64_t k);
void model_fail_from(uint64_t k);
void model_fail_off(void);
void model_fail_calls(uint64_t k, void (*fn)(void *arg), void *arg);
void model_fail_charges(void);
uint64_t model_fail_count(void);

/* model_alloc_fails: asked by each allocation: shall this one fail? */
bool model_alloc_fails(void);

#endif

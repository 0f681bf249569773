/* SPDX-License-Identifier: BSD-2-Clause */
/* A process's stack in tests: made as exec makes it, and looked at. */
#ifndef MODEL_STACKS_H
#define MODEL_STACKS_H

#include "model/vm_fixture.h"
#include "vm/vm_map.h"

/* Where tests put a stack, and how large its reservation is. */
#define STACK_BOTTOM 0x10000000ul
#define STACK_SIZE   0x100000ul
#define STACK_TOP    (STACK_BOTTOM + STACK_SIZE)

/* stack_guard: bytes at the bottom of a reservation that are never given out.  stack_init: bytes
 * that are mapped from the start, of a reservation of max_ssize. */
vm_size_t stack_guard(void);
vm_size_t stack_init(vm_size_t max_ssize);

/* stack_make: a stack at the usual place, RW with max ALL.  stack_make_main: likewise of the given
 * size, and it is the process's main stack, as after exec. */
void stack_make(struct vm_fixture *f);
void stack_make_main(struct vm_fixture *f, vm_size_t size);

/* map_at: the entry that holds addr; the test fails if there is none. */
vm_map_entry_t map_at(vm_map_t map, vm_offset_t addr);

/* stack_start: the lowest address of the stack that ends at top. */
vm_offset_t stack_start(vm_map_t map, vm_offset_t top);

/* stack_entries: how many entries the stack that ends at top consists of. */
unsigned stack_entries(vm_map_t map, vm_offset_t top);

/*
 * check_stack: the reservation [bottom, top) is a live gap up to start, with the guard and the
 * stored rights prot and max, and stack from there on, whose lowest entry has the same rights.
 */
void check_stack(vm_map_t map, vm_offset_t bottom, vm_offset_t start, vm_offset_t top,
		 vm_prot_t prot, vm_prot_t max);

/* check_no_growth: vm_map_growstack says this of addr, and changes nothing. */
void check_no_growth(struct vm_fixture *f, kern_return_t expected, vm_offset_t addr);

/* map_pages: anonymous memory, charged, at an address that is free. */
void map_pages(vm_map_t map, vm_offset_t addr, vm_size_t size, vm_prot_t prot);

/* map_guard: a plain guard. */
void map_guard(vm_map_t map, vm_offset_t addr, vm_size_t size);

#endif

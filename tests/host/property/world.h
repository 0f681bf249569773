/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the operations of the property test act on: the real thing, and beside each part the model.
 *
 *	space 0 to 3	processes: a window of REF_PAGES pages of a user map
 *	space 4		a system map of its own (as kernel_map is one)
 *	space 5		a map that can be its submap in pages SUB_FIRST to SUB_END
 *	objects		with a handle's reference; mapped shared or copy-on-write.  Three are anonymous, one has
 *			a pager, whose calls may fail, one is a device, which is only shared
 *
 * Where vm/ and the model disagree the process ends with a message, through model_die().
 */
#ifndef PROPERTY_WORLD_H
#define PROPERTY_WORLD_H

#include <stdint.h>
#include "model/pager.h"
#include "property/op.h"
#include "property/reference.h"

#define PROCESSES 4
#define PAGED	  3 /* the object with a pager */
#define DEVICE	  4 /* the one that is a device */
#define SUB_FIRST 8ul
#define SUB_END	  80ul

struct world {
	struct proc *proc[PROCESSES]; /* NULL: none */
	struct ref_space ref[OP_SPACES];
	vm_map_t parent, sub;
	struct vm_object *object[PROPERTY_OBJECTS];
	struct cell *cell[PROPERTY_OBJECTS][PROPERTY_OBJECT_PAGES];
	struct model_pager pager; /* of object PAGED */
};

extern struct world world;

/* world_object_pages: the size of an object.  world_kept: what is in a page of it that nobody has in
 * memory; NULL: zeroes. */
size_t world_object_pages(size_t object);
const uint32_t *world_kept(const struct vm_object *object, vm_pindex_t pindex);

vm_map_t world_map(unsigned space);
vm_offset_t world_address(unsigned space, size_t page);

/* world_process: that a space has a process; one with an empty map is made if there is none.
 * world_process_end: the process ends.  world_prepare_delete: what an owner must do before a range
 * goes: wirings of the system are taken back, what a submap has there is removed. */
void world_process(unsigned space);
void world_process_end(unsigned space);
void world_prepare_delete(unsigned space, struct ref_range r);

/* world_failed: the end, with a message. */
_Noreturn void world_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- check.c ---- */

/* check_space: attributes, mappings and totals of a space are the model's.  check_contents: likewise
 * what is in memory, mapped or not.  check_world: every space, and all audits. */
void check_space(unsigned space);
void check_contents(unsigned space);
void check_world(void);
/* check_word: is what was read at page allowed? */
void check_words(unsigned space, size_t page, uint32_t first, uint32_t last);
/* world_frame: the page of memory that is shown there, *e its entry; NULL: none yet. */
struct vm_page *world_frame(unsigned space, size_t page, vm_map_entry_t *e);
/* world_read_touched: which placeholders count as touched, after a wiring that failed. */
void world_read_touched(unsigned space);

/* ---- do_*.c: one function a kind of operation ---- */

/* A call with, perhaps, a failure under it. */
void call_begin(const struct op *op);
void call_end(void);
/* call_short: did the call fail for want of something that was withheld from it, or as the pager did? */
bool call_short(kern_return_t kr);
bool call_injected(void);
bool call_pager_failed(void);
/* call_clear: before an operation.  call_outcome: how its call has ended. */
enum call_outcome {
	CALL_DONE,
	CALL_REFUSED,
	CALL_STARVED,
};
void call_clear(void);
void call_note(enum call_outcome outcome);
enum call_outcome call_outcome(void);
/* call_expect: kr must be in the set, or the call was short: then false. */
bool call_expect(unsigned set, kern_return_t kr);

/* op_range: where the operation is to happen, as the space is now. */
struct ref_range op_range(const struct op *op);

void do_access(const struct op *op);
void do_peek(const struct op *op);
void do_fixed(const struct op *op);
void do_guard(const struct op *op);
void do_object(const struct op *op);
void do_find(const struct op *op);
void do_stack(const struct op *op);
void do_grow(const struct op *op);
void do_remove(const struct op *op);
void do_protect(const struct op *op);
void do_inherit(const struct op *op);
void do_wire(const struct op *op);
void do_unwire(const struct op *op);
void do_check(const struct op *op);
void do_bad(const struct op *op);
void do_advise(const struct op *op);
void do_sync(const struct op *op);
void do_discard(const struct op *op);
void do_resident(const struct op *op);
void do_move(const struct op *op);
void do_place(const struct op *op);
void do_submap(const struct op *op);
void do_drop(const struct op *op);
void do_fork(const struct op *op);
void do_exit(const struct op *op);
void do_exec(const struct op *op);
void do_limit(const struct op *op);
void do_flag(const struct op *op);

#endif

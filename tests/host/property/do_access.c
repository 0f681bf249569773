/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads, stores and fetches: of programs, of other spaces, of a debugger. */
#include <string.h>
#include "model/mmu.h"
#include "property/world.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"

#define LAST_WORD  (PAGE_SIZE - sizeof(uint32_t))
#define MAX_FAULTS 8

/* An access and what the model says of it. */
struct access {
	unsigned space;
	size_t page;
	vm_prot_t type;
	bool is_copy; /* for vm/ the page is copied on write */
	bool may_grow;
	struct ref_space next;	/* the space if the stack grows */
	struct ref_range grown; /* by how much */
	unsigned signals;	/* how it may end */
};

/* ---- prediction ---- */

/* wire_grown: a map that wants its future wired has what has grown wired by the fault. */
static void
wire_grown(struct access *a)
{
	const int flags = VM_MAP_WIRE_USER | VM_MAP_WIRE_NOHOLES;

	if (!a->next.wirefuture || a->grown.end == 0)
		return;
	if (ref_wire_result(&a->next, a->grown, flags) == KR(KERN_SUCCESS))
		ref_wire(&a->next, a->grown, flags);
	else
		a->signals = SIGNAL(SEGV_MAPERR);
}

static void
predict(struct access *a, const struct op *op, bool may_grow)
{
	vm_map_entry_t e;

	*a = (struct access){.space = op->space, .page = op_range(op).first, .may_grow = may_grow};
	if (op->space == SPACE_PARENT && world.ref[op->space].page[a->page].kind == REF_SUBMAP)
		a->space = SPACE_SUB;
	a->next = world.ref[a->space];
	a->is_copy =
	    vm_map_lookup_entry(world_map(a->space), world_address(a->space, a->page), &e) &&
	    (e->eflags & VM_ENTRY_COW) != 0;
	if (may_grow && a->space < SPACE_PARENT &&
	    ref_grow(&a->next, a->page, &a->grown) == KERN_SUCCESS)
		wire_grown(a);
}

/* settle: the access has ended so: was that allowed?  Takes over the growth. */
static void
settle(struct access *a, enum model_signal got)
{
	bool is_there = a->grown.end == 0;
	vm_map_entry_t e;

	if (got != MODEL_OK)
		call_note(call_injected() ? CALL_STARVED : CALL_REFUSED);
	if (a->signals == 0)
		a->signals = ref_access(&a->next.page[a->page], a->type, a->is_copy);
	if (a->grown.end != 0 && call_injected() && (got == SEGV_MAPERR || got == BUS_OOMERR)) {
		/* Did the growth fail, or what came after it? */
		is_there = vm_map_lookup_entry(world_map(a->space),
					       world_address(a->space, a->page), &e) &&
			   !(e->eflags & VM_ENTRY_GUARD);
		if (!is_there)
			return;
		if (got == BUS_OOMERR)
			ref_unwire(&a->next, a->grown, VM_MAP_WIRE_USER);
	}
	if (!(a->signals & SIGNAL(got)) && !(got == BUS_OOMERR && call_injected()) &&
	    !(got == BUS_OBJERR && call_pager_failed()))
		world_failed("space %u page %zu: access %u: expected signals %#x, got %s", a->space,
			     a->page, a->type, a->signals, model_signal_name(got));
	world.ref[a->space] = a->next;
}

/* ---- the access itself ---- */

/* kernel_access: like a program's, but to a system map: one word. */
static enum model_signal
kernel_access(unsigned space, vm_offset_t va, vm_prot_t type, void *word)
{
	enum model_signal s;

	for (int i = 0; i <= MAX_FAULTS; i++) {
		if (model_access_range(kernel_pmap, va, type, word, sizeof(uint32_t)))
			return MODEL_OK;
		s = model_signal_of(
		    vm_fault(world_map(space), trunc_page(va), type, VM_FAULT_NORMAL));
		if (s != MODEL_OK)
			return s;
	}
	world_failed("access %u to %#lx still faults after %d faults were served", type, va,
		     MAX_FAULTS);
}

static enum model_signal
word_access(unsigned space, size_t page, size_t offset, vm_prot_t type, uint32_t *word)
{
	vm_offset_t va = world_address(space, page) + offset;

	if (space >= SPACE_PARENT)
		return kernel_access(space, va, type, word);
	if (type == VM_PROT_WRITE)
		return model_user_write(world.proc[space], va, word, sizeof(*word));
	if (type == VM_PROT_READ)
		return model_user_read(world.proc[space], va, word, sizeof(*word));
	return model_user_fetch(world.proc[space], va);
}

/* stored: a store has succeeded: the model's cell holds it, too. */
static void
stored(const struct access *a)
{
	cell_store(world.ref[a->space].page[a->page].cell);
}

void
do_access(const struct op *op)
{
	static const vm_prot_t types[] = {
	    [OP_LOAD] = VM_PROT_READ, [OP_STORE] = VM_PROT_WRITE, [OP_FETCH] = VM_PROT_EXECUTE};
	uint32_t first = 0, last = 0;
	enum model_signal got;
	struct access a;

	predict(&a, op, true);
	a.type = types[op->kind];
	if (a.type == VM_PROT_WRITE)
		first = last = cell_next_stamp();
	/* How far a stack grows that may not be charged for all of it is not predicted. */
	if (op->fail < OP_STARVE || a.grown.end == 0)
		call_begin(op);
	got = word_access(op->space, a.page, 0, a.type, &first);
	if (got == MODEL_OK)
		got = word_access(op->space, a.page, LAST_WORD, a.type, &last);
	call_end();
	settle(&a, got);
	if (got != MODEL_OK)
		return;
	if (a.type == VM_PROT_WRITE)
		stored(&a);
	if (a.type == VM_PROT_READ)
		check_words(a.space, a.page, first, last);
}

/* ---- through the direct map ---- */

/* transfer: load or store the held page's first and last word. */
static void
transfer(const struct access *a, struct vm_page *m, bool store)
{
	char *bytes = pmap_page_address(m);
	uint32_t stamp = cell_next_stamp(), first, last;

	if (store) {
		memcpy(bytes, &stamp, sizeof(stamp));
		memcpy(bytes + LAST_WORD, &stamp, sizeof(stamp));
		stored(a);
		return;
	}
	memcpy(&first, bytes, sizeof(first));
	memcpy(&last, bytes + LAST_WORD, sizeof(last));
	check_words(a->space, a->page, first, last);
}

/* predict_hold: a device has no page to be held. */
static void
predict_hold(struct access *a)
{
	const struct ref_page *page = &a->next.page[a->page];

	if (page->device && !page->beyond)
		a->signals = SIGNAL(SEGV_ACCERR);
}

void
do_peek(const struct op *op)
{
	static const vm_prot_t types[] = {
	    [OP_PEEK] = VM_PROT_READ, [OP_POKE] = VM_PROT_WRITE, [OP_DEBUG] = VM_PROT_COPY};
	bool may_grow = (op->flags & OPF_GROW) != 0;
	struct vm_page *m = NULL;
	enum model_signal got;
	struct access a;

	predict(&a, op, may_grow);
	a.type = types[op->kind];
	predict_hold(&a);
	if (op->fail < OP_STARVE || a.grown.end == 0)
		call_begin(op);
	got = model_signal_of(vm_fault_hold(world_map(op->space), world_address(op->space, a.page),
					    a.type, may_grow ? VM_FAULT_NORMAL : VM_FAULT_NOGROW,
					    &m));
	call_end();
	settle(&a, got);
	if (got != MODEL_OK)
		return;
	transfer(&a, m, op->kind != OP_PEEK);
	vm_fault_release(m, a.type);
}

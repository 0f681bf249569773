/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sweep: every operation, in every state of the memory it works on, with every allocation failing
 * in turn.
 *
 *	for each state, for each operation:
 *		once without a failure: this is what it answers and what it leaves
 *		for k = 1, 2, ... until nothing failed, with one failure and with all from the k-th on:
 *			prepare the state, let the k-th allocation fail, run the operation
 *			it answered the same:	what it leaves is the same
 *			it lacked memory:	what was there is unchanged, as the operation promises;
 *						run again without a failure, it does all it should
 *			the program's bytes are what they must be, and in the end all is given back
 *
 * UNCHANGED is the word of the contracts: entries, sizes, page tables, charges, references, frames are
 * as they were.  SAME_MEANING is less: what the program may do and what it finds is as it was; pages
 * may have come in, entries may be cut in pieces, a copy may have been made earlier than was needed.
 * CONTENTS is the least: the program finds the same; a stack that has grown stays so, a copy that was
 * begun stays charged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/kernel.h"
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define P     PAGE_SIZE
#define PAGES 8
#define A     0x100000ul
#define END   (A + PAGES * P)
#define FROM  (A + 2 * P) /* the middle: a cut at each end */
#define TO    (END - 2 * P)

#define STACK	  0x10000000ul
#define STACK_MAX 0x100000ul
#define STACK_TOP (STACK + STACK_MAX)

static struct vm_fixture *f;
static struct proc *relatives[3]; /* spaces that share something with the process's */
static struct vmspace *made;	  /* by the operation */
static struct vm_object *mapped;  /* by op_fixed_object */

/* ---- states ---- */

static void
nothing(void)
{
}

static void
fresh(void)
{
	space_map(f->map, A, PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0);
}

static void
filled(void)
{
	fresh();
	space_fill(f->proc, A, PAGES, 1);
}

static void
half_filled(void)
{
	fresh();
	space_fill(f->proc, A, PAGES / 2, 1);
}

static void
protect(vm_offset_t from, vm_offset_t to, vm_prot_t prot)
{
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, from, to, prot, FALSE));
}

static void
read_only(void)
{
	filled();
	protect(A, END, VM_PROT_READ);
}

static void
forked(void)
{
	filled();
	relatives[0] = model_proc_fork(f->proc);
}

static void
forked_fresh(void)
{
	fresh();
	relatives[0] = model_proc_fork(f->proc);
}

/* A chain of two for both, and one for the youngest. */
static void
generations(void)
{
	forked();
	model_user_store(f->proc, A + 3 * P, 50);
	relatives[1] = model_proc_fork(f->proc);
	model_user_store(f->proc, A + 4 * P, 60);
	model_user_store(relatives[1], A + 5 * P, 70);
	relatives[2] = model_proc_fork(relatives[1]);
}

/* The relative is gone, but the entry does not know that it need not be copied. */
static void
alone_again(void)
{
	forked();
	model_proc_destroy(relatives[0]);
	relatives[0] = NULL;
}

static void
shared(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
	relatives[0] = model_proc_fork(f->proc);
}

/* Not shared yet, but with the next fork. */
static void
to_share(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
}

static void
to_share_untouched(void)
{
	fresh();
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
}

/* Both: it must be copied before it is shared. */
static void
forked_to_share(void)
{
	forked();
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, FROM, TO, VM_INHERIT_SHARE));
}

static void
to_zero(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, FROM, TO, VM_INHERIT_ZERO));
}

static void
wired(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
}

static void
wired_by_system(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_SYSTEM));
}

/* Wired, and still to be copied, as it is read-only. */
static void
wired_read_only(void)
{
	read_only();
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	relatives[0] = model_proc_fork(f->proc);
}

static void
many_entries(void)
{
	filled();
	for (vm_offset_t va = A; va < END; va += 2 * P)
		protect(va, va + P, VM_PROT_READ);
}

static void
a_hole(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 3 * P, A + 4 * P));
}

static void
a_guard(void)
{
	a_hole();
	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, A + 3 * P, A + 4 * P, VM_PROT_NONE,
					    VM_PROT_NONE, MAP_CREATE_GUARD));
}

/* Private pages of an object that somebody else has, too, as text and data of a program are. */
static struct vm_object *source;

static void
private_object(void)
{
	source = space_object(PAGES, 1);
	space_map_object(f->map, source, A, VM_PROT_READ, VM_PROT_ALL, MAP_COPY_ON_WRITE);
}

static void
private_object_written(void)
{
	private_object();
	protect(A, END, VM_PROT_RW);
	model_user_store(f->proc, FROM + P, 90);
}

static void
a_stack(void)
{
	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0));
	model_user_store(f->proc, STACK_TOP - 1, 9);
}

static void
a_stack_changed(void)
{
	a_stack();
	protect(STACK_TOP - vm_sgrowsiz, STACK_TOP - vm_sgrowsiz + P, VM_PROT_READ);
}

static void
a_stack_forked(void)
{
	a_stack();
	relatives[0] = model_proc_fork(f->proc);
}

static const struct state {
	const char *name;
	void (*prepare)(void);
} states[] = {
    {"nothing there", nothing},
    {"untouched", fresh},
    {"filled", filled},
    {"half filled", half_filled},
    {"read-only", read_only},
    {"forked", forked},
    {"forked untouched", forked_fresh},
    {"generations", generations},
    {"forked, the child gone", alone_again},
    {"shared", shared},
    {"to be shared", to_share},
    {"to be shared, untouched", to_share_untouched},
    {"forked and to be shared", forked_to_share},
    {"to be zero in a child", to_zero},
    {"wired", wired},
    {"wired by the system", wired_by_system},
    {"wired, to be copied", wired_read_only},
    {"many entries", many_entries},
    {"a hole", a_hole},
    {"a guard", a_guard},
    {"an object's, private", private_object},
    {"an object's, written to", private_object_written},
    {"a stack", a_stack},
    {"a stack, changed below", a_stack_changed},
    {"a stack, forked", a_stack_forked},
};

/* ---- operations ---- */

enum promise {
	UNCHANGED,
	SAME_MEANING,
	CONTENTS,
};

/* What an operation does that succeeds although an allocation failed: all it would have done, or less
 * of what it does only to be quick. */
enum result {
	ALL,
	OR_LESS,
};

static kern_return_t
op_insert(void)
{
	return space_insert(f->map, NULL, 0, END, END + PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0);
}

static kern_return_t
op_insert_guard(void)
{
	return space_insert(f->map, NULL, 0, END, END + P, VM_PROT_NONE, VM_PROT_NONE,
			    MAP_CREATE_GUARD);
}

static kern_return_t
op_find(void)
{
	vm_offset_t at = A;

	return vm_map_find(f->map, NULL, 0, &at, 3 * P, 0, VMFS_ANY_SPACE, VM_PROT_RW, VM_PROT_ALL,
			   0);
}

static kern_return_t
op_find_aligned(void)
{
	vm_offset_t at = A;

	return vm_map_find(f->map, NULL, 0, &at, SUPERPAGE_SIZE, 0, VMFS_OPTIMAL_SPACE,
			   VM_PROT_READ, VM_PROT_ALL, 0);
}

static kern_return_t
op_fixed_exclusive(void)
{
	return vm_map_fixed(f->map, NULL, 0, A, END - A, VM_PROT_RW, VM_PROT_ALL, MAP_CHECK_EXCL);
}

static kern_return_t
op_stack(void)
{
	return vm_map_stack(f->map, STACK - STACK_MAX, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0);
}

static kern_return_t
op_grow(void)
{
	return vm_map_growstack(f->proc, STACK_TOP - 3 * vm_sgrowsiz);
}

static kern_return_t
op_grow_little(void)
{
	return vm_map_growstack(f->proc, STACK_TOP - vm_sgrowsiz - 1);
}

static kern_return_t
op_fault_stack(void)
{
	return vm_fault(f->map, STACK_TOP - 2 * vm_sgrowsiz, VM_PROT_WRITE, VM_FAULT_NORMAL);
}

static kern_return_t
op_remove(void)
{
	return vm_map_remove(f->map, FROM, TO);
}

static kern_return_t
op_remove_all(void)
{
	return vm_map_remove(f->map, MODEL_USER_MIN, MODEL_USER_MAX);
}

static kern_return_t
op_protect_read(void)
{
	return vm_map_protect(f->map, FROM, TO, VM_PROT_READ, FALSE);
}

static kern_return_t
op_protect_write(void)
{
	return vm_map_protect(f->map, FROM, TO, VM_PROT_RW, FALSE);
}

static kern_return_t
op_protect_none(void)
{
	return vm_map_protect(f->map, FROM, TO, VM_PROT_NONE, FALSE);
}

static kern_return_t
op_protect_max(void)
{
	return vm_map_protect(f->map, FROM, TO, VM_PROT_READ, TRUE);
}

static kern_return_t
op_inherit_share(void)
{
	return vm_map_inherit(f->map, FROM, TO, VM_INHERIT_SHARE);
}

static kern_return_t
op_inherit_zero(void)
{
	return vm_map_inherit(f->map, FROM, TO, VM_INHERIT_ZERO);
}

static kern_return_t
op_wire(void)
{
	return vm_map_wire(f->map, FROM, TO, VM_MAP_WIRE_USER);
}

static kern_return_t
op_wire_system(void)
{
	return vm_map_wire(f->map, FROM, TO, VM_MAP_WIRE_SYSTEM);
}

static kern_return_t
op_wire_around_holes(void)
{
	return vm_map_wire(f->map, FROM, TO, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
}

static kern_return_t
op_unwire(void)
{
	return vm_map_unwire(f->map, FROM, TO, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
}

static kern_return_t
op_unwire_system(void)
{
	return vm_map_unwire(f->map, FROM, TO, VM_MAP_WIRE_SYSTEM);
}

static kern_return_t
op_load(void)
{
	return vm_fault(f->map, FROM, VM_PROT_READ, VM_FAULT_NORMAL);
}

static kern_return_t
op_store(void)
{
	return vm_fault(f->map, FROM, VM_PROT_WRITE, VM_FAULT_NORMAL);
}

static kern_return_t
op_store_last(void)
{
	return vm_fault(f->map, END - P, VM_PROT_WRITE, VM_FAULT_NORMAL);
}

static kern_return_t
op_debugger(void)
{
	return vm_fault(f->map, FROM, VM_PROT_READ | VM_PROT_COPY, VM_FAULT_NOGROW);
}

static kern_return_t
op_hold(void)
{
	struct vm_page *m;
	kern_return_t kr = vm_fault_hold(f->map, FROM, VM_PROT_WRITE, VM_FAULT_NOGROW, &m);

	if (kr == KERN_SUCCESS)
		vm_fault_release(m);
	return kr;
}

static kern_return_t
op_fork(void)
{
	return vmspace_fork(f->vmspace, &made);
}

/* Chains get shorter, which may need a node for a page that moves. */
static kern_return_t
op_relative_goes(void)
{
	if (relatives[0] != NULL)
		model_proc_destroy(relatives[0]);
	relatives[0] = NULL;
	return KERN_SUCCESS;
}

static kern_return_t
op_find_min(void)
{
	vm_offset_t at = MODEL_USER_MAX - P;

	return vm_map_find_min(f->map, NULL, 0, &at, 3 * P, A, 0, VMFS_ANY_SPACE, VM_PROT_RW,
			       VM_PROT_ALL, 0);
}

/* The reference stays the caller's on failure. */
static kern_return_t
op_fixed_object(void)
{
	struct vm_object *object = mapped;
	kern_return_t kr;

	vm_object_reference(object);
	kr = vm_map_fixed(f->map, object, 0, END, 2 * P, VM_PROT_RW, VM_PROT_ALL,
			  MAP_CHECK_EXCL | MAP_COPY_ON_WRITE | MAP_PREFAULT);
	if (kr != KERN_SUCCESS)
		vm_object_deallocate(object);
	return kr;
}

static kern_return_t
op_alloc_space(void)
{
	made = vmspace_alloc(MODEL_USER_MIN, MODEL_USER_MAX);
	return made != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

static kern_return_t
advise(int advice)
{
	return vm_map_madvise(f->map, FROM, TO, advice);
}

static kern_return_t
op_advise_random(void)
{
	return advise(VM_ADVICE_RANDOM);
}

static kern_return_t
op_advise_willneed(void)
{
	return advise(VM_ADVICE_WILLNEED);
}

static kern_return_t
op_advise_dontneed(void)
{
	return advise(VM_ADVICE_DONTNEED);
}

static kern_return_t
op_advise_free(void)
{
	return advise(VM_ADVICE_FREE);
}

static kern_return_t
op_discard(void)
{
	return vm_map_discard(f->map, FROM, TO);
}

static kern_return_t
op_sync(void)
{
	return vm_map_sync(f->map, FROM, TO, TRUE, FALSE);
}

static kern_return_t
op_residency(void)
{
	uint8_t pages[PAGES];

	return vm_map_residency(f->map, FROM, TO, pages);
}

static kern_return_t
move(vm_size_t new_length, int flags)
{
	vm_offset_t at = END + 16 * P;

	return vm_map_move(f->map, A, END - A, new_length, &at, flags);
}

static kern_return_t
op_extend(void)
{
	return move(END - A + 2 * P, 0);
}

static kern_return_t
op_shrink(void)
{
	return move(2 * P, 0);
}

static kern_return_t
op_move(void)
{
	return move(END - A + 2 * P, VM_MAP_MOVE_FIXED);
}

/* Each is a test. */
#define OPERATIONS(X)                                                              \
	X(op_insert, "vm_map_insert", UNCHANGED, ALL)                              \
	X(op_insert_guard, "vm_map_insert of a guard", UNCHANGED, ALL)             \
	X(op_find, "vm_map_find", UNCHANGED, ALL)                                  \
	X(op_find_aligned, "vm_map_find of a superpage", UNCHANGED, ALL)           \
	X(op_fixed_exclusive, "vm_map_fixed where nothing may be", UNCHANGED, ALL) \
	X(op_stack, "vm_map_stack", UNCHANGED, ALL)                                \
	X(op_grow, "vm_map_growstack", UNCHANGED, OR_LESS)                         \
	X(op_grow_little, "vm_map_growstack by a page", UNCHANGED, OR_LESS)        \
	X(op_remove, "vm_map_remove that cuts", UNCHANGED, ALL)                    \
	X(op_remove_all, "vm_map_remove of all", UNCHANGED, ALL)                   \
	X(op_protect_read, "vm_map_protect to read", UNCHANGED, ALL)               \
	X(op_protect_write, "vm_map_protect to write", UNCHANGED, ALL)             \
	X(op_protect_none, "vm_map_protect to none", UNCHANGED, ALL)               \
	X(op_protect_max, "vm_map_protect of the maximum", UNCHANGED, ALL)         \
	X(op_inherit_share, "vm_map_inherit to share", UNCHANGED, ALL)             \
	X(op_inherit_zero, "vm_map_inherit to zero", UNCHANGED, ALL)               \
	X(op_wire, "vm_map_wire", SAME_MEANING, ALL)                               \
	X(op_wire_system, "vm_map_wire by the system", SAME_MEANING, ALL)          \
	X(op_wire_around_holes, "vm_map_wire around holes", SAME_MEANING, ALL)     \
	X(op_unwire, "vm_map_unwire", UNCHANGED, ALL)                              \
	X(op_unwire_system, "vm_map_unwire by the system", UNCHANGED, ALL)         \
	X(op_load, "vm_fault: load", SAME_MEANING, ALL)                            \
	X(op_store, "vm_fault: store", SAME_MEANING, ALL)                          \
	X(op_store_last, "vm_fault: store to the last page", SAME_MEANING, ALL)    \
	X(op_debugger, "vm_fault: a debugger's store", CONTENTS, ALL)              \
	X(op_fault_stack, "vm_fault: below a stack", CONTENTS, OR_LESS)            \
	X(op_hold, "vm_fault_hold", SAME_MEANING, ALL)                             \
	X(op_fork, "vmspace_fork", SAME_MEANING, ALL)                              \
	X(op_relative_goes, "the end of a relative", SAME_MEANING, ALL)            \
	X(op_find_min, "vm_map_find_min", UNCHANGED, ALL)                          \
	X(op_fixed_object, "vm_map_fixed of an object", UNCHANGED, ALL)            \
	X(op_advise_random, "vm_map_madvise that is noted", UNCHANGED, ALL)        \
	X(op_advise_willneed, "vm_map_madvise: will need", SAME_MEANING, ALL)      \
	X(op_advise_dontneed, "vm_map_madvise: do not need", SAME_MEANING, ALL)    \
	X(op_advise_free, "vm_map_madvise: free", SAME_MEANING, ALL)               \
	X(op_discard, "vm_map_discard", UNCHANGED, ALL)                            \
	X(op_sync, "vm_map_sync", UNCHANGED, ALL)                                  \
	X(op_residency, "vm_map_residency", UNCHANGED, ALL)                        \
	X(op_extend, "vm_map_move that extends", UNCHANGED, ALL)                   \
	X(op_shrink, "vm_map_move that shrinks", UNCHANGED, ALL)                   \
	X(op_move, "vm_map_move to another place", UNCHANGED, ALL)                 \
	X(op_alloc_space, "vmspace_alloc", UNCHANGED, ALL)

struct operation {
	const char *name;
	kern_return_t (*run)(void);
	enum promise promise; /* on failure */
	enum result result;   /* on success */
};

/* ---- meaning ---- */

#define MEANING_FLAGS                                                                      \
	(VM_ENTRY_IS_SUB_MAP | VM_ENTRY_GUARD | VM_ENTRY_STACK_GAP | VM_ENTRY_GROWS_DOWN | \
	 VM_ENTRY_USER_WIRED | VM_ENTRY_IN_TRANSITION | VM_ENTRY_NOFAULT)

static bool
same_meaning(const struct vm_map_entry *e, const struct vm_map_entry *next)
{
	return e->end == next->start && e->protection == next->protection &&
	       e->max_protection == next->max_protection && e->inheritance == next->inheritance &&
	       e->wired_count == next->wired_count &&
	       (e->eflags & MEANING_FLAGS) == (next->eflags & MEANING_FLAGS);
}

/* meaning: what the program may do where, in as few lines as there are different ranges. */
static char *
meaning(void)
{
	const struct vm_map_entry *e;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	vm_map_lock_read(f->map);
	fprintf(out, "size %#zx wired %#zx in page tables %lu\n", f->map->size, f->map->user_wired,
		pmap_wired_count(f->pmap));
	for (e = f->map->header.next; e != &f->map->header; e = e->next) {
		vm_offset_t start = e->start;

		while (e->next != &f->map->header && same_meaning(e, e->next))
			e = e->next;
		fprintf(out, "%#lx-%#lx %#x/%#x inherit %u wired %u flags %#x\n", start, e->end,
			e->protection, e->max_protection, e->inheritance, e->wired_count,
			e->eflags & MEANING_FLAGS);
	}
	vm_map_unlock_read(f->map);
	fprintf(out, "charge %#lx\n", vm_charge_used());
	fclose(out);
	return text;
}

/* contents: what p's program finds at the first byte of each page, or why it does not. */
static void
contents_of(FILE *out, struct proc *p, vm_offset_t start, vm_offset_t end)
{
	for (vm_offset_t va = start; va < end; va += P) {
		uint8_t byte = 0;
		enum model_signal s = model_user_read(p, va, &byte, 1);

		fprintf(out, " %s%u", s == MODEL_OK ? "" : model_signal_name(s), byte);
	}
	fprintf(out, "\n");
}

static char *
contents(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	contents_of(out, f->proc, A, END);
	contents_of(out, f->proc, STACK_TOP - 2 * P, STACK_TOP);
	for (size_t i = 0; i < ARRAY_SIZE(relatives); i++)
		if (relatives[i] != NULL)
			contents_of(out, relatives[i], A, END);
	fclose(out);
	return text;
}

/* ---- the sweep ---- */

/* What is being tried, for messages. */
static struct {
	const struct state *state;
	const struct operation *op;
	uint64_t k;
	bool all;
} now;

static void
complain(const char *what, const char *expected, const char *got)
{
	print_error("%s, %s, %s %lu: %s\nexpected\n%sgot\n%s", now.state->name, now.op->name,
		    now.all ? "all allocations from" : "allocation", (unsigned long)now.k, what,
		    expected, got);
	fail();
}

static void
check_text(const char *what, const char *expected, char *got)
{
	if (strcmp(expected, got) != 0)
		complain(what, expected, got);
	free(got);
}

static void
clean_up(void)
{
	if (made != NULL)
		vmspace_free(made);
	made = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(relatives); i++) {
		if (relatives[i] != NULL)
			model_proc_destroy(relatives[i]);
		relatives[i] = NULL;
	}
	if (space_entry(f->map, A) != NULL && now.state->prepare == wired_by_system)
		vm_map_unwire(f->map, A, END, VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_HOLESOK);
	if (now.op->run == op_wire_system)
		vm_map_unwire(f->map, A, END, VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_HOLESOK);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, MODEL_USER_MIN, MODEL_USER_MAX));
	if (source != NULL)
		vm_object_deallocate(source);
	source = NULL;
	map_drop_spares(f->map);
}

/* What the operation does when nothing fails. */
struct reference {
	kern_return_t kr;
	char *meaning, *contents;
};

static struct reference
reference(void)
{
	struct reference r;

	now.state->prepare();
	r.kr = now.op->run();
	r.meaning = meaning();
	r.contents = contents();
	clean_up();
	return r;
}

/* check_failed: the operation lacked memory: nothing has happened, and the next one does it all. */
static void
check_failed(const struct reference *r, kern_return_t kr, const struct map_snapshot *before,
	     char *meant)
{
	/* A fault whose stack could not grow says so: contracts 1.14. */
	if (kr != KERN_RESOURCE_SHORTAGE && !(now.op->run == op_fault_stack && kr == KERN_FAILURE))
		complain("it answers something else", "KERN_RESOURCE_SHORTAGE\n", "\n");
	if (now.op->promise == UNCHANGED)
		check_unchanged(before, f->map);
	if (now.op->promise != CONTENTS)
		check_text("the meaning has changed", meant, meaning());
	check_kr(r->kr, now.op->run());
}

/* attempt: one run with a failure; false: none happened. */
static bool
attempt(const struct reference *r)
{
	struct vm_usage at_first = vm_usage_read();
	struct map_snapshot *before;
	bool failed;
	char *meant;
	kern_return_t kr;

	now.state->prepare();
	before = map_snapshot_take(f->map);
	meant = meaning();
	map_drop_spares(f->map);
	(now.all ? model_fail_from : model_fail_after)(now.k);
	kr = now.op->run();
	failed = model_fail_count() != 0;
	model_fail_off();
	if (kr != r->kr)
		check_failed(r, kr, before, meant);
	free(meant);
	if (now.op->result == ALL)
		check_text("it leaves something else", r->meaning, meaning());
	check_text("the program finds something else", r->contents, contents());
	vm_fixture_audit(f);
	clean_up();
	vm_usage_check(&at_first);
	return failed;
}

/* waits_for_system: what takes memory away waits until the system has unwired it. */
static bool
waits_for_system(const struct operation *op)
{
	return op->run == op_remove || op->run == op_remove_all || op->run == op_extend ||
	       op->run == op_shrink || op->run == op_move;
}

static void
sweep(const struct state *state, const struct operation *op)
{
	struct reference r;

	if (state->prepare == wired_by_system && waits_for_system(op))
		return;
	now.state = state;
	now.op = op;
	r = reference();
	for (int all = 0; all <= 1; all++) {
		now.all = all;
		for (now.k = 1; attempt(&r); now.k++)
			continue;
	}
	free(r.meaning);
	free(r.contents);
}

static void
sweep_states(void **state, const struct operation *op)
{
	f = *state;
	mapped = space_object(2, 1);
	model_fail_charges();
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		sweep(&states[i], op);
	vm_object_deallocate(mapped);
}

#define SWEEP(function, what, promised, done)                                        \
	static void sweep_##function(void **state)                                   \
	{                                                                            \
		static const struct operation op = {what, function, promised, done}; \
                                                                                     \
		sweep_states(state, &op);                                            \
	}
OPERATIONS(SWEEP)

int
main(void)
{
#define TEST(function, what, promised, done) {"OOM: every allocation of " what, sweep_##function},
	static const struct host_test tests[] = {OPERATIONS(TEST)};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

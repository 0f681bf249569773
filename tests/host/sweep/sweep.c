/* SPDX-License-Identifier: BSD-2-Clause */
/* The sweep itself: what there was, what there is, and whether that may be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "sweep/sweep.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_device.h"
#include "vm/vm_object.h"

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

	vm_map_lock_read(scene.f->map);
	fprintf(out, "size %#zx wired %#zx in page tables %lu\n", scene.f->map->size,
		scene.f->map->user_wired, pmap_wired_count(scene.f->pmap));
	for (e = scene.f->map->header.next; e != &scene.f->map->header; e = e->next) {
		vm_offset_t start = e->start;

		while (e->next != &scene.f->map->header && same_meaning(e, e->next))
			e = e->next;
		fprintf(out, "%#lx-%#lx %#x/%#x inherit %u wired %u flags %#x\n", start, e->end,
			e->protection, e->max_protection, e->inheritance, e->wired_count,
			e->eflags & MEANING_FLAGS);
	}
	vm_map_unlock_read(scene.f->map);
	fprintf(out, "charge %#lx\n", vm_charge_used());
	fclose(out);
	return text;
}

/* contents_of: what p's program finds at the first byte of each page, or why it does not. */
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

/* contents: likewise in all spaces. */
static char *
contents(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	contents_of(out, scene.f->proc, A, END);
	contents_of(out, scene.f->proc, STACK_TOP - 2 * P, STACK_TOP);
	if (scene.born != NULL)
		contents_of(out, scene.born, A, END);
	for (size_t i = 0; i < ARRAY_SIZE(scene.relatives); i++)
		if (scene.relatives[i] != NULL)
			contents_of(out, scene.relatives[i], A, END);
	fclose(out);
	return text;
}

/* kept: what the pager has. */
static char *
kept(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < PAGES; i++)
		fprintf(out, " %u", scene.pager.page[i][0]);
	fprintf(out, "\n");
	fclose(out);
	return text;
}

/* ---- the sweep ---- */

struct scene scene;

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
destroy(struct proc **p)
{
	if (*p != NULL)
		model_proc_destroy(*p);
	*p = NULL;
}

static void
clean_up(void)
{
	const int system = VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_HOLESOK;
	vm_map_t map = scene.f->map;

	destroy(&scene.born);
	for (size_t i = 0; i < ARRAY_SIZE(scene.relatives); i++)
		destroy(&scene.relatives[i]);
	/* The state's wiring, and the operation's. */
	check_kr(KERN_SUCCESS, vm_map_unwire(map, A, END, system));
	check_kr(KERN_SUCCESS, vm_map_unwire(map, A, END, system));
	check_kr(KERN_SUCCESS, vm_map_remove(map, MODEL_USER_MIN, MODEL_USER_MAX));
	if (scene.source != NULL)
		vm_object_deallocate(scene.source);
	scene.source = NULL;
	scene.pager = (struct model_pager){0};
	map_drop_spares(map);
}

/* What there is before the operation, and what the operation does when nothing fails. */
struct reference {
	kern_return_t kr;
	char *before, *meaning, *contents, *kept;
};

static struct reference
reference(void)
{
	struct reference r;

	now.state->prepare();
	r.before = contents();
	clean_up();
	now.state->prepare();
	r.kr = now.op->run();
	r.meaning = meaning();
	r.contents = contents();
	r.kept = kept();
	clean_up();
	return r;
}

static void
forget(struct reference *r)
{
	free(r->before);
	free(r->meaning);
	free(r->contents);
	free(r->kept);
}

/* is_reason: does kr say what failed? */
static bool
is_reason(kern_return_t kr)
{
	unsigned failures = scene.pager.failures;

	switch (kr) {
	case KERN_RESOURCE_SHORTAGE:
		return model_fail_count() > failures;
	case KERN_OUT_OF_BOUNDS: /* of the pager's get */
		return failures > 0;
	case KERN_FAILURE: /* of its put; a fault whose stack could not grow, contracts 1.14 */
		return failures > 0 || (now.op->traits & GROWS);
	default:
		return false;
	}
}

/* check_failed: the operation gave up: nothing has happened, and the next one does it all. */
static void
check_failed(const struct reference *r, kern_return_t kr, const struct map_snapshot *before,
	     char *meant)
{
	if (!is_reason(kr))
		complain("it answers something else", "what failed\n", "\n");
	if (now.op->promise == UNCHANGED)
		check_unchanged(before, scene.f->map);
	if (now.op->promise <= SAME_MEANING)
		check_text("the meaning has changed", meant, meaning());
	if (now.op->promise <= SAME_CONTENTS)
		check_text("the program finds what was not there", r->before, contents());
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
	before = map_snapshot_take(scene.f->map);
	meant = meaning();
	map_drop_spares(scene.f->map);
	(now.all ? model_fail_from : model_fail_after)(now.k);
	kr = now.op->run();
	failed = model_fail_count() != 0;
	model_fail_off();
	if (kr != r->kr)
		check_failed(r, kr, before, meant);
	free(meant);
	if (!(now.op->traits & OR_LESS))
		check_text("it leaves something else", r->meaning, meaning());
	check_text("the program finds something else", r->contents, contents());
	check_text("the pager has something else", r->kept, kept());
	vm_fixture_audit(scene.f);
	clean_up();
	vm_usage_check(&at_first);
	return failed;
}

static void
sweep_state(void)
{
	struct reference r = reference();

	for (int all = 0; all <= 1; all++) {
		now.all = all;
		for (now.k = 1; attempt(&r); now.k++)
			continue;
	}
	forget(&r);
}

void
sweep(void **state, const struct operation *op)
{
	scene.f = *state;
	scene.object = space_object(2, 1);
	check_kr(KERN_SUCCESS,
		 vm_device_allocate(MODEL_DEVICE, 2 * P, PMAP_UNCACHED, &scene.device));
	model_fail_charges();
	now.op = op;
	for (now.state = states; now.state < states + state_count; now.state++)
		if (!now.state->system_wired || !(op->traits & TAKES))
			sweep_state();
	vm_object_deallocate(scene.device);
	vm_object_deallocate(scene.object);
}

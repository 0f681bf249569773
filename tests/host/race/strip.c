/* SPDX-License-Identifier: BSD-2-Clause */
/* What a racer does to its strip of pages. */
#include <string.h>
#include "model/mmu.h"
#include "race/racer.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"

/* ---- accesses ---- */

void
op_store(struct racer *r)
{
	unsigned i = (unsigned)racer_random(r, STRIP);

	racer_store(r, r->proc, i, &r->page[i]);
	racer_check_page(r, r->proc, i, &r->page[i]);
}

void
op_check(struct racer *r)
{
	racer_check_strip(r);
}

/* op_wired_access: a wired page needs no fault.  (A processor that remembers fewer rights may take
 * one that finds nothing to do.) */
void
op_wired_access(struct racer *r)
{
	unsigned i = (unsigned)racer_random(r, STRIP);
	uint64_t value;

	if (!r->page[i].wired || !(r->page[i].prot & VM_PROT_READ))
		return;
	if (!model_access_range(racer_map(r)->pmap, racer_page(r, i), VM_PROT_READ, &value,
				sizeof(value)) &&
	    !model_access_range(racer_map(r)->pmap, racer_page(r, i), VM_PROT_READ, &value,
				sizeof(value)))
		FAIL(r, "page %u is wired and faults", i);
	if (value != r->page[i].value)
		FAIL(r, "wired page %u: expected %#lx, got %#lx", i, r->page[i].value, value);
}

/* ---- operations on a part of the strip ---- */

struct part {
	unsigned first, end;
	vm_offset_t from, to;
	bool holes, readable; /* is something not mapped; is all of it readable? */
};

static struct part
choose_part(struct racer *r)
{
	unsigned first = (unsigned)racer_random(r, STRIP);
	unsigned n = 1 + (unsigned)racer_random(r, STRIP - first);
	struct part p = {.first = first, .end = first + n, .readable = true};

	p.from = racer_page(r, p.first);
	p.to = racer_page(r, p.end);
	for (unsigned i = p.first; i < p.end; i++) {
		p.holes |= !r->page[i].mapped;
		p.readable = p.readable && (r->page[i].prot & VM_PROT_READ) != 0;
	}
	return p;
}

void
op_map(struct racer *r)
{
	struct part p = choose_part(r);
	vm_inherit_t inherit = racer_one_in(r, 4) ? VM_INHERIT_SHARE : VM_INHERIT_COPY;
	kern_return_t kr, expected = KERN_SUCCESS;

	for (unsigned i = p.first; i < p.end; i++)
		if (r->page[i].mapped)
			expected = KERN_NO_SPACE;
	racer_disturb(r);
	kr = vm_map_fixed(racer_map(r), NULL, 0, p.from, p.to - p.from, VM_PROT_RW, VM_PROT_ALL,
			  MAP_CHECK_EXCL | (inherit == VM_INHERIT_SHARE ? MAP_INHERIT_SHARE : 0));
	if (!racer_must(r, "map", expected, kr))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i] =
		    (struct expected){.mapped = true, .prot = VM_PROT_RW, .inherit = inherit};
}

void
op_remove(struct racer *r)
{
	struct part p = choose_part(r);

	racer_disturb(r);
	if (!racer_must(r, "remove", KERN_SUCCESS, vm_map_remove(racer_map(r), p.from, p.to)))
		return;
	memset(&r->page[p.first], 0, (p.end - p.first) * sizeof(r->page[0]));
}

void
op_protect(struct racer *r)
{
	static const vm_prot_t prots[] = {VM_PROT_NONE, VM_PROT_READ, VM_PROT_RW, VM_PROT_RW};
	vm_prot_t prot = prots[racer_random(r, 4)];
	struct part p = choose_part(r);

	racer_disturb(r);
	if (!racer_must(r, "protect", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
			vm_map_protect(racer_map(r), p.from, p.to, prot, FALSE)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].prot = prot;
}

void
op_inherit(struct racer *r)
{
	vm_inherit_t inherit = (vm_inherit_t)racer_random(r, 4);
	struct part p = choose_part(r);

	racer_disturb(r);
	if (!racer_must(r, "inherit", KERN_SUCCESS,
			vm_map_inherit(racer_map(r), p.from, p.to, inherit)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].inherit = inherit;
}

void
op_wire(struct racer *r)
{
	struct part p = choose_part(r);

	racer_disturb(r);
	if (!racer_must(r, "wire", p.holes || !p.readable ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
			vm_map_wire(racer_map(r), p.from, p.to, VM_MAP_WIRE_USER)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].wired = true;
}

void
op_unwire(struct racer *r)
{
	struct part p = choose_part(r);

	racer_disturb(r);
	if (!racer_must(r, "unwire", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
			vm_map_unwire(racer_map(r), p.from, p.to, VM_MAP_WIRE_USER)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].wired = false;
}

void
op_advise(struct racer *r)
{
	static const int advices[] = {VM_ADVICE_NORMAL,	  VM_ADVICE_RANDOM, VM_ADVICE_WILLNEED,
				      VM_ADVICE_DONTNEED, VM_ADVICE_NOCORE, VM_ADVICE_CORE};
	struct part p = choose_part(r);

	racer_disturb(r);
	racer_must(r, "advise", KERN_SUCCESS,
		   vm_map_madvise(racer_map(r), p.from, p.to,
				  advices[racer_random(r, ARRAY_SIZE(advices))]));
}

/* forget_part: what was private in the part is zero now, what was shared (which depends on who forked
 * when) may be as before. */
static void
forget_part(struct racer *r, const struct part *p)
{
	for (unsigned i = p->first; i < p->end; i++) {
		struct expected *e = &r->page[i];
		uint64_t value = e->value;

		if (racer_allowed(e, VM_PROT_READ) == MODEL_OK &&
		    racer_access(r->proc, racer_page(r, i), VM_PROT_READ, &value, sizeof(value)) !=
			MODEL_OK)
			FAIL(r, "page %u cannot be read after its contents were dropped", i);
		if (value != 0 && value != e->value)
			FAIL(r, "page %u: expected %#lx or zeroes, got %#lx", i, e->value, value);
		e->value = value;
	}
}

/* only_readable: what cannot be read cannot be looked at afterwards. */
static bool
only_readable(struct racer *r, const struct part *p)
{
	for (unsigned i = p->first; i < p->end; i++)
		if (r->page[i].mapped && !(r->page[i].prot & VM_PROT_READ))
			return false;
	return true;
}

void
op_free(struct racer *r)
{
	struct part p = choose_part(r);

	if (!only_readable(r, &p))
		return;
	racer_disturb(r);
	racer_must(r, "advise that it is free", KERN_SUCCESS,
		   vm_map_madvise(racer_map(r), p.from, p.to, VM_ADVICE_FREE));
	forget_part(r, &p);
}

void
op_discard(struct racer *r)
{
	struct part p = choose_part(r);
	kern_return_t expected = KERN_SUCCESS;

	for (unsigned i = p.first; i < p.end; i++)
		if (r->page[i].wired)
			expected = KERN_INVALID_ARGUMENT;
	if (!only_readable(r, &p) || (p.holes && expected != KERN_SUCCESS))
		return;
	if (p.holes)
		expected = KERN_INVALID_ADDRESS;
	racer_disturb(r);
	if (racer_must(r, "discard", expected, vm_map_discard(racer_map(r), p.from, p.to)))
		forget_part(r, &p);
}

void
op_sync(struct racer *r)
{
	struct part p = choose_part(r);

	racer_disturb(r);
	racer_must(r, "sync", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
		   vm_map_sync(racer_map(r), p.from, p.to, TRUE, FALSE));
}

void
op_residency(struct racer *r)
{
	struct part p = choose_part(r);
	uint8_t pages[STRIP];

	if (!racer_must(r, "residency", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
			vm_map_residency(racer_map(r), p.from, p.to, pages)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		if (r->page[i].wired && (pages[i - p.first] & (VM_RESIDENT | VM_RESIDENT_WIRED)) !=
					    (VM_RESIDENT | VM_RESIDENT_WIRED))
			FAIL(r, "page %u is wired, residency says %#x", i, pages[i - p.first]);
}

/* op_move: a range of its own, elsewhere, gets longer and another place, and keeps its contents. */
void
op_move(struct racer *r)
{
	vm_offset_t from = MOVES + r->id * MOVES_APART, to = from;
	unsigned pages = 1 + (unsigned)racer_random(r, 8), more = (unsigned)racer_random(r, 4);
	uint64_t value = (uint64_t)r->id << 56 | ++r->counter, got = 0;
	vm_offset_t last = ptoa(pages - 1);

	if (!racer_must(
		r, "map to move", KERN_SUCCESS,
		vm_map_fixed(racer_map(r), NULL, 0, from, ptoa(pages), VM_PROT_RW, VM_PROT_ALL, 0)))
		return;
	racer_check_signal(
	    r, "store to move", from + last, MODEL_OK,
	    racer_access(r->proc, from + last, VM_PROT_WRITE, &value, sizeof(value)));
	if (racer_one_in(r, 2))
		to = from + MOVES_APART / 2;
	racer_disturb(r);
	if (!racer_must(r, "move", KERN_SUCCESS,
			vm_map_move(racer_map(r), from, ptoa(pages), ptoa(pages + more), &to,
				    to == from ? 0 : VM_MAP_MOVE_FIXED)))
		to = from;
	racer_check_signal(r, "load of what moved", to + last, MODEL_OK,
			   racer_access(r->proc, to + last, VM_PROT_READ, &got, sizeof(got)));
	if (got != value)
		FAIL(r, "moved to %#lx: expected %#lx, got %#lx", to, value, got);
	if (to != from)
		racer_check_signal(
		    r, "load of the old place", from + last, SEGV_MAPERR,
		    racer_access(r->proc, from + last, VM_PROT_READ, &got, sizeof(got)));
	while (!racer_must(r, "remove what moved", KERN_SUCCESS,
			   vm_map_remove(racer_map(r), from, from + MOVES_APART)))
		continue;
}

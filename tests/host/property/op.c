/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of operations: how often, with which numbers, in which words. */
#include <stdio.h>
#include <string.h>
#include "property/op.h"
#include "property/reference.h"

/* Which numbers an operation has. */
enum {
	HAS_FIRST = 1,
	HAS_PAGES = 2,
	HAS_PROT = 4,
	HAS_MAX = 8,
	HAS_FAIL = 16,
	HAS_RANGE = HAS_FIRST | HAS_PAGES,
	HAS_RIGHTS = HAS_PROT | HAS_MAX,
};

static const struct {
	const char *name, *symbol;
	unsigned weight; /* in a thousand */
	unsigned has;
	uint8_t flags; /* those it knows */
	uint8_t args;  /* arg is less than this */
} kinds[OP_KINDS] = {
#define KIND(name, ...) [OP_##name] = {#name, "OP_" #name, __VA_ARGS__}
    KIND(LOAD, 130, HAS_FIRST | HAS_FAIL, OPF_AIM, 1),
    KIND(STORE, 230, HAS_FIRST | HAS_FAIL, OPF_AIM, 1),
    KIND(FETCH, 15, HAS_FIRST | HAS_FAIL, OPF_AIM, 1),
    KIND(PEEK, 20, HAS_FIRST | HAS_FAIL, OPF_AIM | OPF_GROW, 1),
    KIND(POKE, 20, HAS_FIRST | HAS_FAIL, OPF_AIM | OPF_GROW, 1),
    KIND(DEBUG, 20, HAS_FIRST | HAS_FAIL, OPF_AIM, 1),
    KIND(FIXED, 60, HAS_RANGE | HAS_RIGHTS | HAS_FAIL,
	 OPF_FIT | OPF_EXCL | OPF_NOCORE | OPF_INSERT | OPF_SHARED, 1),
    KIND(GUARD, 6, HAS_RANGE | HAS_FAIL, OPF_FIT, 1),
    KIND(OBJECT, 60, HAS_RANGE | HAS_RIGHTS | HAS_FAIL,
	 OPF_FIT | OPF_EXCL | OPF_SHARED | OPF_PREFAULT, PROPERTY_OBJECTS *PROPERTY_OBJECT_PAGES),
    KIND(FIND, 30, HAS_RANGE | HAS_RIGHTS | HAS_FAIL, OPF_NOCORE, 8),
    KIND(STACK, 25, HAS_RANGE | HAS_RIGHTS | HAS_FAIL, OPF_FIT | OPF_NOCORE | OPF_MAIN | OPF_FIXED,
	 1),
    KIND(GROW, 10, HAS_FIRST | HAS_FAIL, OPF_AIM, 1),
    KIND(REMOVE, 30, HAS_RANGE | HAS_FAIL, 0, 1),
    KIND(PROTECT, 100, HAS_RANGE | HAS_PROT | HAS_FAIL, OPF_AIM | OPF_SET_MAX, 1),
    KIND(INHERIT, 55, HAS_RANGE | HAS_FAIL, 0, 5),
    KIND(WIRE, 35, HAS_RANGE | HAS_FAIL, OPF_AIM | OPF_USER | OPF_HOLESOK | OPF_WRITE, 1),
    KIND(UNWIRE, 35, HAS_RANGE | HAS_FAIL, OPF_AIM | OPF_USER | OPF_HOLESOK, 1),
    KIND(DROP, 10, 0, 0, 1),
    KIND(FORK, 28, HAS_FAIL, 0, 3),
    KIND(EXIT, 3, 0, 0, 1),
    KIND(EXEC, 1, HAS_FAIL, 0, 1),
    KIND(LIMIT, 12, HAS_PAGES, 0, 6),
    KIND(FLAG, 4, 0, 0, 4),
    KIND(CHECK, 20, HAS_RANGE | HAS_PROT, OPF_AIM, 1),
    KIND(ADVISE, 40, HAS_RANGE | HAS_FAIL, OPF_AIM, 11),
    KIND(SYNC, 16, HAS_RANGE | HAS_FAIL, OPF_AIM | OPF_DROP, 1),
    KIND(DISCARD, 30, HAS_RANGE | HAS_FAIL, OPF_AIM, 1),
    KIND(RESIDENT, 15, HAS_RANGE | HAS_FAIL, OPF_AIM, 1),
    KIND(MOVE, 30, HAS_RANGE | HAS_PROT | HAS_FAIL, OPF_AIM | OPF_MAY | OPF_TO, REF_PAGES),
    KIND(PLACE, 10, HAS_RANGE | HAS_FAIL, OPF_FIT, 1),
    KIND(SUBMAP, 10, HAS_RANGE | HAS_FAIL, OPF_AIM, 6),
    KIND(BAD, 6, HAS_RANGE | HAS_PROT, 0, 12),
#undef KIND
};

#define PROT_BITS 7

/* only_of: some kinds make sense in a kernel map only, some in a process's only. */
static uint8_t
only_of(uint8_t kind, uint8_t space)
{
	switch (kind) {
	case OP_PLACE:
	case OP_SUBMAP:
		return SPACE_PARENT;
	case OP_STACK:
	case OP_GROW:
	case OP_DROP:
	case OP_FORK:
	case OP_EXIT:
	case OP_EXEC:
	case OP_LIMIT:
	case OP_FLAG:
	case OP_MOVE:
	case OP_OBJECT:
		return space % SPACE_PARENT;
	default:
		return space;
	}
}

bool
op_maps(enum op_kind kind)
{
	switch (kind) {
	case OP_FIXED:
	case OP_GUARD:
	case OP_OBJECT:
	case OP_FIND:
	case OP_STACK:
	case OP_PLACE:
		return true;
	default:
		return false;
	}
}

static uint8_t
normal_pages(uint8_t pages, uint8_t first)
{
	if (pages == 0 || pages > REF_PAGES)
		pages = (uint8_t)(1 + pages % 8);
	return pages > REF_PAGES - first ? (uint8_t)(REF_PAGES - first) : pages;
}

static uint8_t
normal_fail(uint8_t fail)
{
	return fail < OP_STARVE ? fail % 16 : (uint8_t)(OP_STARVE + fail % 16);
}

void
op_normalise(struct op *op)
{
	unsigned has;

	op->kind %= OP_KINDS;
	op->space = only_of(op->kind, op->space % OP_SPACES);
	has = kinds[op->kind].has;
	op->first = has & HAS_FIRST ? op->first % REF_PAGES : 0;
	op->pages = has & HAS_PAGES ? normal_pages(op->pages, op->first) : 0;
	op->prot = has & HAS_PROT ? op->prot & PROT_BITS : 0;
	op->max = has & HAS_MAX ? (op->max | op->prot) & PROT_BITS : 0;
	op->flags &= kinds[op->kind].flags;
	op->arg %= kinds[op->kind].args;
	op->fail = has & HAS_FAIL ? normal_fail(op->fail) : 0;
}

/* ---- random ones ---- */

static uint8_t
below(uint64_t (*random)(void), unsigned n)
{
	return (uint8_t)(random() % n);
}

static uint8_t
random_kind(uint64_t (*random)(void))
{
	unsigned total = 0, roll;
	uint8_t kind = 0;

	for (unsigned i = 0; i < OP_KINDS; i++)
		total += kinds[i].weight;
	roll = (unsigned)(random() % total);
	while (roll >= kinds[kind].weight)
		roll -= kinds[kind++].weight;
	return kind;
}

static uint8_t
random_prot(uint64_t (*random)(void))
{
	static const uint8_t prots[] = {0, 1, 1, 3, 3, 3, 3, 3, 3, 3, 5, 5, 7, 7, 2, 4};

	return prots[random() % sizeof(prots)];
}

/* Most happens in the lowest pages, so that things meet there. */
#define CROWDED 40

void
op_random(struct op *op, const struct op *last, uint64_t (*random)(void))
{
	static const uint8_t spaces[] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 5};

	*op = (struct op){
	    .kind = random_kind(random),
	    .space = spaces[random() % sizeof(spaces)],
	    .first = below(random, random() % 8 == 0 ? REF_PAGES : CROWDED),
	    .pages = (uint8_t)(1 + below(random, random() % 4 == 0 ? REF_PAGES : 8)),
	    .prot = random_prot(random),
	    .max = random() % 4 != 0 ? PROT_BITS : random_prot(random),
	    .flags = (uint8_t)random(),
	    .arg = (uint8_t)random(),
	};
	/* What follows one upon the other should meet. */
	if (random() % 6 == 0) {
		op->space = last->space;
		op->first = last->first;
		if (random() % 2 == 0)
			op->pages = last->pages;
	}
	/* Sharing is what it takes most steps to get into trouble with. */
	if (op->kind == OP_INHERIT && random() % 3 == 0)
		op->arg = VM_INHERIT_SHARE;
	/* Most stacks are longer than their guard, and stand where there is room. */
	if (op->kind == OP_STACK)
		op->pages = (uint8_t)(1 + below(random, 40));
	/* Lasting limits and the largest protection are rarely cut. */
	if (op->kind == OP_PROTECT && random() % 8 != 0)
		op->flags &= (uint8_t)~OPF_SET_MAX;
	/* Most accesses are meant to succeed. */
	if (op->kind <= OP_DEBUG && random() % 2 == 0)
		op->flags |= OPF_AIM;
	if (random() % 8 == 0)
		op->fail = (uint8_t)(1 + below(random, 8));
	else if (random() % 32 == 0)
		op->fail = (uint8_t)(OP_STARVE + below(random, 16));
	op_normalise(op);
}

/* ---- words ---- */

const char *
op_name(enum op_kind kind)
{
	return kinds[kind].name;
}

/* append: the field, unless it is 0. */
static size_t
append(char *text, size_t size, size_t at, const char *name, unsigned value)
{
	if (value == 0 || at >= size)
		return at;
	return at + (size_t)snprintf(text + at, size - at, ", .%s = %u", name, value);
}

void
op_format(const struct op *op, char *text, size_t size)
{
	size_t at = (size_t)snprintf(text, size, "{%s", kinds[op->kind].symbol);

	at = append(text, size, at, "space", op->space);
	at = append(text, size, at, "first", op->first);
	at = append(text, size, at, "pages", op->pages);
	at = append(text, size, at, "prot", op->prot);
	at = append(text, size, at, "max", op->max);
	at = append(text, size, at, "flags", op->flags);
	at = append(text, size, at, "arg", op->arg);
	at = append(text, size, at, "fail", op->fail);
	if (at < size)
		snprintf(text + at, size - at, "}");
}

void
op_write(const struct op *op, char *text, size_t size)
{
	snprintf(text, size, "%-8s %u %3u %3u %u %u %2u %2u %u", kinds[op->kind].name, op->space,
		 op->first, op->pages, op->prot, op->max, op->flags, op->arg, op->fail);
}

bool
op_parse(const char *line, struct op *op)
{
	char name[16];
	unsigned kind = 0, n[8];

	if (sscanf(line, "%15[A-Z] %u %u %u %u %u %u %u %u", name, &n[0], &n[1], &n[2], &n[3],
		   &n[4], &n[5], &n[6], &n[7]) != 9)
		return false;
	while (kind < OP_KINDS && strcmp(kinds[kind].name, name) != 0)
		kind++;
	if (kind == OP_KINDS)
		return false;
	*op = (struct op){(uint8_t)kind, (uint8_t)n[0], (uint8_t)n[1], (uint8_t)n[2], (uint8_t)n[3],
			  (uint8_t)n[4], (uint8_t)n[5], (uint8_t)n[6], (uint8_t)n[7]};
	op_normalise(op);
	return true;
}

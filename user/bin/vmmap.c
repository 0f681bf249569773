/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmmap [ID]: the regions of a process, one a line, its own without ID.
 *
 *	PRT MAX	what is allowed, what may be allowed
 *	RES	pages mapped now; ORES: pages in the object
 *	REF CH	references to the object; how many objects deep the shadow chain is
 *	FLAG	C copy-on-write, N the copy is yet to be made, W wired, K not in core dumps,
 *		G guard, R reserved for a stack to grow into, D grows down: a stack,
 *		S accessed in sequence, A at random, Y written back only when asked (advice)
 *	INH	what a fork does: shr, cpy, non, zer
 *	OBJECT	its identity: equal, same object; "-": none yet
 *
 * The guard at the bottom of a stack's reserve is part of the same region; it is shown apart.
 */
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

struct totals {
	uint64_t regions, bytes, reserved, resident;
};

static const struct {
	uint32_t flag;
	char letter;
} flag_letters[] = {
    {VM_REGION_COW, 'C'},    {VM_REGION_NEEDS_COPY, 'N'}, {VM_REGION_WIRED, 'W'},
    {VM_REGION_NOCORE, 'K'}, {VM_REGION_GUARD, 'G'},	  {VM_REGION_STACK_GAP, 'R'},
    {VM_REGION_STACK, 'D'},  {VM_REGION_SEQUENTIAL, 'S'}, {VM_REGION_RANDOM, 'A'},
    {VM_REGION_NOSYNC, 'Y'},
};

#define FLAGS (sizeof flag_letters / sizeof flag_letters[0])

static const char *
prot_text(uint8_t prot, char text[4])
{
	text[0] = prot & PROT_READ ? 'r' : '-';
	text[1] = prot & PROT_WRITE ? 'w' : '-';
	text[2] = prot & PROT_EXEC ? 'x' : '-';
	text[3] = '\0';
	return text;
}

static const char *
flags_text(uint32_t flags, char text[FLAGS + 1])
{
	for (size_t i = 0; i < FLAGS; i++) {
		text[i] = flags & flag_letters[i].flag ? flag_letters[i].letter : '-';
	}
	text[FLAGS] = '\0';
	return text;
}

static const char *
inherit_text(uint8_t inherit)
{
	static const char *const names[] = {
	    [INHERIT_SHARE] = "shr",
	    [INHERIT_COPY] = "cpy",
	    [INHERIT_NONE] = "non",
	    [INHERIT_ZERO] = "zer",
	};

	return inherit <= INHERIT_ZERO ? names[inherit] : "???";
}

static const char *
object_text(uint64_t object, char text[20])
{
	if (object == 0) {
		return "-";
	}
	snprintf(text, 20, "%lx", object);
	return text;
}

static const char *
what_it_is(const struct vm_region *r)
{
	if (r->flags & VM_REGION_STACK_GAP) {
		return "stack gap";
	}
	if (r->flags & VM_REGION_GUARD) {
		return "guard";
	}
	if (r->flags & VM_REGION_STACK) {
		return "stack";
	}
	return r->prot & PROT_EXEC ? "code" : "";
}

static void
print_row(const struct vm_region *r, const char *what)
{
	char prot[4], max[4], flags[FLAGS + 1], object[20];

	printf("%14lx %14lx %s %s %6lu %6lu %3u %2u %s %s %s%s%s\n", r->start, r->end,
	       prot_text(r->prot, prot), prot_text(r->max_prot, max), r->resident,
	       r->object_resident, r->object_refs, r->chain, flags_text(r->flags, flags),
	       inherit_text(r->inherit), object_text(r->object, object), *what != '\0' ? "  " : "",
	       what);
}

/* A stack's gap in two rows: what is never given out, and what is left to grow into. */
static void
print_gap(const struct vm_region *gap, uint64_t guard)
{
	struct vm_region part = *gap;

	if (guard < gap->end - gap->start) {
		part.end = gap->start + guard;
		print_row(&part, "stack guard");
		part.start = part.end;
		part.end = gap->end;
		print_row(&part, "stack gap");
	} else {
		print_row(&part, "stack guard");
	}
}

static void
print_region(const struct vm_region *r, uint64_t guard, struct totals *totals)
{
	totals->regions++;
	totals->resident += r->resident;
	if (r->flags & VM_REGION_GUARD) {
		totals->reserved += r->end - r->start;
	} else {
		totals->bytes += r->end - r->start;
	}
	if (r->flags & VM_REGION_STACK_GAP) {
		print_gap(r, guard);
	} else {
		print_row(r, what_it_is(r));
	}
}

static int
print_map(handle_t proc)
{
	struct system_info system;
	struct vm_region r;
	struct totals totals = {0};
	int64_t error;

	system_info(&system);
	printf("%14s %14s PRT MAX %6s %6s %3s %2s %-*s INH OBJECT\n", "START", "END", "RES", "ORES",
	       "REF", "CH", (int)FLAGS, "FLAG");
	for (uint64_t at = 0; (error = vm_query(proc, at, &r)) == 0; at = r.end) {
		print_region(&r, system.stack_guard, &totals);
	}
	printf("%lu regions: %lu KiB mapped, %lu KiB resident, %lu KiB reserved or guard\n",
	       totals.regions, totals.bytes / 1024, totals.resident * (PAGE_SIZE / 1024),
	       totals.reserved / 1024);
	return error == -ENOENT ? 0 : (int)error;
}

int
main(int argc, char **argv)
{
	uint64_t id = 0;
	handle_t proc = HANDLE_SELF;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], &id))) {
		puts("usage: vmmap [ID]");
		return 2;
	}
	if (argc == 2 && id != (uint64_t)proc_id(HANDLE_SELF)) {
		proc = (handle_t)proc_open(id);
	}
	int error = proc < 0 ? proc : print_map(proc);
	if (error != 0) {
		printf("vmmap: process %lu: %s\n", id, strerror(error));
	}
	return error == 0 ? 0 : 1;
}

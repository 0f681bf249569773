/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots are text, one line a fact: what differs is what lies between the first and the last
 * lines that are equal, and is readable as it stands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/snapshot.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_proc.h"
#include "vm/vmspace.h"

#define MAX_LINES 4096

struct map_snapshot {
	char *text;
	char *line[MAX_LINES];
	size_t lines;
};

/* object_flags: whether it is ONEMAPPING says nothing as long as there is one reference. */
static uint32_t
object_flags(const struct vm_object *object)
{
	return object->flags | (object->ref_count == 1 ? VM_OBJECT_ONEMAPPING : 0);
}

static void
describe_chain(FILE *out, const struct vm_object *object)
{
	for (; object != NULL; object = object->backing)
		fprintf(out,
			"    object %p %s refs %u size %#lx resident %lu shadows %u flags %#x "
			"charge %#zx backing offset %#lx\n",
			(const void *)object, object->pager->name, object->ref_count, object->size,
			object->resident, object->shadow_count, object_flags(object),
			object->charge, object->backing != NULL ? object->backing_offset : 0);
}

static void
describe_entry(FILE *out, const struct vm_map_entry *e)
{
	fprintf(out, "  entry %#lx-%#lx flags %#x prot %#x/%#x inherit %u wired %u by %p", e->start,
		e->end, e->eflags, e->protection, e->max_protection, e->inheritance, e->wired_count,
		(const void *)e->wiring_thread);
	if (e->eflags & VM_ENTRY_IS_SUB_MAP) {
		fprintf(out, " submap %p refs %u\n", (const void *)e->sub_map,
			e->sub_map->ref_count);
	} else if (e->eflags & VM_ENTRY_STACK_GAP) {
		fprintf(out, " gap: guard %#zx flags %#x prot %#x/%#x\n", e->gap_guard,
			e->gap_eflags, e->gap_protection, e->gap_max_protection);
	} else {
		fprintf(out, " offset %#lx object %p\n", e->offset, (const void *)e->object);
		describe_chain(out, e->object);
	}
}

static void
describe_mappings(FILE *out, vm_map_t map)
{
	vm_offset_t va, next = vm_map_min(map);
	struct pmap_mapping m;

	for (; pmap_next(map->pmap, next, vm_map_max(map), &va); next = va + PAGE_SIZE) {
		if (pmap_query(map->pmap, va, &m))
			fprintf(out, "  mapped %#lx page %p prot %#x wired %d\n", va,
				(const void *)m.page, m.prot, m.wired);
	}
}

static void
describe_map(FILE *out, vm_map_t map)
{
	const struct vm_map_entry *e;

	fprintf(out, "map size %#zx entries %u wired %#zx flags %#x busy %u refs %u\n", map->size,
		map->nentries, map->user_wired, map->flags, map->busy, map->ref_count);
	if (map->owner != NULL) {
		const struct vmspace *vm = proc_vmspace(map->owner);

		fprintf(out, "stack %lu pages, %#lx-%#lx\n", vm->vm_ssize, vm->vm_maxsaddr,
			vm->vm_stacktop);
	}
	vm_map_for_each (e, map)
		describe_entry(out, e);
	describe_mappings(out, map);
}

static void
describe_machine(FILE *out)
{
	struct vm_usage usage = vm_usage_read();

	fprintf(out, "free frames %lu\nobjects %lu\ncharge %#lx\nmappings %lu\nentries %lu\n",
		usage.frames, usage.objects, usage.charge, usage.mappings, vm_map_entry_count());
}

static void
split_lines(struct map_snapshot *s)
{
	char *rest = s->text;

	while ((s->line[s->lines] = strsep(&rest, "\n")) != NULL)
		if (++s->lines == MAX_LINES)
			model_die("a snapshot of more than %d lines", MAX_LINES);
}

struct map_snapshot *
map_snapshot_take(vm_map_t map)
{
	struct map_snapshot *s = calloc(1, sizeof(*s));
	size_t size;
	FILE *out = open_memstream(&s->text, &size);

	check_u64(0, curthread()->lockorder.count);
	vm_map_lock(map);
	if (!vm_map_reserve(map, VM_MAP_SPARES))
		model_die("no memory for spare entries");
	describe_map(out, map);
	vm_map_unlock(map);
	describe_machine(out);
	fclose(out);
	split_lines(s);
	return s;
}

static void
print_lines(char sign, const struct map_snapshot *s, size_t first, size_t last)
{
	for (size_t i = first; i < last; i++)
		print_error("%c %s\n", sign, s->line[i]);
}

void
map_snapshot_check(const struct map_snapshot *before, vm_map_t map, const char *file, int line)
{
	const struct map_snapshot *now = map_snapshot_take(map);
	size_t a = before->lines, b = now->lines, first = 0;

	while (first < a && first < b && strcmp(before->line[first], now->line[first]) == 0)
		first++;
	if (first == a && first == b)
		return;
	while (a > first && b > first && strcmp(before->line[a - 1], now->line[b - 1]) == 0) {
		a--;
		b--;
	}
	print_error("the map has changed (- before, + now):\n");
	print_lines('-', before, first, a);
	print_lines('+', now, first, b);
	_fail(file, line);
}

void
map_drop_spares(vm_map_t map)
{
	vm_map_lock(map);
	while (map->nspare > 0)
		vm_map_entry_dispose(map, vm_map_entry_create(map));
	vm_map_unlock(map);
}

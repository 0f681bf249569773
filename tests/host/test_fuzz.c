/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations on a few processes, against a model that is an array of pages.
 *
 * A model page has rights, inheritance and a cell; a cell is a byte of memory.  Private pages have
 * cells of their own; after a fork with VM_INHERIT_SHARE two processes' pages have the same one.
 * Each result, and each byte read, must be what the model says.  Debug builds audit the maps at each
 * unlock; the test adds the audits of everything else now and then.
 *
 * FUZZ_STEPS=n in the environment: how many operations.
 */
#include <stdlib.h>
#include <string.h>
#include "model/mmu.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define BASE	      0x200000ul
#define PAGES	      96
#define PROCESSES     4
#define DEFAULT_STEPS 1000000
#define AUDIT_EVERY   1000

struct page {
	bool mapped;
	vm_prot_t prot, max;
	vm_inherit_t inherit;
	bool shared; /* with another process, by a fork */
	uint8_t *cell;
};

static struct process {
	struct proc *proc; /* NULL: none */
	struct page page[PAGES];
} processes[PROCESSES];

/* A random range of pages. */
struct range {
	size_t first, end;
};

static struct range
random_range(void)
{
	size_t first = host_random_below(PAGES);
	size_t most = host_random_below(4) == 0 ? PAGES : 8;
	size_t n = 1 + host_random_below(most);

	return (struct range){first, first + n > PAGES ? PAGES : first + n};
}

static vm_offset_t
address(size_t page)
{
	return BASE + ptoa(page);
}

static vm_prot_t
random_prot(void)
{
	static const vm_prot_t prots[] = {
	    VM_PROT_NONE, VM_PROT_READ, VM_PROT_RW, VM_PROT_RW, VM_PROT_READ | VM_PROT_EXECUTE,
	    VM_PROT_ALL};

	return prots[host_random_below(ARRAY_SIZE(prots))];
}

/* all_mapped, none_mapped: is each page, is no page of the range mapped? */
static bool
all_mapped(const struct process *p, struct range r)
{
	for (size_t i = r.first; i < r.end; i++) {
		if (!p->page[i].mapped)
			return false;
	}
	return true;
}

static bool
none_mapped(const struct process *p, struct range r)
{
	for (size_t i = r.first; i < r.end; i++) {
		if (p->page[i].mapped)
			return false;
	}
	return true;
}

static void
model_unmap(struct process *p, struct range r)
{
	for (size_t i = r.first; i < r.end; i++)
		p->page[i] = (struct page){0};
}

/* Cells are never freed: the process that runs the test ends soon. */
static uint8_t *
new_cell(uint8_t value)
{
	uint8_t *cell = malloc(1);

	*cell = value;
	return cell;
}

static void
model_map(struct process *p, struct range r, vm_prot_t prot, vm_prot_t max)
{
	for (size_t i = r.first; i < r.end; i++)
		p->page[i] = (struct page){true, prot, max, VM_INHERIT_DEFAULT, false, new_cell(0)};
}

/* Operations. */

static void
op_insert(struct process *p)
{
	struct range r = random_range();
	vm_prot_t prot = random_prot(), max = prot | random_prot();
	bool replace = host_random_below(2) == 0, fits = none_mapped(p, r);
	kern_return_t kr =
	    vm_map_fixed(model_proc_map(p->proc), NULL, 0, address(r.first), ptoa(r.end - r.first),
			 prot, max, replace ? 0 : MAP_CHECK_EXCL);

	check_kr(replace || fits ? KERN_SUCCESS : KERN_NO_SPACE, kr);
	if (kr == KERN_SUCCESS)
		model_map(p, r, prot, max);
}

static void
op_remove(struct process *p)
{
	struct range r = random_range();

	check_kr(KERN_SUCCESS,
		 vm_map_remove(model_proc_map(p->proc), address(r.first), address(r.end)));
	model_unmap(p, r);
}

static kern_return_t
expected_protect(const struct process *p, struct range r, vm_prot_t prot)
{
	kern_return_t kr = KERN_SUCCESS;

	if (!all_mapped(p, r))
		return KERN_INVALID_ADDRESS;
	for (size_t i = r.first; i < r.end; i++) {
		if ((prot & ~p->page[i].max) != 0)
			kr = KERN_PROTECTION_FAILURE;
	}
	return kr;
}

static void
op_protect(struct process *p)
{
	struct range r = random_range();
	vm_prot_t prot = random_prot();
	bool set_max = host_random_below(16) == 0;
	kern_return_t expected = expected_protect(p, r, prot), kr;

	kr = vm_map_protect(model_proc_map(p->proc), address(r.first), address(r.end), prot,
			    set_max);
	/* With a hole and a right too many either may be named. */
	if (expected == KERN_INVALID_ADDRESS)
		assert_true(kr == KERN_INVALID_ADDRESS || kr == KERN_PROTECTION_FAILURE);
	else
		check_kr(expected, kr);
	for (size_t i = r.first; kr == KERN_SUCCESS && i < r.end; i++) {
		struct page *page = &p->page[i];

		page->prot = set_max ? page->prot & prot : prot;
		page->max = set_max ? prot : page->max;
	}
}

/* What is shared already stays so: a copy at a later fork would, by Mach's rules, end the sharing
 * with the parent's next store. */
static vm_inherit_t
random_inherit(const struct process *p, struct range r)
{
	for (size_t i = r.first; i < r.end; i++) {
		if (p->page[i].shared)
			return VM_INHERIT_SHARE;
	}
	return (vm_inherit_t)host_random_below(4);
}

static void
op_inherit(struct process *p)
{
	struct range r = random_range();
	vm_inherit_t inherit = random_inherit(p, r);

	check_kr(KERN_SUCCESS, vm_map_inherit(model_proc_map(p->proc), address(r.first),
					      address(r.end), inherit));
	for (size_t i = r.first; i < r.end; i++) {
		if (p->page[i].mapped)
			p->page[i].inherit = inherit;
	}
}

static enum model_signal
expected_signal(const struct page *page, vm_prot_t type)
{
	if (!page->mapped)
		return SEGV_MAPERR;
	return (page->prot & type) != 0 ? MODEL_OK : SEGV_ACCERR;
}

static void
op_load(struct process *p)
{
	size_t i = host_random_below(PAGES);
	uint8_t value = 0;

	check_u64(expected_signal(&p->page[i], VM_PROT_READ),
		  model_user_read(p->proc, address(i) + 17, &value, 1));
	if ((p->page[i].prot & VM_PROT_READ) != 0)
		check_u64(*p->page[i].cell, value);
}

static void
op_store(struct process *p)
{
	size_t i = host_random_below(PAGES);
	uint8_t value = (uint8_t)host_random();

	check_u64(expected_signal(&p->page[i], VM_PROT_WRITE),
		  model_user_write(p->proc, address(i) + 17, &value, 1));
	if ((p->page[i].prot & VM_PROT_WRITE) != 0)
		*p->page[i].cell = value;
}

static void
op_drop(struct process *p)
{
	pmap_drop(vm_map_pmap(model_proc_map(p->proc)));
}

static void
op_wire(struct process *p)
{
	struct range r = random_range();
	int how = VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK;
	vm_map_t map = model_proc_map(p->proc);

	if (host_random_below(2) == 0)
		check_kr(KERN_SUCCESS, vm_map_wire(map, address(r.first), address(r.end), how));
	else
		check_kr(KERN_SUCCESS, vm_map_unwire(map, address(r.first), address(r.end), how));
}

static void
process_end(struct process *p)
{
	model_proc_destroy(p->proc);
	memset(p, 0, sizeof(*p));
}

static void
model_fork_page(struct page *from, struct page *to)
{
	if (from->mapped && from->inherit == VM_INHERIT_SHARE)
		from->shared = true;
	*to = *from;
	if (!from->mapped || from->inherit == VM_INHERIT_NONE)
		*to = (struct page){0};
	else if (from->inherit == VM_INHERIT_COPY)
		to->cell = new_cell(*from->cell);
	else if (from->inherit == VM_INHERIT_ZERO)
		to->cell = new_cell(0);
}

/* op_fork: the child takes the place of another process, but not of the first. */
static void
op_fork(struct process *p)
{
	struct process *child = &processes[1 + host_random_below(PROCESSES - 1)];
	struct vmspace *vm;

	if (child == p)
		return;
	if (child->proc != NULL)
		process_end(child);
	vm = vmspace_fork(proc_vmspace(p->proc));
	assert_non_null(vm);
	child->proc = model_proc_adopt(vm);
	for (size_t i = 0; i < PAGES; i++)
		model_fork_page(&p->page[i], &child->page[i]);
}

static void
step(struct process *p)
{
	static const struct {
		unsigned weight;
		void (*op)(struct process *p);
	} ops[] = {
	    {30, op_load},   {30, op_store}, {10, op_insert}, {6, op_remove}, {10, op_protect},
	    {5, op_inherit}, {1, op_drop},   {3, op_wire},    {2, op_fork},
	};
	size_t roll = host_random_below(97), k = 0;

	while (roll >= ops[k].weight)
		roll -= ops[k++].weight;
	ops[k].op(p);
}

static void
audit_all(struct vm_fixture *f)
{
	vm_fixture_audit(f);
	for (size_t i = 0; i < PROCESSES; i++) {
		vm_map_t map = processes[i].proc != NULL ? model_proc_map(processes[i].proc) : NULL;

		if (map == NULL)
			continue;
		vm_map_lock_read(map);
		vm_map_audit(map);
		vm_map_unlock_read(map);
	}
}

static void
inv_01(void **state)
{
	struct vm_fixture *f = *state;
	const char *wanted = getenv("FUZZ_STEPS");
	uint64_t steps = wanted != NULL ? strtoul(wanted, NULL, 0) : DEFAULT_STEPS;

	processes[0].proc = f->proc;
	for (uint64_t i = 0; i < steps; i++) {
		struct process *p = &processes[host_random_below(PROCESSES)];

		if (p->proc != NULL)
			step(p);
		if (i % AUDIT_EVERY == 0)
			audit_all(f);
	}
	for (size_t i = 1; i < PROCESSES; i++) {
		if (processes[i].proc != NULL)
			process_end(&processes[i]);
	}
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"INV-01: random operations agree with an array of pages and keep I1 to I11", inv_01},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

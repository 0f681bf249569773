/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations on a few processes, against a model that is an array of pages (reference.h).
 *
 * Each result, each byte read and, after each step, the attributes of every page must be what the
 * model says, and the map must pass its audit.  Now and then an allocation fails under an
 * operation: then it says KERN_RESOURCE_SHORTAGE and has changed nothing.
 *
 * Environment: FUZZ_STEPS=number, FUZZ_SEED=number, FUZZ_TRACE=1 prints each operation.
 */
#include <stdlib.h>
#include <string.h>
#include "model/memory.h"
#include "model/mmu.h"
#include "model/reference.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define PROCESSES     4
#define DEFAULT_STEPS 150000
#define DEFAULT_SEED  1
#define AUDIT_EVERY   500

#define OBJECT_PAGES 12
#define OBJECTS	     2

struct process {
	struct proc *proc; /* NULL: none */
	struct ref_space ref;
};

static struct process processes[PROCESSES];
static struct vm_object *constants[OBJECTS]; /* mapped copy-on-write only */
static struct vm_object *shared_object;	     /* mapped shared only */
static uint8_t *shared_cells[OBJECT_PAGES];  /* of shared_object */
static bool tracing;

#define TRACE(...)                                  \
	do {                                        \
		if (tracing)                        \
			print_message(__VA_ARGS__); \
	} while (0)

static vm_map_t
map_of(const struct process *p)
{
	return model_proc_map(p->proc);
}

static struct ref_range
random_range(void)
{
	size_t first = host_random_below(REF_PAGES);
	size_t n = 1 + host_random_below(host_random_below(4) == 0 ? REF_PAGES : 8);

	return (struct ref_range){first, first + n > REF_PAGES ? REF_PAGES : first + n};
}

static vm_prot_t
random_prot(void)
{
	static const vm_prot_t prots[] = {
	    VM_PROT_NONE, VM_PROT_READ, VM_PROT_RW, VM_PROT_RW, VM_PROT_READ | VM_PROT_EXECUTE,
	    VM_PROT_ALL};

	return prots[host_random_below(ARRAY_SIZE(prots))];
}

/* ---- failures of allocations ---- */

/* fail_perhaps: let an allocation of the next call fail, once in a while. */
static void
fail_perhaps(void)
{
	if (host_random_below(8) == 0)
		model_fail_after(1 + host_random_below(4));
}

/* failed: was it for want of memory?  Then the call must have said so. */
static bool
failed(kern_return_t kr)
{
	bool injected = model_fail_count() != 0;

	model_fail_off();
	if (kr != KERN_RESOURCE_SHORTAGE)
		return false;
	assert_true(injected);
	TRACE("... no memory\n");
	return true;
}

/* ---- operations ---- */

/* replaced: a fixed mapping failed for want of memory: all of what was there may be gone. */
static void
replaced(struct process *p, struct ref_range r)
{
	struct ref_range hole = r;

	vm_map_lock_read(map_of(p));
	for (size_t i = r.first; i < r.end; i++) {
		vm_map_entry_t e;

		if (vm_map_lookup_entry(map_of(p), ref_address(i), &e))
			hole.end = hole.first;
	}
	vm_map_unlock_read(map_of(p));
	ref_unmap(&p->ref, hole);
}

/* fixed: map at exactly r; true if the mapping is there. */
static bool
fixed(struct process *p, struct vm_object *object, vm_ooffset_t offset, struct ref_range r,
      vm_prot_t prot, vm_prot_t max, int cow)
{
	bool fits = !(cow & MAP_CHECK_EXCL) || ref_is_free(&p->ref, r);
	kern_return_t kr;

	vm_object_reference(object);
	fail_perhaps();
	kr = vm_map_fixed(map_of(p), object, offset, ref_address(r.first), ptoa(r.end - r.first),
			  prot, max, cow);
	if (kr != KERN_SUCCESS && object != NULL)
		vm_object_deallocate(object);
	if (failed(kr)) {
		replaced(p, r);
		return false;
	}
	check_kr(fits ? KERN_SUCCESS : KERN_NO_SPACE, kr);
	return kr == KERN_SUCCESS;
}

static void
op_insert(struct process *p)
{
	struct ref_range r = random_range();
	vm_prot_t prot = random_prot(), max = prot | random_prot();
	int excl = host_random_below(2) == 0 ? MAP_CHECK_EXCL : 0;

	TRACE("insert %zu-%zu prot %u max %u excl %d\n", r.first, r.end, prot, max, excl);
	if (fixed(p, NULL, 0, r, prot, max, excl))
		ref_map(&p->ref, r, prot, max);
}

static void
op_guard(struct process *p)
{
	struct ref_range r = random_range();

	TRACE("guard %zu-%zu\n", r.first, r.end);
	if (fixed(p, NULL, 0, r, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD))
		ref_guard(&p->ref, r);
}

/* random_window: a part of an object, and where to map it. */
static struct ref_range
random_window(size_t *offset)
{
	struct ref_range r = random_range();

	*offset = host_random_below(OBJECT_PAGES);
	if (r.end - r.first > OBJECT_PAGES - *offset)
		r.end = r.first + OBJECT_PAGES - *offset;
	return r;
}

static void
op_private(struct process *p)
{
	size_t which = host_random_below(OBJECTS), offset;
	struct ref_range r = random_window(&offset);
	vm_prot_t prot = random_prot(), max = prot | random_prot();
	int prefault = host_random_below(2) == 0 ? MAP_PREFAULT : 0;

	TRACE("private %zu-%zu prot %u max %u object %zu from %zu prefault %d\n", r.first, r.end,
	      prot, max, which, offset, prefault);
	if (!fixed(p, constants[which], ptoa(offset), r, prot, max, MAP_COPY_ON_WRITE | prefault))
		return;
	ref_map(&p->ref, r, prot, max);
	for (size_t i = r.first; i < r.end; i++)
		*p->ref.page[i].cell = space_object_byte(constants[which], offset + i - r.first);
}

static void
op_shared(struct process *p)
{
	size_t offset;
	struct ref_range r = random_window(&offset);
	vm_prot_t prot = random_prot(), max = prot | random_prot();

	TRACE("shared %zu-%zu prot %u max %u from %zu\n", r.first, r.end, prot, max, offset);
	if (!fixed(p, shared_object, ptoa(offset), r, prot, max, MAP_INHERIT_SHARE))
		return;
	ref_map(&p->ref, r, prot, max);
	for (size_t i = r.first; i < r.end; i++) {
		p->ref.page[i].cell = shared_cells[offset + i - r.first];
		p->ref.page[i].inherit = VM_INHERIT_SHARE;
		p->ref.page[i].shared = true;
	}
}

static void
op_find(struct process *p)
{
	struct ref_range r = random_range();
	size_t n = r.end - r.first, first = r.first;
	vm_offset_t addr = ref_address(first);
	vm_prot_t prot = random_prot();
	bool fits = ref_first_fit(&p->ref, n, &first);
	kern_return_t kr;

	TRACE("find %zu pages from %zu prot %u\n", n, r.first, prot);
	fail_perhaps();
	kr = vm_map_find(map_of(p), NULL, 0, &addr, ptoa(n), ref_address(REF_PAGES), VMFS_ANY_SPACE,
			 prot, VM_PROT_ALL, 0);
	if (failed(kr))
		return;
	check_kr(fits ? KERN_SUCCESS : KERN_NO_SPACE, kr);
	if (!fits)
		return;
	check_u64(ref_address(first), addr);
	ref_map(&p->ref, (struct ref_range){first, first + n}, prot, VM_PROT_ALL);
}

/* op_stack: often where there is room for it, so that there are stacks to grow. */
static void
op_stack(struct process *p)
{
	size_t n = 1 + host_random_below(40), first = host_random_below(REF_PAGES - n);
	struct ref_range r = {.first = first};
	vm_prot_t prot = random_prot(), max = prot | random_prot();
	kern_return_t kr;

	if (host_random_below(2) == 0)
		ref_first_fit(&p->ref, n, &r.first);
	r.end = r.first + n;
	TRACE("stack %zu-%zu prot %u max %u\n", r.first, r.end, prot, max);
	fail_perhaps();
	kr = vm_map_stack(map_of(p), ref_address(r.first), ptoa(r.end - r.first), prot, max, 0);
	if (!failed(kr))
		check_kr(ref_stack(&p->ref, r, prot, max), kr);
}

static void
op_remove(struct process *p)
{
	struct ref_range r = random_range();
	kern_return_t kr;

	TRACE("remove %zu-%zu\n", r.first, r.end);
	fail_perhaps();
	kr = vm_map_remove(map_of(p), ref_address(r.first), ref_address(r.end));
	if (failed(kr))
		return;
	check_kr(KERN_SUCCESS, kr);
	ref_unmap(&p->ref, r);
}

static void
op_protect(struct process *p)
{
	struct ref_range r = random_range();
	vm_prot_t prot = random_prot();
	bool set_max = host_random_below(16) == 0;
	kern_return_t expected = ref_protect_result(&p->ref, r, prot), kr;

	TRACE("protect %zu-%zu prot %u set_max %d\n", r.first, r.end, prot, set_max);
	fail_perhaps();
	kr = vm_map_protect(map_of(p), ref_address(r.first), ref_address(r.end), prot, set_max);
	if (failed(kr))
		return;
	/* With a hole and a right too many either may be named. */
	if (expected == KERN_INVALID_ADDRESS && kr == KERN_PROTECTION_FAILURE)
		return;
	check_kr(expected, kr);
	if (kr == KERN_SUCCESS)
		ref_protect(&p->ref, r, prot, set_max);
}

/* What is shared stays so: a copy at a later fork would, by Mach's rules, end the sharing with the
 * parent's next store. */
static vm_inherit_t
random_inherit(const struct process *p, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++) {
		if (p->ref.page[i].shared)
			return VM_INHERIT_SHARE;
	}
	return (vm_inherit_t)host_random_below(4);
}

static void
op_inherit(struct process *p)
{
	struct ref_range r = random_range();
	vm_inherit_t inherit = random_inherit(p, r);
	kern_return_t kr;

	TRACE("inherit %zu-%zu as %u\n", r.first, r.end, inherit);
	fail_perhaps();
	kr = vm_map_inherit(map_of(p), ref_address(r.first), ref_address(r.end), inherit);
	if (failed(kr))
		return;
	check_kr(KERN_SUCCESS, kr);
	ref_inherit(&p->ref, r, inherit);
}

static void
op_wire(struct process *p)
{
	struct ref_range r = random_range();
	kern_return_t kr;

	TRACE("wire %zu-%zu\n", r.first, r.end);
	fail_perhaps();
	kr = vm_map_wire(map_of(p), ref_address(r.first), ref_address(r.end),
			 VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
	if (failed(kr))
		return;
	check_kr(KERN_SUCCESS, kr);
	ref_wire(&p->ref, r);
}

static void
op_unwire(struct process *p)
{
	struct ref_range r = random_range();
	kern_return_t kr;

	TRACE("unwire %zu-%zu\n", r.first, r.end);
	fail_perhaps();
	kr = vm_map_unwire(map_of(p), ref_address(r.first), ref_address(r.end),
			   VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
	if (failed(kr))
		return;
	check_kr(KERN_SUCCESS, kr);
	ref_unwire(&p->ref, r);
}

static void
op_drop(struct process *p)
{
	TRACE("drop\n");
	pmap_drop(vm_map_pmap(map_of(p)));
}

/* ---- accesses ---- */

static void
op_load(struct process *p)
{
	size_t i = host_random_below(REF_PAGES);
	enum model_signal expected = ref_touch(&p->ref, i, VM_PROT_READ);
	uint8_t value = 0;

	TRACE("load %zu\n", i);
	check_u64(expected, model_user_read(p->proc, ref_address(i) + REF_BYTE, &value, 1));
	if (expected == MODEL_OK)
		check_u64(*p->ref.page[i].cell, value);
}

static void
op_store(struct process *p)
{
	size_t i = host_random_below(REF_PAGES);
	enum model_signal expected = ref_touch(&p->ref, i, VM_PROT_WRITE);
	uint8_t value = (uint8_t)host_random();

	TRACE("store %zu value %u\n", i, value);
	check_u64(expected, model_user_write(p->proc, ref_address(i) + REF_BYTE, &value, 1));
	if (expected == MODEL_OK)
		*p->ref.page[i].cell = value;
}

static void
op_fetch(struct process *p)
{
	size_t i = host_random_below(REF_PAGES);
	enum model_signal expected = ref_touch(&p->ref, i, VM_PROT_EXECUTE);

	TRACE("fetch %zu\n", i);
	check_u64(expected, model_user_fetch(p->proc, ref_address(i) + REF_BYTE));
}

/* ---- processes ---- */

static void
process_end(struct process *p)
{
	model_proc_destroy(p->proc);
	memset(p, 0, sizeof(*p));
}

/* op_fork: the child takes the place of another process, but not of the first. */
static void
op_fork(struct process *p)
{
	struct process *child = &processes[1 + host_random_below(PROCESSES - 1)];
	struct vmspace *vm;

	if (child == p) {
		TRACE("\n");
		return;
	}
	TRACE("fork into %zu\n", (size_t)(child - processes));
	if (child->proc != NULL)
		process_end(child);
	fail_perhaps();
	vm = vmspace_fork(proc_vmspace(p->proc));
	if (failed(vm == NULL ? KERN_RESOURCE_SHORTAGE : KERN_SUCCESS))
		return;
	assert_non_null(vm);
	child->proc = model_proc_adopt(vm);
	ref_fork(&p->ref, &child->ref);
	ref_check(&child->ref, map_of(child));
}

static void
op_exit(struct process *p)
{
	TRACE("exit\n");
	if (p == &processes[0])
		return;
	process_end(p);
}

/* ---- the run ---- */

static void
step(uint64_t number, struct process *p)
{
	static const struct {
		unsigned weight;
		void (*op)(struct process *p);
	} ops[] = {
	    {250, op_load},    {250, op_store},	 {20, op_fetch}, {60, op_insert}, {10, op_guard},
	    {40, op_private},  {20, op_shared},	 {30, op_find},	 {20, op_stack},  {50, op_remove},
	    {110, op_protect}, {50, op_inherit}, {20, op_wire},	 {20, op_unwire}, {10, op_drop},
	    {30, op_fork},     {10, op_exit},
	};
	size_t roll = host_random_below(1000), k = 0;

	TRACE("%lu process %zu ", (unsigned long)number, (size_t)(p - processes));
	while (roll >= ops[k].weight)
		roll -= ops[k++].weight;
	ops[k].op(p);
}

static void
audit(vm_map_t map)
{
	vm_map_lock_read(map);
	vm_map_audit(map);
	vm_map_unlock_read(map);
}

/* ---- the commit account: each byte is charged to an entry or to an object ---- */

#define SEEN_MAX 4096

struct charges {
	struct vm_object *seen[SEEN_MAX];
	size_t nseen;
	uint64_t bytes;
};

/* add_chain: the object and what it shadows, each once. */
static void
add_chain(struct charges *c, struct vm_object *object)
{
	for (; object != NULL; object = object->backing) {
		for (size_t i = 0; i < c->nseen; i++) {
			if (c->seen[i] == object)
				return;
		}
		assert_true(c->nseen < SEEN_MAX);
		c->seen[c->nseen++] = object;
		c->bytes += object->charge;
	}
}

static void
check_charge(void)
{
	static struct charges c;
	vm_map_entry_t e;

	c = (struct charges){0};
	add_chain(&c, shared_object);
	for (size_t i = 0; i < PROCESSES; i++) {
		if (processes[i].proc == NULL)
			continue;
		vm_map_for_each (e, map_of(&processes[i])) {
			if (e->eflags & VM_ENTRY_CHARGED)
				c.bytes += e->end - e->start;
			if (!(e->eflags & VM_ENTRY_GUARD))
				add_chain(&c, e->object);
		}
	}
	check_u64(c.bytes, vm_charge_used());
}

/* check_all: every process, every object, and the rest of the machine. */
static void
check_all(struct vm_fixture *f)
{
	vm_fixture_audit(f);
	check_charge();
	for (size_t i = 0; i < PROCESSES; i++) {
		if (processes[i].proc == NULL)
			continue;
		audit(map_of(&processes[i]));
		ref_check(&processes[i].ref, map_of(&processes[i]));
	}
	for (size_t i = 0; i < OBJECTS * OBJECT_PAGES; i++)
		check_u64(i + 1, space_object_byte(constants[i / OBJECT_PAGES], i % OBJECT_PAGES));
}

static void
make_objects(void)
{
	for (size_t i = 0; i < OBJECTS; i++)
		constants[i] = space_object(OBJECT_PAGES, (uint8_t)(i * OBJECT_PAGES + 1));
	shared_object = space_object(OBJECT_PAGES, 1);
	for (size_t i = 0; i < OBJECT_PAGES; i++)
		shared_cells[i] = ref_cell((uint8_t)(i + 1));
}

static void
unmake_objects(void)
{
	for (size_t i = 0; i < OBJECTS; i++)
		vm_object_deallocate(constants[i]);
	vm_object_deallocate(shared_object);
}

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoul(text, NULL, 0) : otherwise;
}

static void
inv_01(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t steps = setting("FUZZ_STEPS", DEFAULT_STEPS);
	uint64_t seed = setting("FUZZ_SEED", DEFAULT_SEED);

	print_message("FUZZ_SEED=%lu FUZZ_STEPS=%lu\n", (unsigned long)seed, (unsigned long)steps);
	tracing = getenv("FUZZ_TRACE") != NULL;
	host_random_seed(seed);
	vm_stack_guard_pages = REF_GUARD;
	vm_sgrowsiz = ptoa(REF_STEP);
	make_objects();
	processes[0].proc = f->proc;
	for (uint64_t i = 0; i < steps; i++) {
		struct process *p = &processes[host_random_below(PROCESSES)];

		if (p->proc == NULL)
			continue;
		step(i, p);
		if (p->proc != NULL) {
			audit(map_of(p));
			ref_check(&p->ref, map_of(p));
		}
		if (i % AUDIT_EVERY == 0)
			check_all(f);
	}
	check_all(f);
	for (size_t i = 1; i < PROCESSES; i++) {
		if (processes[i].proc != NULL)
			process_end(&processes[i]);
	}
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, MODEL_USER_MIN, MODEL_USER_MAX));
	unmake_objects();
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"INV-01: random operations agree with an array of pages and keep I1 to I11", inv_01},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_madvise: row ADV-01, advice by advice. */
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A     0x100000ul
#define P     PAGE_SIZE
#define PAGES 8
#define END   (A + PAGES * P)

#define STACK	  0x10000000ul
#define STACK_MAX 0x100000ul
#define STACK_TOP (STACK + STACK_MAX)

static void
advise(struct vm_fixture *f, vm_offset_t start, vm_offset_t end, int advice)
{
	check_kr(KERN_SUCCESS, vm_map_madvise(f->map, start, end, advice));
}

static void
filled(struct vm_fixture *f)
{
	space_map(f->map, A, PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, PAGES, 1);
}

/* mapped: how many pages of [start, end) the page tables have. */
static size_t
mapped(struct vm_fixture *f, vm_offset_t start, vm_offset_t end)
{
	size_t n = 0;

	for (vm_offset_t va = start; va < end; va += P)
		n += space_mapped(f->map, va) != NULL;
	return n;
}

static void
refused(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	filled(f);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_madvise(f->map, A, END, -1));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_madvise(f->map, A, END, VM_ADVICE_CORE + 1));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_madvise(f->map, A + 1, END, VM_ADVICE_FREE));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_madvise(f->map, A, END - 1, VM_ADVICE_NOCORE));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_madvise(f->map, END, A, VM_ADVICE_DONTNEED));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_madvise(f->map, A, A, 99));
	for (int advice = VM_ADVICE_NORMAL; advice <= VM_ADVICE_CORE; advice++)
		advise(f, A + P, A + P, advice);
	check_unchanged(before, f->map);
}

/* What stays with the range, and the word that takes it back. */
static void
attributes(void **state)
{
	static const struct {
		int advice, undo;
		uint32_t flag;
	} table[] = {
	    {VM_ADVICE_RANDOM, VM_ADVICE_NORMAL, VM_ENTRY_BEHAV_RANDOM},
	    {VM_ADVICE_SEQUENTIAL, VM_ADVICE_NORMAL, VM_ENTRY_BEHAV_SEQUENTIAL},
	    {VM_ADVICE_NOSYNC, VM_ADVICE_AUTOSYNC, VM_ENTRY_NOSYNC},
	    {VM_ADVICE_NOCORE, VM_ADVICE_CORE, VM_ENTRY_NOCOREDUMP},
	};
	struct vm_fixture *f = *state;

	filled(f);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint32_t before = space_entry(f->map, A)->eflags;

		advise(f, A + 2 * P, A + 5 * P, table[i].advice);
		check_entry(f->map, A, A + 2 * P, VM_PROT_RW, VM_PROT_ALL);
		check_entry(f->map, A + 2 * P, A + 5 * P, VM_PROT_RW, VM_PROT_ALL);
		check_u64(before, space_entry(f->map, A)->eflags);
		check_u64(before | table[i].flag, space_entry(f->map, A + 2 * P)->eflags);
		check_u64(before, space_entry(f->map, A + 5 * P)->eflags);
		advise(f, A, END, table[i].undo);
		check_entry(f->map, A, END, VM_PROT_RW, VM_PROT_ALL);
		check_u64(before, space_entry(f->map, A)->eflags);
	}
	check_fill(f->proc, A, PAGES, 1);
	check_u64(PAGES * P, f->map->size);
	/* One of two that exclude each other. */
	advise(f, A, END, VM_ADVICE_RANDOM);
	advise(f, A, END, VM_ADVICE_SEQUENTIAL);
	check_u64(VM_ENTRY_BEHAV_SEQUENTIAL, space_entry(f->map, A)->eflags & VM_ENTRY_BEHAV_MASK);
}

/* Holes are fine, before, between and behind what is there. */
static void
holes(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 2 * P, A + 4 * P));
	for (int advice = VM_ADVICE_NORMAL; advice <= VM_ADVICE_CORE; advice++)
		if (advice != VM_ADVICE_FREE)
			advise(f, A - 4 * P, END + 4 * P, advice);
	advise(f, A - 4 * P, A, VM_ADVICE_NOCORE);
	advise(f, A + 2 * P, A + 4 * P, VM_ADVICE_FREE);
	advise(f, 0, -P, VM_ADVICE_NOCORE);
	check_u64(VM_ENTRY_NOCOREDUMP, space_entry(f->map, A)->eflags & VM_ENTRY_NOCOREDUMP);
	check_u64(VM_ENTRY_NOCOREDUMP, space_entry(f->map, END - 1)->eflags & VM_ENTRY_NOCOREDUMP);
	check_fill(f->proc, A, 2, 1);
	check_fill(f->proc, A + 4 * P, 4, 5);
	check_hole(f->map, A + 2 * P, A + 4 * P);
}

/* What has grown later has it too, if the range held the whole gap; a part of it changes nothing. */
static void
gap(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t bottom = STACK_TOP - vm_sgrowsiz;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0));
	advise(f, STACK + P, STACK_TOP, VM_ADVICE_NOCORE);
	model_user_store(f->proc, bottom - P, 1);
	check_u64(0, space_entry(f->map, bottom - P)->eflags & VM_ENTRY_NOCOREDUMP);
	check_u64(VM_ENTRY_NOCOREDUMP, space_entry(f->map, bottom)->eflags & VM_ENTRY_NOCOREDUMP);
	advise(f, STACK, STACK_TOP, VM_ADVICE_NOCORE);
	model_user_store(f->proc, bottom - 3 * vm_sgrowsiz, 1);
	check_u64(VM_ENTRY_NOCOREDUMP,
		  space_entry(f->map, bottom - 3 * vm_sgrowsiz)->eflags & VM_ENTRY_NOCOREDUMP);
	advise(f, STACK, STACK_TOP, VM_ADVICE_CORE);
	check_u64(0, space_entry(f->map, STACK)->gap_eflags & VM_ENTRY_NOCOREDUMP);
}

/* Resident pages are mapped, others are not made, and a store that needs a copy still does. */
static void
will_need(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before;
	struct proc *child;
	uint64_t faults;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 7 * P, END));
	space_map(f->map, A + 7 * P, P, VM_PROT_RW, VM_PROT_ALL, 0);
	child = model_proc_fork(f->proc);
	pmap_drop(f->pmap);
	check_u64(0, mapped(f, A, END));
	before = vm_usage_read();
	advise(f, A + P, END, VM_ADVICE_WILLNEED);
	check_u64(0, mapped(f, A, A + P));
	check_u64(6, mapped(f, A, END));
	check_u64(before.frames, vm_usage_read().frames);
	faults = model_fault_count();
	check_fill(f->proc, A + P, 6, 2);
	check_u64(faults, model_fault_count());
	space_fill(f->proc, A + P, 6, 50);
	check_fill(child, A, 7, 1);
	model_proc_destroy(child);
}

/* What cannot be read is not mapped; what is read-only is mapped so. */
static void
will_need_rights(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t byte = 0;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_NONE, FALSE));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 4 * P, END, VM_PROT_READ, FALSE));
	pmap_drop(f->pmap);
	advise(f, A, END, VM_ADVICE_WILLNEED);
	check_u64(0, mapped(f, A, A + 4 * P));
	check_u64(4, mapped(f, A + 4 * P, END));
	assert_true(model_access(f->pmap, END - 1, VM_PROT_READ, &byte));
	check_u64(0, byte);
	assert_false(model_access(f->pmap, END - 1, VM_PROT_WRITE, &byte));
}

static void
dont_need(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t frames;

	filled(f);
	child = model_proc_fork(f->proc);
	model_user_store(f->proc, A, 9);
	frames = vm_usage_read().frames;
	advise(f, A, END - P, VM_ADVICE_DONTNEED);
	check_u64(1, mapped(f, A, END));
	check_u64(frames, vm_usage_read().frames);
	check_u64(9, model_user_load(f->proc, A));
	check_fill(f->proc, A + P, PAGES - 1, 2);
	check_fill(child, A, PAGES, 1);
	model_proc_destroy(child);
}

/* Wired pages stay mapped and wired through all of it. */
static void
wired(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t faults;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	advise(f, A, END, VM_ADVICE_DONTNEED);
	advise(f, A, END, VM_ADVICE_FREE);
	advise(f, A, END, VM_ADVICE_WILLNEED);
	check_u64(PAGES, mapped(f, A, END));
	check_u64(PAGES, pmap_wired_count(f->pmap));
	faults = model_fault_count();
	check_fill(f->proc, A, PAGES, 1);
	check_u64(faults, model_fault_count());
}

static void
free_own(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t frames, charge;

	filled(f);
	charge = vm_usage_read().charge;
	frames = vm_usage_read().frames;
	advise(f, A + P, A + 4 * P, VM_ADVICE_FREE);
	check_u64(frames + 3, vm_usage_read().frames);
	check_u64(charge, vm_usage_read().charge);
	check_entry(f->map, A, END, VM_PROT_RW, VM_PROT_ALL);
	check_u64(1, model_user_load(f->proc, A));
	for (vm_offset_t va = A + P; va < A + 4 * P; va += P)
		check_u64(0, model_user_load(f->proc, va));
	check_fill(f->proc, A + 4 * P, 4, 5);
}

/* Both halves of an entry that was cut: only the one that is meant. */
static void
free_part(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_READ, FALSE));
	advise(f, A + 4 * P, END, VM_ADVICE_FREE);
	check_fill(f->proc, A, 4, 1);
	for (vm_offset_t va = A + 4 * P; va < END; va += P)
		check_u64(0, model_user_load(f->proc, va));
}

/* Were these pages freed, older data behind them would show, or another would lose what he sees. */
static void
free_refused(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 70);
	struct proc *child, *sharer;

	filled(f);
	child = model_proc_fork(f->proc);
	advise(f, A, END, VM_ADVICE_FREE);
	check_fill(child, A, PAGES, 1);
	space_fill(f->proc, A, 2, 50);
	advise(f, A, END, VM_ADVICE_FREE);
	check_fill(f->proc, A, 2, 50);
	check_fill(f->proc, A + 2 * P, PAGES - 2, 3);
	check_fill(child, A, PAGES, 1);

	space_map_object(f->map, object, END + P, VM_PROT_RW, VM_PROT_ALL, 0);
	advise(f, END + P, END + 3 * P, VM_ADVICE_FREE);
	check_fill(f->proc, END + P, 2, 70);

	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
	sharer = model_proc_fork(f->proc);
	space_fill(f->proc, A, PAGES, 90);
	advise(f, A, END, VM_ADVICE_FREE);
	check_fill(sharer, A, PAGES, 90);
	model_proc_destroy(sharer);
	model_proc_destroy(child);
	vm_object_deallocate(object);
}

/* The relative is gone: nobody sees the pages but this process, though it was never told. */
static void
free_after_child(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t frames;

	filled(f);
	model_proc_destroy(model_proc_fork(f->proc));
	frames = vm_usage_read().frames;
	advise(f, A, END, VM_ADVICE_FREE);
	assert_true(vm_usage_read().frames >= frames + PAGES);
	check_u64(0, space_entry(f->map, A)->object->resident);
	for (vm_offset_t va = A; va < END; va += P)
		check_u64(0, model_user_load(f->proc, va));
}

static void
guards(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	for (int advice = VM_ADVICE_NORMAL; advice <= VM_ADVICE_CORE; advice++)
		advise(f, A, A + 2 * P, advice);
	check_entry(f->map, A, A + 2 * P, VM_PROT_NONE, VM_PROT_NONE);
	check_u64(SEGV_ACCERR, model_user_read(f->proc, A, &(uint8_t){0}, 1));
}

/* referenced: does the page at va count as used? */
static bool
referenced(struct vm_fixture *f, size_t page)
{
	const struct vm_object *object = space_entry(f->map, A)->object;

	return vm_radix_lookup(&object->pages, page)->aflags & VM_PAGE_REFERENCED;
}

/* Pages of the range are forgotten to have been used, and no others. */
static void
dont_need_marks(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	pmap_drop(f->pmap); /* what the page tables know goes to the pages */
	for (size_t i = 0; i < PAGES; i++)
		assert_true(referenced(f, i));
	advise(f, A + 2 * P, A + 5 * P, VM_ADVICE_DONTNEED);
	for (size_t i = 0; i < PAGES; i++)
		check_u64(i < 2 || i >= 5, referenced(f, i));
}

struct call {
	struct vm_fixture *f;
	int advice;
	kern_return_t kr;
};

static void
call(void *arg)
{
	struct call *c = arg;

	c->kr = vm_map_madvise(c->f->map, A, A + 2 * P, c->advice);
}

static void
wire(void *arg)
{
	struct call *c = arg;

	c->kr = vm_map_wire(c->f->map, A, A + 2 * P, VM_MAP_WIRE_USER);
}

/* A wiring under way: an attribute waits for it, or ends with its thread; other advice goes on. */
static void
during_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(2);
	struct call wiring = {f, 0, -1}, killed = {f, VM_ADVICE_NOCORE, -1};
	struct call waiting = {f, VM_ADVICE_RANDOM, -1};
	struct thread *t[3];

	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	space_object_stall(object, 1);
	t[0] = model_thread_start("wirer", wire, &wiring);
	model_thread_await_sleep(t[0]);
	advise(f, A, A + 2 * P, VM_ADVICE_DONTNEED);
	advise(f, A, A + 2 * P, VM_ADVICE_WILLNEED);
	advise(f, A, A + 2 * P, VM_ADVICE_FREE);
	t[1] = model_thread_start("killed", call, &killed);
	model_thread_await_sleep(t[1]);
	t[2] = model_thread_start("waiting", call, &waiting);
	model_thread_await_sleep(t[2]);
	model_thread_kill(t[1]);
	model_thread_join(t[1]);
	check_kr(KERN_ABORTED, killed.kr);
	space_object_go_on(object, 1);
	model_thread_join(t[0]);
	model_thread_join(t[2]);
	check_kr(KERN_SUCCESS, wiring.kr);
	check_kr(KERN_SUCCESS, waiting.kr);
	check_u64(VM_ENTRY_BEHAV_RANDOM | VM_ENTRY_USER_WIRED, space_entry(f->map, A)->eflags);
	check_u64(2, pmap_wired_count(f->pmap));
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"ADV-01: unknown advice and bad ranges are refused, nothing changed", refused},
	    {"ADV-01: what stays with a range marks it and nothing beside it", attributes},
	    {"ADV-01: holes are fine", holes},
	    {"ADV-01: a stack's gap records it for what will grow", gap},
	    {"ADV-01: WILLNEED maps resident pages and makes none", will_need},
	    {"ADV-01: WILLNEED gives no right that there is not", will_need_rights},
	    {"ADV-01: DONTNEED keeps contents", dont_need},
	    {"ADV-01: wired pages stay as they are", wired},
	    {"ADV-01: FREE zeroes private memory and gives its frames back", free_own},
	    {"ADV-01: FREE of one part of an entry leaves the others", free_part},
	    {"ADV-01: FREE leaves what others see and what hides older data", free_refused},
	    {"ADV-01: FREE works again when the child is gone", free_after_child},
	    {"ADV-01: guards stay guards", guards},
	    {"ADV-01: attributes wait for a wiring, the wait ends with the thread", during_wiring},
	    {"ADV-01: DONTNEED marks the pages of the range as unused, and no others",
	     dont_need_marks},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every allocation in the kernel fails once, in turn (debug kernels; SYS_debug).
 *
 *	for n = 0, 1, 2 ... until the operation needs fewer than n allocations:
 *		in a copy of the process:  set up; let allocation n fail; do the operation
 *		it succeeded, or said ENOMEM and has changed nothing
 *		the copy is gone, and everything it had
 *
 * Then once more with many allocations from the n-th on failing, which also the ways back, and the
 * end of a process that is killed for want of memory, must do without.
 */
#include <pagoda/archive.h>
#include <pagoda/memory.h>
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define MOST_ALLOCS  5000 /* of one operation: then the test itself is wrong */
#define MOST_REGIONS 64
#define MOST_COUNTS  64
#define MANY	     50 /* more than a fault tries; who waits for memory goes on after them */
#define NEVER	     1000000
#define WARM_UP	     3
#define PAGES	     8
#define STACK_BYTES  (256ul << 10)

/* How the copy says what happened. */
#define STATUS_NOT_REACHED 10 /* there is no n-th allocation */

struct operation {
	void (*set_up)(void);
	int64_t (*act)(void); /* negative: failed */
	void (*check)(void);  /* after success; may be NULL */
};

static bool may_change; /* what was there may be lost if the operation fails */
static uint64_t area;	/* PAGES pages of this program, all touched */
static uint64_t place;	/* what the operation works on */
static handle_t object, other;
static struct own_stack_place {
	uint64_t low, top;
} stack;

/* ---- The regions of the process ---- */

struct regions {
	unsigned count;
	struct vm_region region[MOST_REGIONS];
};

static struct regions before, after;

/* What an operation that failed must have left as it was. */
static bool
same_region(const struct vm_region *a, const struct vm_region *b)
{
	const uint32_t kind =
	    VM_REGION_GUARD | VM_REGION_STACK_GAP | VM_REGION_STACK | VM_REGION_WIRED;

	return a->start == b->start && a->end == b->end && a->prot == b->prot &&
	       a->max_prot == b->max_prot && a->inherit == b->inherit && a->wired == b->wired &&
	       (a->flags & kind) == (b->flags & kind);
}

static void
take_regions(struct regions *r)
{
	uint64_t at = 0;

	r->count = 0;
	while (r->count < MOST_REGIONS && vm_query(HANDLE_SELF, at, &r->region[r->count]) == 0) {
		at = r->region[r->count++].end;
	}
}

static void
expect_unchanged(void)
{
	take_regions(&after);
	EXPECT_EQ(after.count, before.count);
	for (unsigned i = 0; i < before.count && i < after.count; i++) {
		const struct vm_region *a = &after.region[i], *b = &before.region[i];

		if (!EXPECT(same_region(b, a))) {
			tap_note("%#lx-%#lx prot %u wired %u flags %#x became %#lx-%#lx prot %u "
				 "wired %u flags %#x",
				 b->start, b->end, b->prot, b->wired, b->flags, a->start, a->end,
				 a->prot, a->wired, a->flags);
		}
	}
}

/* ---- What is in use in the kernel ---- */

struct counts {
	unsigned count;
	struct debug_count of[MOST_COUNTS];
};

static struct counts usual, now;

static void
take_counts(struct counts *c)
{
	c->count = 0;
	while (c->count < MOST_COUNTS &&
	       debug_call(DEBUG_COUNT, c->count, ADDR(&c->of[c->count])) == 0) {
		c->count++;
	}
}

static bool
counts_are_usual(void)
{
	take_counts(&now);
	for (unsigned i = 0; i < now.count; i++)
		if (now.of[i].value != usual.of[i].value)
			return false;
	return now.count == usual.count;
}

/* The threads in the kernel while no process is on its way out.  A thread's structure is the last that
 * goes, so when only these are left, all that the others had is free. */
static uint64_t threads_at_rest;
static int64_t main_id; /* the process that took it: a test's own process is one more */

static uint64_t
threads_in(const struct counts *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (strcmp(c->of[i].name, "thread") == 0) {
			return c->of[i].value;
		}
	}
	return 0;
}

static bool
at_rest(void)
{
	uint64_t own = proc_id(HANDLE_SELF) != main_id;

	return threads_at_rest == 0 || threads_in(&now) == threads_at_rest + own;
}

#define SETTLE_TRIES 500
#define SETTLED	     30

/* settle_usual: what is in use now is usual, once nobody is on its way out and the counts have stayed
 * the same for a while: a frame on its way to an idle processor's pool may be seen nowhere. */
static void
settle_usual(void)
{
	unsigned same = 0;

	for (int i = 0; i < SETTLE_TRIES && same < SETTLED; i++) {
		sleep_ms(1);
		same = counts_are_usual() && at_rest() ? same + 1 : 0;
		usual = now;
	}
	REQUIRE_EQ(same, SETTLED);
}

static void
settle_at_rest(void)
{
	settle_usual();
	main_id = proc_id(HANDLE_SELF);
	threads_at_rest = threads_in(&usual);
	REQUIRE(threads_at_rest != 0);
}

/* expect_usual: nothing is left of what has just run; threads take a moment to go. */
static void
expect_usual(unsigned n)
{
	for (int i = 0; i < SETTLE_TRIES && !counts_are_usual(); i++)
		sleep_ms(1);
	for (unsigned i = 0; i < usual.count; i++) {
		if (now.of[i].value != usual.of[i].value) {
			tap_note("after the failure of allocation %u:", n);
			tap_note("  %s", usual.of[i].name);
			EXPECT_EQ(now.of[i].value, usual.of[i].value);
		}
	}
	usual = now; /* to report each loss once */
}

/* ---- One operation ---- */

struct run {
	const struct operation *op;
	unsigned skip, fail;
};

static void
run_once(void *arg)
{
	const struct run *run = arg;
	int64_t result, failed;

	if (run->op->set_up != NULL) {
		run->op->set_up();
	}
	take_regions(&before);
	debug_call(DEBUG_FAIL_ALLOCS, run->skip, run->fail);
	result = run->op->act();
	failed = debug_call(DEBUG_FAIL_ALLOCS, 0, 0);
	EXPECT_EQ(debug_call(DEBUG_AUDIT, 0, 0), 0);
	if (result < 0) {
		/* An argument in memory that cannot be faulted in, however often it is tried. */
		if (run->fail == 1 || result != -EFAULT) {
			EXPECT_EQ(result, -ENOMEM);
		}
		EXPECT(failed > 0);
		if (!may_change) {
			expect_unchanged();
		}
	} else if (run->op->check != NULL) {
		run->op->check();
	}
	if (failed == 0) {
		proc_exit(STATUS_NOT_REACHED);
	}
}

/* run: the operation with allocation n failing; false if it needs no more than n, or went wrong. */
static bool
run_with(const struct operation *op, unsigned n, unsigned fail)
{
	struct run run = {op, n, fail};
	struct proc_status status = tap_run(run_once, &run);
	char text[96];

	if (status.how == PROC_EXITED && status.value == STATUS_NOT_REACHED) {
		return false;
	}
	/* Who touches memory that there is none for dies; with one failure the kernel tries again. */
	if (status.how == PROC_FAULTED && status.value == FAULT_NOMEM && fail > 1) {
		return true;
	}
	if (status.how == PROC_EXITED && status.value == 0) {
		return true;
	}
	describe_status(&status, text, sizeof text);
	tap_note("with allocation %u failing: %s", n, text);
	return EXPECT(false);
}

static void
fail_each(const struct operation *op, unsigned fail)
{
	unsigned n;

	/* The process's own pages count too: touch them all, and let the kernel's caches fill. */
	for (int i = 0; i < WARM_UP; i++)
		run_with(op, NEVER, 0);
	settle_usual();
	for (n = 0; n < MOST_ALLOCS && run_with(op, n, fail); n++) {
		expect_usual(n);
	}
	EXPECT(n < MOST_ALLOCS);
	expect_usual(n);
	tap_note("%u allocations", n);
}

static void
make_area(void)
{
	area = ADDR(map_pages(PAGES * PAGE_SIZE, PROT_RW));
	REQUIRE(area != 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(area + i * PAGE_SIZE, i);
	}
}

static void
every_allocation_fails(const struct operation *op)
{
	make_area();
	fail_each(op, 1);
	fail_each(op, MANY);
}

/* ---- The operations ---- */

static void
area_is_intact(void)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		EXPECT(page_holds(area + i * PAGE_SIZE, i));
	}
}

static int64_t
act_map(void)
{
	return vm_map(HANDLE_SELF, 0, PAGES * PAGE_SIZE, VM_MAP_ARGS(PROT_RW, PROT_RW, 0), 0, 0);
}

static void
set_up_map(void)
{
	place = act_map();
	REQUIRE((int64_t)place > 0);
}

static int64_t
act_touch(void)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		touch(place + i * PAGE_SIZE);
	}
	return 0;
}

static void
set_up_far_map(void)
{
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL);

	place = 0x500000000000;
	REQUIRE_EQ(vm_map(HANDLE_SELF, place, PAGES * PAGE_SIZE, args, 0, 0), place);
}

static int64_t
act_write_copies(void)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(area + i * PAGE_SIZE, i);
	}
	return 0;
}

static int64_t
act_populate(void)
{
	return vm_map(HANDLE_SELF, 0, PAGES * PAGE_SIZE,
		      VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_POPULATE), 0, 0);
}

/* The old is gone before the new is made. */
static void
set_up_loss(void)
{
	may_change = true;
}

static int64_t
act_replace(void)
{
	return vm_map(HANDLE_SELF, area + 2 * PAGE_SIZE, 2 * PAGE_SIZE,
		      VM_MAP_ARGS(PROT_READ, PROT_RW, VM_MAP_FLAG_FIXED), 0, 0);
}

static int64_t
act_unmap_middle(void)
{
	return vm_unmap(HANDLE_SELF, area + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
}

static int64_t
act_unmap_all(void)
{
	/* Needs no clip, so it must succeed. */
	EXPECT_EQ(vm_unmap(HANDLE_SELF, area, PAGES * PAGE_SIZE), 0);
	return 0;
}

static int64_t
act_protect(void)
{
	return vm_protect(HANDLE_SELF, area + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ, 0);
}

static int64_t
act_inherit(void)
{
	return vm_inherit(HANDLE_SELF, area + 2 * PAGE_SIZE, 2 * PAGE_SIZE, INHERIT_SHARE);
}

static int64_t
act_wire(void)
{
	return vm_wire(HANDLE_SELF, place + PAGE_SIZE, 3 * PAGE_SIZE);
}

static void
set_up_wired(void)
{
	set_up_map();
	REQUIRE_EQ(vm_wire(HANDLE_SELF, place, PAGES * PAGE_SIZE), 0);
}

static int64_t
act_unwire(void)
{
	return vm_unwire(HANDLE_SELF, place + PAGE_SIZE, 3 * PAGE_SIZE);
}

static int64_t
act_advise(void)
{
	return vm_advise(HANDLE_SELF, area + 2 * PAGE_SIZE, 2 * PAGE_SIZE, ADVICE_NOCORE);
}

/* Of copies still due, so objects are replaced. */
static int64_t
act_discard(void)
{
	return vm_discard(HANDLE_SELF, area + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
}

static void
check_discarded(void)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t page = area + i * PAGE_SIZE;

		EXPECT(i == 2 || i == 3 ? page_is_zero(page) : page_holds(page, i));
	}
}

#define FAR 0x500000000000ul

static int64_t
act_move(void)
{
	return vm_move(HANDLE_SELF, area + 2 * PAGE_SIZE, 2 * PAGE_SIZE, 3 * PAGE_SIZE,
		       VM_MOVE_FIXED, FAR);
}

static void
check_moved(void)
{
	EXPECT(page_holds(area + PAGE_SIZE, 1));
	EXPECT(page_holds(FAR, 2));
	EXPECT(page_holds(FAR + PAGE_SIZE, 3));
	EXPECT(page_is_zero(FAR + 2 * PAGE_SIZE));
	EXPECT(page_holds(area + 4 * PAGE_SIZE, 4));
}

static int64_t
act_move_wired(void)
{
	return vm_move(HANDLE_SELF, place, PAGES * PAGE_SIZE, (PAGES + 2) * PAGE_SIZE,
		       VM_MOVE_FIXED, FAR);
}

static int64_t
act_residency(void)
{
	uint8_t says[PAGES];

	return vm_residency(HANDLE_SELF, area, PAGES * PAGE_SIZE, says);
}

static void
set_up_wire_future(void)
{
	REQUIRE_EQ(vm_wire_future(HANDLE_SELF, 1), 0);
}

static void
set_up_stack(void)
{
	int64_t low = vm_map(HANDLE_SELF, 0, STACK_BYTES,
			     VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_STACK), 0, 0);

	REQUIRE(low > 0);
	stack.low = low;
	stack.top = low + STACK_BYTES;
}

static int64_t
act_make_stack(void)
{
	return vm_map(HANDLE_SELF, 0, STACK_BYTES, VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_STACK),
		      0, 0);
}

/* By the kernel's hand, so that a refusal is an error and not the end. */
static int64_t
act_grow(void)
{
	uint64_t word = 1;

	int64_t n = vm_write(HANDLE_SELF, stack.top - STACK_BYTES / 2, &word, sizeof word);
	return n == -EFAULT ? -ENOMEM : n;
}

static int64_t
act_object(void)
{
	int64_t result = object_create(PAGES * PAGE_SIZE);

	if (result > 0) {
		handle_close((handle_t)result);
	}
	return result;
}

static void
set_up_object(void)
{
	object = (handle_t)object_create(PAGES * PAGE_SIZE);
	REQUIRE(object > 0);
}

static int64_t
act_map_object(void)
{
	int64_t shared = vm_map(
	    HANDLE_SELF, 0, PAGES * PAGE_SIZE,
	    VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED), object, 0);

	if (shared < 0) {
		return shared;
	}
	place = shared;
	int64_t private = vm_map(HANDLE_SELF, 0, PAGES * PAGE_SIZE,
				 VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT), object, 0);
	if (private < 0) {
		EXPECT_EQ(vm_unmap(HANDLE_SELF, shared, PAGES * PAGE_SIZE), 0);
		return private;
	}
	touch(shared);
	touch(private);
	return 0;
}

static int64_t
act_fork(void)
{
	int64_t copy = proc_fork(HANDLE_SELF, NULL, 0);

	if (copy > 0) {
		handle_close((handle_t)copy);
	}
	return copy;
}

static void
set_up_kinds(void)
{
	set_up_wired();
	set_up_stack();
	REQUIRE_EQ(vm_inherit(HANDLE_SELF, area, 2 * PAGE_SIZE, INHERIT_SHARE), 0);
	REQUIRE_EQ(vm_inherit(HANDLE_SELF, area + 4 * PAGE_SIZE, PAGE_SIZE, INHERIT_ZERO), 0);
}

static void
nothing(void *arg)
{
	(void)arg;
}

static int64_t
act_fork_exit_wait(void)
{
	struct proc_status status;
	handle_t copy = fork();

	if (copy == HANDLE_SELF) {
		touch(area);
		proc_exit(0);
	}
	if (copy < 0) {
		return copy;
	}
	touch(area + PAGE_SIZE);
	EXPECT_EQ(wait_for(copy, &status), 0);
	EXPECT_EQ(status.how, PROC_EXITED);
	return 0;
}

/* The library maps the archive when it first looks into it. */
static void
set_up_archive(void)
{
	struct archive_file file;

	REQUIRE(archive_find("bin/hello", &file));
}

static int64_t
act_spawn(void)
{
	static const char *const argv[] = {"hello", "a", "b", NULL};
	struct thread_regs regs;
	int64_t result = spawn_stopped("bin/hello", argv, NULL, 0, &regs);

	if (result > 0) {
		handle_close((handle_t)result);
	}
	return result;
}

static int64_t
act_thread(void)
{
	struct user_thread t;
	int64_t error = thread_start(&t, nothing, NULL, 0);

	return error < 0 ? error : thread_join(&t);
}

static int64_t
act_futex(void)
{
	static uint32_t word;

	word = 1;
	return futex_wait(&word, 1, clock_now() + 1) == -ETIMEDOUT ? 0 : -ENOMEM;
}

static void
set_up_other(void)
{
	other = (handle_t)proc_fork(HANDLE_SELF, NULL, 0);
	REQUIRE(other > 0);
}

/* The copy's pages must be copied to be written. */
static int64_t
act_write_other(void)
{
	uint64_t word = 1;
	int64_t n = vm_write(other, area + PAGE_SIZE - 4, &word, sizeof word);

	return n == -EFAULT || n == 4 ? -ENOMEM : n;
}

static int64_t
act_handles(void)
{
	int64_t copy = handle_dup(object, RIGHT_ALL), result = copy;

	if (copy > 0) {
		result = proc_give(other, (handle_t)copy, 0);
		handle_close((handle_t)copy);
	}
	return result;
}

static void
set_up_object_and_other(void)
{
	set_up_object();
	set_up_other();
}

static int64_t
act_ask(void)
{
	struct system_info system;
	struct proc_info info;
	struct limit limit;
	int64_t error = system_info(&system);

	error = error < 0 ? error : proc_info(proc_id(HANDLE_SELF), &info);
	return error < 0 ? error : limit_get(HANDLE_SELF, LIMIT_STACK, &limit);
}

/* ---- What must not fail ---- */

static struct proc_status
end_without_memory(void (*fn)(void *))
{
	struct proc_status status = {0};

	for (int i = 0; i < WARM_UP; i++)
		tap_run(fn, NULL);
	settle_usual();
	status = tap_run(fn, NULL);
	expect_usual(0);
	return status;
}

static void
exit_without_memory(void *arg)
{
	(void)arg;
	set_up_kinds();
	set_up_object_and_other();
	act_touch();
	debug_call(DEBUG_FAIL_ALLOCS, 0, MANY);
	proc_exit(0);
}

static void
die_without_memory(void *arg)
{
	(void)arg;
	set_up_kinds();
	set_up_object_and_other();
	debug_call(DEBUG_FAIL_ALLOCS, 0, MANY);
	touch(0);
}

static void
kill_without_memory(void *arg)
{
	struct proc_status status;

	(void)arg;
	set_up_kinds();
	set_up_other();
	debug_call(DEBUG_FAIL_ALLOCS, 0, MANY);
	EXPECT_EQ(proc_kill(other, 1), 0);
	EXPECT_EQ(wait_for(other, &status), 0);
	EXPECT_EQ(debug_call(DEBUG_FAIL_ALLOCS, 0, 0), 0);
	EXPECT_EQ(status.how, PROC_KILLED);
}

static void
test_exit(void)
{
	make_area();
	struct proc_status status = end_without_memory(exit_without_memory);

	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 0);
}

static void
test_die(void)
{
	make_area();
	struct proc_status status = end_without_memory(die_without_memory);

	EXPECT_EQ(status.how, PROC_FAULTED);
	EXPECT_EQ(status.value, FAULT_MAPERR);
}

static void
test_kill(void)
{
	make_area();
	struct proc_status status = end_without_memory(kill_without_memory);

	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 0);
}

#define TEST(name, ...)                                           \
	static void test_##name(void)                             \
	{                                                         \
		static const struct operation op = {__VA_ARGS__}; \
		every_allocation_fails(&op);                      \
	}

TEST(map, NULL, act_map, area_is_intact)
TEST(touch, set_up_map, act_touch, NULL)
TEST(touch_far, set_up_far_map, act_touch, NULL)
TEST(write_copies, NULL, act_write_copies, area_is_intact)
TEST(populate, NULL, act_populate, NULL)
TEST(replace, set_up_loss, act_replace, NULL)
TEST(unmap_middle, NULL, act_unmap_middle, NULL)
TEST(unmap_all, NULL, act_unmap_all, NULL)
TEST(protect, NULL, act_protect, area_is_intact)
TEST(inherit, NULL, act_inherit, area_is_intact)
TEST(wire, set_up_map, act_wire, NULL)
TEST(unwire, set_up_wired, act_unwire, NULL)
TEST(advise, NULL, act_advise, area_is_intact)
TEST(discard, NULL, act_discard, check_discarded)
TEST(move, NULL, act_move, check_moved)
TEST(move_wired, set_up_wired, act_move_wired, NULL)
TEST(residency, NULL, act_residency, area_is_intact)
TEST(map_wired, set_up_wire_future, act_map, NULL)
TEST(make_stack, NULL, act_make_stack, NULL)
TEST(grow, set_up_stack, act_grow, NULL)
TEST(object, NULL, act_object, NULL)
TEST(map_object, set_up_object, act_map_object, NULL)
TEST(fork, NULL, act_fork, area_is_intact)
TEST(fork_kinds, set_up_kinds, act_fork, area_is_intact)
TEST(fork_exit_wait, NULL, act_fork_exit_wait, NULL)
TEST(spawn, set_up_archive, act_spawn, area_is_intact)
TEST(thread, NULL, act_thread, NULL)
TEST(futex, NULL, act_futex, NULL)
TEST(write_other, set_up_other, act_write_other, area_is_intact)
TEST(handles, set_up_object_and_other, act_handles, NULL)
TEST(ask, NULL, act_ask, NULL)

static const struct tap_test tests[] = {
    {"every allocation of a map fails", test_map},
    {"every allocation of first touches fails", test_touch},
    {"every allocation of first touches far away fails", test_touch_far},
    {"every allocation of writes to copied pages fails", test_write_copies},
    {"every allocation of a populated map fails", test_populate},
    {"every allocation of a replacement fails", test_replace},
    {"every allocation of an unmap with clips fails", test_unmap_middle},
    {"an unmap without clips needs no memory", test_unmap_all},
    {"every allocation of a protect with clips fails", test_protect},
    {"every allocation of an inherit with clips fails", test_inherit},
    {"every allocation of a wiring fails", test_wire},
    {"every allocation of an unwiring fails", test_unwire},
    {"every allocation of advice with clips fails", test_advise},
    {"every allocation of a discard of copies fails", test_discard},
    {"every allocation of a move that grows fails", test_move},
    {"every allocation of a move of wired memory that grows fails", test_move_wired},
    {"every allocation of a question about residency fails", test_residency},
    {"every allocation of a map that is wired at once fails", test_map_wired},
    {"every allocation of a new stack fails", test_make_stack},
    {"every allocation of a stack's growth fails", test_grow},
    {"every allocation of a memory object fails", test_object},
    {"every allocation of mapping an object fails", test_map_object},
    {"every allocation of a fork fails", test_fork},
    {"every allocation of a fork of all kinds of regions fails", test_fork_kinds},
    {"every allocation of fork, exit and wait fails", test_fork_exit_wait},
    {"every allocation of a spawn fails", test_spawn},
    {"every allocation of a thread fails", test_thread},
    {"every allocation of a futex wait fails", test_futex},
    {"every allocation of a write to another process fails", test_write_other},
    {"every allocation of giving handles fails", test_handles},
    {"every allocation of questions fails", test_ask},
    {"a process ends without memory", test_exit},
    {"a process dies of a fault without memory", test_die},
    {"a process is killed without memory", test_kill},
};

int
main(int argc, char **argv)
{
	if (debug_call(DEBUG_FAIL_ALLOCS, 0, 0) == -ENOSYS) {
		puts("1..0 # SKIP only debug kernels let allocations fail");
		return 0;
	}
	settle_at_rest();
	return tap_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}

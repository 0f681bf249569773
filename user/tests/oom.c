/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Eating everything: who asks for more than there is gets an error or dies, the others go on, and
 * all of it comes back.
 */
#include <pagoda/memory.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define MIB   (1ul << 20)
#define GIB   (1ul << 30)
#define SLACK 256 /* pages the kernel may keep in its slabs */

#define LEFT_OVER (8 * MIB)

static void
expect_no_memory(int64_t result)
{
	EXPECT_EQ(result, -ENOMEM);
}

/* Map without touching, in ever smaller pieces, until not a page more is granted. */
static void
map_everything(void *arg)
{
	int64_t result = -ENOMEM;

	(void)arg;
	for (uint64_t piece = 64 * GIB; piece >= PAGE_SIZE; piece /= 2) {
		uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, 0);

		do {
			result = vm_map(HANDLE_SELF, 0, piece, args, 0, 0);
		} while (result > 0);
	}
	expect_no_memory(result);
}

#define LARGEST_PIECE (4 * MIB)

/* Map and touch until refused.  True: refused; else this process dies of it.  Once refused, only a
 * few more of the smaller pieces are tried: another eater that ends would give back all it had. */
static bool
touch_everything(void)
{
	for (uint64_t piece = LARGEST_PIECE; piece >= PAGE_SIZE; piece /= 2) {
		for (int n = 0; piece == LARGEST_PIECE || n < 3; n++) {
			char *p = map_pages(piece, PROT_RW);

			if (p == NULL) {
				break;
			}
			for (uint64_t at = 0; at < piece; at += PAGE_SIZE) {
				touch(ADDR(p) + at);
			}
		}
	}
	return true;
}

/* Have all but a little promised to oneself, without touching it: the rest is quickly eaten. */
static void
hoard(void)
{
	struct system_info info;

	REQUIRE_EQ(system_info(&info), 0);
	if (info.commit_limit > info.commit_used + LEFT_OVER) {
		map_pages(info.commit_limit - info.commit_used - LEFT_OVER, PROT_RW);
	}
}

static void
eat_all_frames(void *arg)
{
	(void)arg;
	EXPECT(touch_everything());
}

static void
eat_memory(void *arg)
{
	hoard();
	eat_all_frames(arg);
}

/* Refused, or dead of it: both are right. */
static void
expect_end_of_eater(const struct proc_status *status)
{
	if (status->how == PROC_FAULTED) {
		EXPECT_EQ(status->value, FAULT_NOMEM);
	} else {
		EXPECT_EQ(status->how, PROC_EXITED);
		EXPECT_EQ(status->value, 0);
	}
}

static void
expect_eater_returns_all(void (*fn)(void *))
{
	struct system_info before;
	struct proc_status status = tap_run(fn, NULL); /* the kernel's own slabs grow only once */

	expect_end_of_eater(&status);
	tap_counts(&before);
	for (int i = 0; i < 2; i++) {
		status = tap_run(fn, NULL);
		expect_end_of_eater(&status);
	}
	tap_no_leak(&before, SLACK);
}

static void
map_until_refused(void)
{
	expect_eater_returns_all(map_everything);
}

static void
touch_until_refused(void)
{
	struct system_info before;
	struct proc_status status = tap_run(eat_memory, NULL);

	expect_end_of_eater(&status);
	tap_counts(&before);
	status = tap_run(eat_all_frames, NULL);
	expect_end_of_eater(&status);
	tap_no_leak(&before, SLACK);
}

static void
two_eaters(void)
{
	struct system_info before;
	struct proc_status status;
	handle_t eaters[2];

	tap_counts(&before);
	for (int i = 0; i < 2; i++) {
		eaters[i] = tap_start(eat_memory, NULL);
	}
	for (int i = 0; i < 2; i++) {
		REQUIRE_EQ(wait_for(eaters[i], &status), 0);
		expect_end_of_eater(&status);
	}
	tap_no_leak(&before, SLACK);
}

/* Another process works, and checks its data, while one eats. */
static void
work_on(void *arg)
{
	volatile uint32_t *stop = arg;
	uint64_t page = ADDR(map_pages(PAGE_SIZE, PROT_RW));

	REQUIRE(page != 0);
	for (uint64_t round = 0; !*stop; round++) {
		fill_page(page, round);
		yield();
		EXPECT(page_holds(page, round));
	}
}

static void
others_go_on(void)
{
	volatile uint32_t *stop = map_shared(PAGE_SIZE);
	struct proc_status status;

	REQUIRE(stop != NULL);
	*stop = 0;
	handle_t worker = tap_start(work_on, (void *)(uintptr_t)stop);
	sleep_ms(20); /* let it have its page */
	status = tap_run(eat_memory, NULL);
	expect_end_of_eater(&status);
	*stop = 1;
	REQUIRE_EQ(wait_for(worker, &status), 0);
	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 0);
}

/* With nothing left a fork is refused or succeeds; either way this process goes on. */
static void
fork_when_full(void *arg)
{
	uint64_t kept = ADDR(map_pages(PAGE_SIZE, PROT_RW));

	(void)arg;
	REQUIRE(kept != 0);
	fill_page(kept, 1);
	hoard();
	touch_everything();
	int64_t copy = proc_fork(HANDLE_SELF, NULL, 0);
	if (copy < 0) {
		expect_no_memory(copy);
	} else {
		handle_close((handle_t)copy);
	}
	EXPECT(page_holds(kept, 1));
}

static void
fork_refused(void)
{
	expect_eater_returns_all(fork_when_full);
}

static __attribute__((noinline)) int
recurse(int depth)
{
	volatile char frame[4 * PAGE_SIZE];

	frame[0] = (char)depth;
	return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

static void
grow_when_full(void *arg)
{
	(void)arg;
	hoard();
	touch_everything();
	recurse(200);
}

static void
growth_refused(void)
{
	struct system_info before;

	tap_run(grow_when_full, NULL);
	tap_counts(&before);
	struct proc_status status = tap_run(grow_when_full, NULL);
	EXPECT(status.how == PROC_FAULTED || status.how == PROC_EXITED);
	if (status.how == PROC_FAULTED) {
		EXPECT(status.value == FAULT_NOMEM || status.value == FAULT_MAPERR);
	}
	tap_no_leak(&before, SLACK);
}

/* ---- Frames that processors keep ---- */

#define STORE_PAGES 256	     /* more than a processor keeps */
#define RESERVED    (2 * 32) /* frames that programs do not get */
#define STRIDE \
	(2 * MIB) /* pages so far apart need a page table each, which is promised to nobody */
#define SPREAD_FROM (1024 * GIB)
#define SPREAD_MAX  8192

static uint64_t *left; /* frames that were free when the eater looked last */

/* Each processor gets some frames back, and has nothing to do afterwards. */
static void
fill_stores(void)
{
	struct system_info info;

	REQUIRE_EQ(system_info(&info), 0);
	for (uint64_t cpu = 0; cpu < info.cpus; cpu++) {
		REQUIRE_EQ(thread_affinity(HANDLE_SELF, 1ul << cpu), 0);
		char *p = map_pages(STORE_PAGES * PAGE_SIZE, PROT_RW);

		REQUIRE(p != NULL);
		for (uint64_t at = 0; at < STORE_PAGES * PAGE_SIZE; at += PAGE_SIZE) {
			touch(ADDR(p) + at);
		}
		unmap_pages(p, STORE_PAGES * PAGE_SIZE);
	}
	REQUIRE_EQ(thread_affinity(HANDLE_SELF, 1), 0);
}

/* Map SPREAD_MAX pages far apart, eat what is promised besides, then these, which take twice as many
 * frames.  They are mapped first, as vm_map does not wait for memory, and a fault does. */
static void
eat_spread(void *arg)
{
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL);
	struct system_info info;

	(void)arg;
	fill_stores();
	for (uint64_t i = 0; i < SPREAD_MAX; i++) {
		uint64_t at = SPREAD_FROM + i * STRIDE;

		REQUIRE_EQ(vm_map(HANDLE_SELF, at, PAGE_SIZE, args, 0, 0), at);
	}
	REQUIRE_EQ(system_info(&info), 0);
	uint64_t bytes = info.commit_limit - info.commit_used;
	char *p = map_pages(bytes, PROT_RW);

	REQUIRE(p != NULL);
	for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
		touch(ADDR(p) + at);
	}
	for (uint64_t i = 0; i < SPREAD_MAX; i++) {
		REQUIRE_EQ(system_info(&info), 0);
		*left = info.pages_free;
		touch(SPREAD_FROM + i * STRIDE);
	}
}

static void
stores_are_found(void)
{
	left = map_shared(sizeof(*left));
	REQUIRE(left != NULL);
	struct proc_status status = tap_run(eat_spread, NULL);

	expect_end_of_eater(&status);
	tap_note("%lu frames were left", *left);
	EXPECT(*left <= RESERVED);
}

/* ---- Other things that run out ---- */

#define MANY 4096

/* Take things by `take` until refused, then close all and take one again. */
static void
use_up_handles(int64_t (*take)(void), int64_t refusal)
{
	static handle_t taken[MANY];
	int64_t result = 0;
	int count = 0;

	while (count < MANY && (result = take()) > 0) {
		taken[count++] = (handle_t)result;
	}
	EXPECT_EQ(result, refusal);
	EXPECT(count > 100);
	for (int i = 0; i < count; i++) {
		EXPECT_EQ(handle_close(taken[i]), 0);
	}
	result = take();
	EXPECT(result > 0);
	handle_close((handle_t)result);
}

static void
expect_handles_return(int64_t (*take)(void), int64_t refusal)
{
	struct system_info before;

	use_up_handles(take, refusal);
	tap_counts(&before);
	use_up_handles(take, refusal);
	tap_no_leak(&before, SLACK);
}

static int64_t
take_object(void)
{
	return object_create(PAGE_SIZE);
}

static int64_t
take_process(void)
{
	return proc_create("eaten", 0);
}

static int64_t
take_duplicate(void)
{
	static handle_t original;

	if (original == 0) {
		original = (handle_t)object_create(PAGE_SIZE);
	}
	return handle_dup(original, RIGHT_ALL);
}

static void
objects(void)
{
	expect_handles_return(take_object, -EMFILE);
}

static void
processes(void)
{
	expect_handles_return(take_process, -EMFILE);
}

static void
duplicates(void)
{
	expect_handles_return(take_duplicate, -EMFILE);
}

static void
thread_waits(void *arg)
{
	(void)arg;
	sleep_until(FOREVER);
}

static void
eat_threads(void *arg)
{
	struct thread_regs regs;
	int64_t result;
	int count = 0;

	(void)arg;
	thread_regs_init(&regs, thread_waits, NULL,
			 ADDR(map_pages(PAGE_SIZE, PROT_RW)) + PAGE_SIZE);
	while ((result = thread_create(HANDLE_SELF, &regs, THREAD_CREATE_STOPPED)) > 0) {
		count++;
	}
	EXPECT(result == -EMFILE || result == -ENOMEM);
	EXPECT(count > 100);
}

static void
threads(void)
{
	expect_eater_returns_all(eat_threads);
}

#define REGIONS 20000

static void
eat_regions(void *arg)
{
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, 0);
	uint64_t area = ADDR(map_pages(2 * REGIONS * PAGE_SIZE, PROT_NONE));
	uint64_t i;

	(void)arg;
	REQUIRE(area != 0);
	unmap_pages((void *)area, 2 * REGIONS * PAGE_SIZE);
	for (i = 0; i < REGIONS; i++) {
		if (vm_map(HANDLE_SELF, area + 2 * i * PAGE_SIZE, PAGE_SIZE, args, 0, 0) < 0) {
			break;
		}
	}
	EXPECT(i > 1000);
	EXPECT_EQ(vm_unmap(HANDLE_SELF, area, 2 * REGIONS * PAGE_SIZE), 0);
}

static void
regions(void)
{
	expect_eater_returns_all(eat_regions);
}

/* Far from whatever else is mapped. */
#define TABLES_FROM (1024 * GIB)
#define TABLES_TO   (3072 * GIB)

static void
eat_tables(void *arg)
{
	uint64_t at;
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL);

	(void)arg;
	/* Pages a GiB apart: each needs page tables of its own. */
	for (at = TABLES_FROM; at < TABLES_TO; at += GIB) {
		if (vm_map(HANDLE_SELF, at, PAGE_SIZE, args, 0, 0) > 0) {
			touch(at);
		}
	}
	EXPECT_EQ(vm_unmap(HANDLE_SELF, TABLES_FROM, TABLES_TO - TABLES_FROM), 0);
}

static void
tables(void)
{
	expect_eater_returns_all(eat_tables);
}

static const struct tap_test tests[] = {
    {"mapping everything ends in ENOMEM and all comes back", map_until_refused},
    {"touching all memory ends in ENOMEM or death and all comes back", touch_until_refused},
    {"two eaters at once both end and all comes back", two_eaters},
    {"another process works on while one eats", others_go_on},
    {"FRK-04: a fork without memory is refused and the process goes on", fork_refused},
    {"stack growth without memory ends the process only", growth_refused},
    {"nobody starves while processors have frames in store", stores_are_found},
    {"objects run out and come back", objects},
    {"processes run out and come back", processes},
    {"handles run out and come back", duplicates},
    {"threads run out and come back", threads},
    {"thousands of regions come back", regions},
    {"page tables come back", tables},
};

TAP_MAIN(tests)

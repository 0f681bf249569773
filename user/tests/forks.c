/* SPDX-License-Identifier: BSD-2-Clause */
/* A thousand forks, and nothing is lost: free pages, objects, entries, page tables (row FRK-02). */
#include <pagoda/memory.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define PAGES	16
#define FORKS	1000
#define WARM_UP 20

/* Twenty spaces at once need more slabs than one after another, and each zone may keep an empty one.
 * Everywhere else the count of free pages must be what it was, to the page. */
#define SLAB_SLACK 64

static uint64_t area;

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
write_page(void *arg)
{
	uint64_t i = ADDR(arg) % PAGES;

	touch(area + i * PAGE_SIZE);
}

static void
write_nothing(void *arg)
{
	(void)arg;
}

static void
repeat(void (*fn)(void *), unsigned count)
{
	for (unsigned long i = 0; i < count; i++) {
		struct proc_status status = tap_run(fn, (void *)i);

		if (status.how != PROC_EXITED || status.value != 0) {
			EXPECT_EQ(status.how, PROC_EXITED);
			EXPECT_EQ(status.value, 0);
			return;
		}
	}
}

static void
expect_nothing_lost(void (*fn)(void *), unsigned count)
{
	struct system_info before = {0};

	make_area();
	repeat(fn, WARM_UP);
	tap_counts(&before);
	repeat(fn, count);
	tap_no_leak(&before, 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		EXPECT(page_holds(area + i * PAGE_SIZE, i));
	}
}

static void
thousand_writers(void)
{
	struct vm_region r;

	expect_nothing_lost(write_page, FORKS);
	REQUIRE(region_at(area, &r));
	EXPECT(r.chain <= 3);
}

static void
idle_children(void)
{
	expect_nothing_lost(write_nothing, 200);
}

static void
fault_child(void *arg)
{
	(void)arg;
	touch(0);
}

static void
faulting_children(void)
{
	struct system_info before = {0};

	make_area();
	for (int i = 0; i < 100 + WARM_UP; i++) {
		if (i == WARM_UP) {
			tap_counts(&before);
		}
		EXPECT_FAULT(fault_child, NULL, FAULT_MAPERR, 0);
	}
	tap_no_leak(&before, 0);
}

/* Both sides write between forks, so that a new shadow is made each time. */
static void
write_both(void *arg)
{
	write_page(arg);
	write_page((char *)arg + 1);
}

static void
both_write(void)
{
	struct system_info before = {0};
	struct vm_region r;

	make_area();
	for (unsigned long i = 0; i < 300 + WARM_UP; i++) {
		if (i == WARM_UP) {
			tap_counts(&before);
		}
		tap_run(write_both, (void *)i);
		fill_page(area + i % PAGES * PAGE_SIZE, i % PAGES);
	}
	tap_no_leak(&before, 0);
	REQUIRE(region_at(area, &r));
	EXPECT(r.chain <= 3);
}

#define ALIVE 20

static void
wait_to_be_killed(void *arg)
{
	write_page(arg);
	sleep_until(FOREVER);
}

static void
many_alive(void)
{
	handle_t children[ALIVE];
	struct system_info before = {0};
	struct proc_status status;

	make_area();
	for (int round = 0; round < 6; round++) {
		if (round == 1) {
			tap_counts(&before);
		}
		for (unsigned long i = 0; i < ALIVE; i++) {
			children[i] = tap_start(wait_to_be_killed, (void *)i);
		}
		for (int i = 0; i < ALIVE; i++) {
			proc_kill(children[i], i);
			EXPECT_EQ(wait_for(children[i], &status), 0);
			EXPECT_EQ(status.how, PROC_KILLED);
			EXPECT_EQ(status.value, i);
		}
	}
	tap_no_leak(&before, SLAB_SLACK);
}

static void
fork_a_grandchild(void *arg)
{
	tap_run(write_page, arg);
}

static void
grandchildren(void)
{
	expect_nothing_lost(fork_a_grandchild, 100);
}

static void
touch_there(void *page)
{
	touch(ADDR(page));
}

/* Something of every kind of call, most of it left to the end of the process to clear up. */
static void
use_everything(void *arg)
{
	uint64_t shared = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);
	handle_t object = (handle_t)object_create(4 * PAGE_SIZE);
	int64_t view = vm_map(HANDLE_SELF, 0, 4 * PAGE_SIZE, shared, object, 0);
	struct user_thread thread;
	struct limit limit;
	uint64_t word = 1;

	(void)arg;
	REQUIRE(view > 0);
	touch(view);
	EXPECT_EQ(thread_start(&thread, touch_there, (void *)(view + PAGE_SIZE), 0), 0);
	EXPECT_EQ(thread_join(&thread), 0);
	EXPECT_EQ(vm_protect(HANDLE_SELF, area, PAGE_SIZE, PROT_READ, 0), 0);
	EXPECT_EQ(vm_inherit(HANDLE_SELF, area, 2 * PAGE_SIZE, INHERIT_SHARE), 0);
	EXPECT_EQ(vm_wire(HANDLE_SELF, area + 4 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	EXPECT_EQ(vm_unmap(HANDLE_SELF, area + 8 * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(vm_write(HANDLE_SELF, view, &word, sizeof word), sizeof word);
	EXPECT_EQ(vm_read(HANDLE_SELF, view, &word, sizeof word), sizeof word);
	EXPECT_EQ(limit_get(HANDLE_SELF, LIMIT_STACK, &limit), 0);
	EXPECT(handle_dup(HANDLE_SELF, RIGHT_ALL) > 0); /* names itself: must not keep itself */
	EXPECT_EQ(futex_wait((uint32_t *)view, 7, 0), -EAGAIN);
	touch(area + (PAGES - 1) * PAGE_SIZE);
}

static void
busy_children(void)
{
	expect_nothing_lost(use_everything, 100);
}

/* The middle one dies first: the grandchild's memory must outlive it. */
static void
leave_an_orphan(void *arg)
{
	handle_t grandchild = tap_start(write_page, arg);

	handle_close(grandchild);
}

static void
orphans(void)
{
	expect_nothing_lost(leave_an_orphan, 100);
}

static void
never_started(void)
{
	struct system_info before = {0};

	make_area();
	for (int i = 0; i < 100 + WARM_UP; i++) {
		if (i == WARM_UP) {
			tap_counts(&before);
		}
		int64_t copy = proc_fork(HANDLE_SELF, NULL, 0);
		REQUIRE(copy > 0);
		touch(area + i % PAGES * PAGE_SIZE);
		EXPECT_EQ(handle_close((handle_t)copy), 0);
	}
	tap_no_leak(&before, 0);
}

static const struct tap_test tests[] = {
    {"FRK-02: 1000 forks that write a page lose nothing", thousand_writers},
    {"200 forks that write nothing lose nothing", idle_children},
    {"forks that die of a fault lose nothing", faulting_children},
    {"forks where both sides write lose nothing and leave a short chain", both_write},
    {"20 copies alive at once are killed and nothing is lost", many_alive},
    {"grandchildren lose nothing", grandchildren},
    {"grandchildren that outlive their parent lose nothing", orphans},
    {"children that use calls of every kind lose nothing", busy_children},
    {"copies that never get a thread lose nothing", never_started},
};

TAP_MAIN(tests)

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How stacks grow: by touch, by steps, inside system calls, down to the guard, a limit or an
 * intruder and not a byte further (contract rows GRW).
 */
#include <pagoda/memory.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#include "user/tests/own_stack.h"

#define MIB (1ul << 20)

static void
mapped_touch(void)
{
	struct own_stack s;

	own_stack_make(&s, MIB, PROT_RW);
	touch(s.top - 1);
	touch(own_stack_start(&s));
	EXPECT_EQ(own_stack_size(&s), s.step);
}

static void
elsewhere_touch(void)
{
	struct own_stack s;
	uint64_t page = ADDR(map_pages(PAGE_SIZE, PROT_RW));

	own_stack_make(&s, MIB, PROT_RW);
	touch(page);
	EXPECT_EQ(own_stack_size(&s), s.step);
}

static void
hole(void)
{
	uint64_t page = ADDR(map_pages(PAGE_SIZE, PROT_RW));

	unmap_pages((void *)page, PAGE_SIZE);
	EXPECT_FAULT(touch_at, page + 8, FAULT_MAPERR, page + 8);
	EXPECT_FAULT(touch_at, 8, FAULT_MAPERR, 8);
}

static void
one_step(void)
{
	struct own_stack s;
	struct vm_region r;
	uint64_t addr;

	own_stack_make(&s, MIB, PROT_ALL);
	addr = own_stack_start(&s) - 1;
	EXPECT_EQ(peek(addr), 0);
	EXPECT_EQ(own_stack_size(&s), 2 * s.step);
	REQUIRE(region_at(addr, &r));
	EXPECT_EQ(r.prot, PROT_RW);
	EXPECT_EQ(r.max_prot, PROT_ALL);
	touch(addr);
}

static void
far_touch(void)
{
	struct own_stack s;

	own_stack_make(&s, MIB, PROT_RW);
	touch(own_stack_start(&s) - s.step - 1);
	EXPECT_EQ(own_stack_size(&s), 3 * s.step);
}

static void
guard_touch(void)
{
	struct own_stack s;

	own_stack_make(&s, MIB, PROT_RW);
	EXPECT_FAULT(touch_at, s.low + s.guard - 1, FAULT_MAPERR, s.low + s.guard - 1);
	EXPECT_FAULT(touch_at, s.low, FAULT_MAPERR, s.low);
	EXPECT_EQ(own_stack_size(&s), s.step);
}

static void
above_guard(void)
{
	struct own_stack s;
	struct vm_region r;

	own_stack_make(&s, MIB, PROT_RW);
	touch(s.low + s.guard);
	EXPECT_EQ(own_stack_size(&s), MIB - s.guard);
	REQUIRE(region_at(s.low, &r));
	EXPECT_EQ(r.end - r.start, s.guard);
	EXPECT_FAULT(touch_at, s.low + s.guard - 1, FAULT_MAPERR, s.low + s.guard - 1);
}

static void
last_page(void)
{
	struct own_stack s;

	own_stack_make(&s, MIB, PROT_RW);
	touch(s.low + s.guard + PAGE_SIZE + s.step); /* leaves less than a step, perhaps a page */
	touch(s.low + s.guard);
	EXPECT_EQ(own_stack_size(&s), MIB - s.guard);
}

/* ---- The main stack and LIMIT_STACK ---- */

static void
stack_limit(void)
{
	struct proc_info before, after;
	uint64_t start;

	main_stack(&before);
	start = before.stack_top - before.stack_size;
	set_limit(LIMIT_STACK, before.stack_size + PAGE_SIZE);
	EXPECT_FAULT(touch_at, start - PAGE_SIZE - 1, FAULT_MAPERR, start - PAGE_SIZE - 1);
	touch(start - 1);
	main_stack(&after);
	EXPECT_EQ(after.stack_size, before.stack_size + PAGE_SIZE);
	EXPECT_FAULT(touch_at, start - PAGE_SIZE - 1, FAULT_MAPERR, start - PAGE_SIZE - 1);
}

static void
limit_lowered(void)
{
	struct proc_info info;
	uint64_t start;

	main_stack(&info);
	start = info.stack_top - info.stack_size;
	set_limit(LIMIT_STACK, PAGE_SIZE);
	touch(start);
	EXPECT_FAULT(touch_at, start - 1, FAULT_MAPERR, start - 1);
	main_stack(&info);
	EXPECT_EQ(info.stack_top - info.stack_size, start);
}

static void
limit_above_reservation(void)
{
	struct proc_info info;
	struct system_info system;
	unsigned regions;

	main_stack(&info);
	system_info(&system);
	regions = region_count(0, info.stack_low);
	set_limit(LIMIT_STACK, LIMIT_INFINITY);
	EXPECT_EQ(region_count(0, info.stack_low), regions);
	EXPECT_FAULT(touch_at, info.stack_low - 1, FAULT_MAPERR, info.stack_low - 1);
	EXPECT_FAULT(touch_at, info.stack_low, FAULT_MAPERR, info.stack_low);
	uint64_t last = info.stack_low + system.stack_guard - 1;
	EXPECT_FAULT(touch_at, last, FAULT_MAPERR, last);
}

static void
limit_raised(void)
{
	struct proc_info info;
	uint64_t start, addr;

	main_stack(&info);
	start = info.stack_top - info.stack_size;
	addr = start - 3 * MIB;
	set_limit(LIMIT_STACK, info.stack_size + MIB);
	EXPECT_FAULT(touch_at, addr, FAULT_MAPERR, addr);
	set_limit(LIMIT_STACK, info.stack_size + 4 * MIB);
	touch(addr);
	EXPECT_EQ(peek(addr), 1);
}

/* ---- LIMIT_VMEM ---- */

static void
vmem_clamps(void)
{
	struct own_stack s;

	own_stack_make(&s, MIB, PROT_RW);
	set_limit(LIMIT_VMEM, space_size() + PAGE_SIZE);
	touch(own_stack_start(&s) - 1);
	EXPECT_EQ(own_stack_size(&s), s.step + PAGE_SIZE);
}

static void
vmem_refuses(void)
{
	struct own_stack s;
	uint64_t addr;

	own_stack_make(&s, MIB, PROT_RW);
	set_limit(LIMIT_VMEM, space_size() + PAGE_SIZE);
	addr = own_stack_start(&s) - PAGE_SIZE - 1;
	EXPECT_FAULT(touch_at, addr, FAULT_MAPERR, addr);
	EXPECT_EQ(own_stack_size(&s), s.step);
}

/* ---- Wiring ---- */

static void
wired_growth(void)
{
	struct own_stack s;
	struct vm_region r;
	struct proc_info before, after;

	own_stack_make(&s, MIB, PROT_RW);
	set_limit(LIMIT_MEMLOCK, LIMIT_INFINITY);
	REQUIRE_EQ(vm_wire_future(HANDLE_SELF, 1), 0);
	main_stack(&before);
	touch(own_stack_start(&s) - 1);
	main_stack(&after);
	EXPECT_EQ(after.wired, before.wired + s.step);
	REQUIRE(region_at(own_stack_start(&s), &r));
	EXPECT(r.flags & VM_REGION_WIRED);
	EXPECT_EQ(r.resident, (r.end - r.start) / PAGE_SIZE);
}

static void
wired_growth_limit(void)
{
	struct own_stack s;
	struct proc_info info;
	uint64_t addr;

	own_stack_make(&s, MIB, PROT_RW);
	main_stack(&info);
	set_limit(LIMIT_MEMLOCK, info.wired + PAGE_SIZE);
	REQUIRE_EQ(vm_wire_future(HANDLE_SELF, 1), 0);
	addr = own_stack_start(&s) - PAGE_SIZE - 1;
	struct proc_status status = tap_run(touch_at, (void *)addr);
	EXPECT_EQ(status.how, PROC_EXITED); /* a copy does not inherit the wish */
	EXPECT(system_info((struct system_info *)(addr & ~7ul)) < 0);
	EXPECT_EQ(own_stack_size(&s), s.step);
}

/* ---- Protection ---- */

static void
lowest_page_protected(void)
{
	struct own_stack s;
	struct vm_region r;
	uint64_t start;

	own_stack_make(&s, MIB, PROT_RW);
	start = own_stack_start(&s);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, start, PAGE_SIZE, PROT_NONE, 0), 0);
	touch(start - 1);
	REQUIRE(region_at(start - 1, &r));
	EXPECT_EQ(r.prot, PROT_RW);
	EXPECT_EQ(r.end, start);
	EXPECT(r.flags & VM_REGION_STACK);
	EXPECT_FAULT(touch_at, start, FAULT_ACCERR, start);
}

static void
whole_reservation_protected(void)
{
	struct own_stack s;
	struct vm_region r;
	uint64_t addr;

	own_stack_make(&s, MIB, PROT_ALL);
	touch(s.top - 1);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, s.low, MIB, PROT_RX, 0), 0);
	addr = own_stack_start(&s) - 1;
	EXPECT_EQ(peek(addr), 0);
	REQUIRE(region_at(addr, &r));
	EXPECT_EQ(r.prot, PROT_RX);
	EXPECT_FAULT(touch_at, addr, FAULT_ACCERR, addr);
	EXPECT_EQ(peek(s.top - 1), 1);
}

static void
part_of_gap_protected(void)
{
	struct own_stack s;
	struct vm_region r;
	uint64_t start, middle;

	own_stack_make(&s, MIB, PROT_RW);
	start = own_stack_start(&s);
	middle = page_round_down((s.low + s.guard + start) / 2);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, middle, s.top - middle, PROT_READ, 0), 0);
	EXPECT_FAULT(touch_at, start, FAULT_ACCERR, start);
	REQUIRE(region_at(s.low, &r));
	EXPECT_EQ(r.end, start);
	touch(start - 1);
	REQUIRE(region_at(start - 1, &r));
	EXPECT_EQ(r.prot, PROT_RW);
	touch(s.low + s.guard);
}

/* ---- Depth ---- */

#define LEVELS 64

static void
many_levels(void)
{
	struct own_stack s;
	struct vm_region r;

	own_stack_make(&s, (LEVELS + 2) * (128 * 1024ul), PROT_RW);
	for (unsigned i = 0; i < LEVELS; i++) {
		uint64_t page = own_stack_start(&s) - PAGE_SIZE;

		if (page < s.low + s.guard) {
			break;
		}
		fill_page(page, page);
	}
	for (uint64_t page = own_stack_start(&s) + s.step - PAGE_SIZE; page < s.top - s.step;
	     page += s.step) {
		EXPECT(page_holds(page, page));
	}
	REQUIRE(region_at(own_stack_start(&s), &r));
	EXPECT_EQ(r.end, s.top);
	EXPECT_EQ(region_count(s.low, s.top), 2);
}

/* Real frames, each with a page of data that is checked on the way back. */
static __attribute__((noinline)) bool
recurse(unsigned depth)
{
	uint64_t page[2 * PAGE_SIZE / sizeof(uint64_t)];
	uint64_t addr = page_round_up(ADDR(page));
	bool held = true;

	fill_page(addr, depth);
	if (depth > 0) {
		held = recurse(depth - 1);
	}
	return page_holds(addr, depth) && held;
}

static void
deep_recursion(void)
{
	struct proc_info before, after;

	set_limit(LIMIT_STACK, 64 * MIB);
	main_stack(&before);
	EXPECT(recurse(1000));
	main_stack(&after);
	EXPECT(after.stack_size >= before.stack_size + 7 * MIB);
	EXPECT_EQ(region_count(after.stack_top - after.stack_size, after.stack_top), 1);
}

static __attribute__((noinline)) void
large_frame(uint64_t bytes)
{
	uint64_t frame = page_round_up(ADDR(__builtin_alloca(bytes + PAGE_SIZE)));

	touch(frame);
	for (uint64_t at = 0; at < bytes; at += MIB) {
		fill_page(frame + at, at);
	}
	for (uint64_t at = 0; at < bytes; at += MIB) {
		EXPECT(page_holds(frame + at, at));
	}
}

static void
very_large_frame(void)
{
	struct proc_info info;

	set_limit(LIMIT_STACK, 64 * MIB);
	large_frame(8 * MIB);
	main_stack(&info);
	EXPECT(info.stack_size >= 8 * MIB);
}

/* ---- Neighbours ---- */

static void
orphaned_gap(void)
{
	struct own_stack s;
	uint64_t start;

	own_stack_make(&s, MIB, PROT_RW);
	start = own_stack_start(&s);
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, start, s.top - start), 0);
	EXPECT_FAULT(touch_at, start - 1, FAULT_MAPERR, start - 1);
	EXPECT_FAULT(touch_at, s.low + s.guard, FAULT_MAPERR, s.low + s.guard);
	EXPECT_FAULT(touch_at, s.low, FAULT_MAPERR, s.low);
}

static void
intruder(void)
{
	struct own_stack s;
	struct vm_region r;
	uint64_t page, floor;

	own_stack_make(&s, MIB, PROT_RW);
	page = s.low + MIB / 2;
	REQUIRE_EQ(vm_map(HANDLE_SELF, page, PAGE_SIZE,
			  VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED), 0, 0),
		   page);
	fill_page(page, 20);
	floor = page + PAGE_SIZE + s.guard;
	EXPECT_FAULT(touch_at, floor - 1, FAULT_MAPERR, floor - 1);
	touch(floor);
	EXPECT_EQ(own_stack_start(&s), floor);
	EXPECT_FAULT(touch_at, floor - 1, FAULT_MAPERR, floor - 1);
	EXPECT_FAULT(touch_at, page - 1, FAULT_MAPERR, page - 1);
	EXPECT_FAULT(touch_at, s.low + s.guard, FAULT_MAPERR, s.low + s.guard);
	EXPECT(page_holds(page, 20));
	REQUIRE(region_at(page, &r));
	EXPECT_EQ(r.start, page);
	EXPECT_EQ(r.end, page + PAGE_SIZE);
	EXPECT_EQ(r.prot, PROT_RW);
}

/* ---- Several threads, several processes ---- */

struct filler {
	const struct own_stack *stack;
	unsigned parity;
	uint32_t *ready;
};

/* Fill every other page of the gap, from the top down, once both have come here. */
static void
fill_every_other(void *arg)
{
	struct filler *f = arg;
	uint64_t page = f->stack->top - (1 + f->parity) * PAGE_SIZE;

	__atomic_add_fetch(f->ready, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(f->ready, __ATOMIC_RELAXED) < 2) {
		yield();
	}
	for (; page >= f->stack->low + f->stack->guard; page -= 2 * PAGE_SIZE) {
		fill_page(page, page);
		yield();
	}
}

static void
two_threads(void)
{
	struct own_stack s;
	uint32_t ready = 0;
	struct user_thread threads[2];
	struct filler fillers[2] = {{&s, 0, &ready}, {&s, 1, &ready}};

	own_stack_make(&s, 2 * MIB, PROT_RW);
	uint64_t size = space_size();
	for (int i = 0; i < 2; i++) {
		REQUIRE_EQ(thread_start(&threads[i], fill_every_other, &fillers[i], 0), 0);
	}
	for (int i = 0; i < 2; i++) {
		REQUIRE_EQ(thread_join(&threads[i]), 0);
	}
	for (uint64_t page = s.low + s.guard; page < s.top; page += PAGE_SIZE) {
		EXPECT(page_holds(page, page));
	}
	EXPECT_EQ(own_stack_size(&s), 2 * MIB - s.guard);
	EXPECT_EQ(space_size(), size + 2 * MIB - s.guard - s.step);
}

static void
grow_in_child(void *arg)
{
	uint64_t page = ADDR(arg);
	struct proc_info before, after;

	EXPECT(page_holds(page, 1));
	main_stack(&before);
	fill_page(page, 2);
	fill_page(page - 2 * MIB, 3);
	main_stack(&after);
	EXPECT(after.stack_size >= before.stack_size + MIB);
	EXPECT(page_holds(page, 2));
}

static void
grown_stack_forked(void)
{
	struct proc_info before, info;

	set_limit(LIMIT_STACK, 64 * MIB);
	main_stack(&info);
	uint64_t page = info.stack_top - info.stack_size - MIB;
	fill_page(page, 1);
	main_stack(&before);
	EXPECT_SURVIVES(grow_in_child, page);
	main_stack(&info);
	EXPECT_EQ(info.stack_size, before.stack_size);
	EXPECT(page_holds(page, 1));
	fill_page(page - 2 * MIB, 4);
	EXPECT(page_holds(page - 2 * MIB, 4));
}

static void
other_process_gap(void)
{
	struct own_stack s;
	uint64_t start, value = 1;
	struct vm_region r;

	own_stack_make(&s, MIB, PROT_RW);
	start = own_stack_start(&s);
	handle_t copy = (handle_t)proc_fork(HANDLE_SELF, NULL, 0);
	REQUIRE(copy > 0);
	EXPECT_EQ(vm_write(copy, start, &value, sizeof value), sizeof value);
	EXPECT_EQ(vm_write(copy, start - 8, &value, sizeof value), -EFAULT);
	EXPECT_EQ(vm_read(copy, start - 8, &value, sizeof value), -EFAULT);
	REQUIRE_EQ(vm_query(copy, start, &r), 0);
	EXPECT_EQ(r.start, start);
	handle_close(copy);
}

static void
recurse_in_thread(void *arg)
{
	*(bool *)arg = recurse(500);
}

static void
thread_stack(void)
{
	struct user_thread thread;
	bool held = false;

	set_limit(LIMIT_STACK, PAGE_SIZE);
	REQUIRE_EQ(thread_start(&thread, recurse_in_thread, &held, 8 * MIB), 0);
	REQUIRE_EQ(thread_join(&thread), 0);
	EXPECT(held);
}

static void
thread_stack_vmem(void)
{
	struct own_stack s;

	own_stack_make(&s, MIB, PROT_RW);
	set_limit(LIMIT_STACK, PAGE_SIZE);
	set_limit(LIMIT_VMEM, space_size());
	uint64_t addr = own_stack_start(&s) - 1;
	EXPECT_FAULT(touch_at, addr, FAULT_MAPERR, addr);
}

/* ---- System calls ---- */

static void
copyout_grows(void)
{
	struct own_stack s;
	struct system_info *info;

	own_stack_make(&s, MIB, PROT_RW);
	/* Across the boundary: half of it is mapped. */
	info = (struct system_info *)(own_stack_start(&s) - sizeof *info / 2);
	EXPECT_EQ(system_info(info), 0);
	EXPECT_EQ(own_stack_size(&s), 2 * s.step);
	EXPECT_EQ(info->stack_step, s.step);
	info = (struct system_info *)(own_stack_start(&s) - 2 * s.step);
	EXPECT_EQ(system_info(info), 0);
	EXPECT_EQ(own_stack_size(&s), 4 * s.step);
}

static void
copyin_grows(void)
{
	struct own_stack s;
	uint64_t value = 1;

	own_stack_make(&s, MIB, PROT_RW);
	const void *from = (const void *)(own_stack_start(&s) - sizeof value);
	EXPECT_EQ(vm_write(HANDLE_SELF, ADDR(&value), from, sizeof value), sizeof value);
	EXPECT_EQ(value, 0);
	EXPECT_EQ(own_stack_size(&s), 2 * s.step);
}

static void
copyout_to_guard(void)
{
	struct own_stack s;

	own_stack_make(&s, MIB, PROT_RW);
	EXPECT_EQ(system_info((struct system_info *)s.low), -EFAULT);
	EXPECT_EQ(own_stack_size(&s), s.step);
}

static const struct tap_test tests[] = {
    {"GRW-01: a touch of the mapped part grows nothing", mapped_touch},
    {"GRW-02: a touch elsewhere grows nothing", elsewhere_touch},
    {"GRW-04: a touch of a hole is refused", hole},
    {"GRW-05: a touch just below grows the stack by one step", one_step},
    {"GRW-06: a touch further below grows it by several steps at once", far_touch},
    {"GRW-07: a touch of the guard is refused", guard_touch},
    {"GRW-08: the last page above the guard can be had", above_guard},
    {"GRW-09: the last growth is smaller than a step", last_page},
    {"GRW-10: LIMIT_STACK is reached exactly and not exceeded", stack_limit},
    {"GRW-11: a limit below the present size stops growth and takes nothing", limit_lowered},
    {"GRW-12: no limit lets the stack leave its reservation", limit_above_reservation},
    {"GRW-13: growth is clamped, not refused, at LIMIT_VMEM", vmem_clamps},
    {"GRW-14: growth beyond LIMIT_VMEM is refused", vmem_refuses},
    {"GRW-15: with wire_future what grows is resident and wired", wired_growth},
    {"GRW-15: with wire_future growth beyond LIMIT_MEMLOCK is refused", wired_growth_limit},
    {"GRW-16: growth below a protected page has the stack's protection", lowest_page_protected},
    {"GRW-17: protecting the whole reservation counts for growth", whole_reservation_protected},
    {"GRW-18: 64 growths keep all data in one region", many_levels},
    {"GRW-18: a thousand real frames keep their data", deep_recursion},
    {"a frame of 8 MiB is touched from its bottom", very_large_frame},
    {"GRW-19: a gap without its stack does not grow", orphaned_gap},
    {"GRW-20: growth stops a guard above an intruder, which is unharmed", intruder},
    {"GRW-21: two threads grow one stack at once", two_threads},
    {"GRW-22: parent and child of a fork both grow their stacks", grown_stack_forked},
    {"GRW-23: reading and writing another process's gap grows nothing", other_process_gap},
    {"GRW-24: a thread's stack is not bound by LIMIT_STACK", thread_stack},
    {"GRW-24: a thread's stack is bound by LIMIT_VMEM", thread_stack_vmem},
    {"GRW-26: a system call's result grows the stack", copyout_grows},
    {"GRW-26: a system call's argument grows the stack", copyin_grows},
    {"GRW-26: a system call's result does not reach the guard", copyout_to_guard},
    {"GRW-27: protecting a part of the gap leaves the stack growing", part_of_gap_protected},
    {"GRW-28: a limit raised at run time lets the stack grow on", limit_raised},
};

TAP_MAIN(tests)

/* SPDX-License-Identifier: BSD-2-Clause */
/* How stacks are made: what is mapped, what is reserved, what is refused (contract rows STK). */
#include <pagoda/memory.h>
#include <pagoda/tap.h>

#include "user/tests/own_stack.h"

#define MIB (1ul << 20)

#define STACK_ARGS(flags) VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_STACK | (flags))

static void
new_stack(void)
{
	struct own_stack s;
	struct vm_region r;

	own_stack_make(&s, MIB, PROT_ALL);
	REQUIRE(region_at(s.low, &r));
	EXPECT_EQ(r.start, s.low);
	EXPECT_EQ(r.end, s.top - s.step);
	EXPECT_EQ(r.flags & (VM_REGION_GUARD | VM_REGION_STACK_GAP),
		  VM_REGION_GUARD | VM_REGION_STACK_GAP);
	REQUIRE(region_at(s.top - 1, &r));
	EXPECT_EQ(r.start, s.top - s.step);
	EXPECT_EQ(r.end, s.top);
	EXPECT_EQ(r.prot, PROT_RW);
	EXPECT_EQ(r.max_prot, PROT_ALL);
	EXPECT(r.flags & VM_REGION_STACK);
}

static void
no_page_until_touched(void)
{
	struct own_stack s;
	struct vm_region r;

	own_stack_make(&s, MIB, PROT_ALL);
	REQUIRE(region_at(s.top - 1, &r));
	EXPECT_EQ(r.resident, 0);
	EXPECT(page_is_zero(s.top - PAGE_SIZE));
	fill_page(s.top - PAGE_SIZE, 1);
	EXPECT(page_holds(s.top - PAGE_SIZE, 1));
	REQUIRE(region_at(s.top - 1, &r));
	EXPECT_EQ(r.resident, 1);
}

/* A stack must fit under the limit with the part that is mapped at once. */
static void
limit_allows(void)
{
	struct own_stack probe;

	own_stack_make(&probe, MIB, PROT_ALL);
	set_limit(LIMIT_VMEM, space_size() + probe.step);
	EXPECT(vm_map(HANDLE_SELF, 0, 4 * MIB, STACK_ARGS(0), 0, 0) > 0);
}

static void
limit_refuses(void)
{
	struct own_stack probe;
	uint64_t before;

	own_stack_make(&probe, MIB, PROT_ALL);
	before = space_size();
	set_limit(LIMIT_VMEM, before + probe.step - PAGE_SIZE);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, 4 * MIB, STACK_ARGS(0), 0, 0), -ENOMEM);
	EXPECT_EQ(space_size(), before);
}

static void
beyond_user_space(void)
{
	uint64_t end = 0x00007ffffffff000ul;

	EXPECT_EQ(vm_map(HANDLE_SELF, end, MIB, STACK_ARGS(VM_MAP_FLAG_FIXED), 0, 0), -ENOMEM);
	EXPECT_EQ(vm_map(HANDLE_SELF, end - MIB / 2, MIB, STACK_ARGS(VM_MAP_FLAG_FIXED), 0, 0),
		  -ENOMEM);
	EXPECT(vm_map(HANDLE_SELF, -MIB, 2 * MIB, STACK_ARGS(VM_MAP_FLAG_FIXED), 0, 0) < 0);
}

/* A page of a stranger anywhere in the extent: a stack that must not replace it is refused. */
static void
occupied(void)
{
	static const uint64_t places[] = {0, 16 * PAGE_SIZE, MIB - PAGE_SIZE};
	uint64_t area = ADDR(map_pages(MIB, PROT_RW));
	uint64_t args = STACK_ARGS(VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL);

	REQUIRE(area != 0);
	unmap_pages((void *)area, MIB);
	for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
		uint64_t page = area + places[i];
		uint64_t page_args =
		    VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL);

		REQUIRE_EQ(vm_map(HANDLE_SELF, page, PAGE_SIZE, page_args, 0, 0), page);
		fill_page(page, i);
		EXPECT_EQ(vm_map(HANDLE_SELF, area, MIB, args, 0, 0), -EEXIST);
		EXPECT_EQ(region_count(area, area + MIB), 1);
		EXPECT(page_holds(page, i));
		unmap_pages((void *)page, PAGE_SIZE);
	}
	EXPECT_EQ(vm_map(HANDLE_SELF, area, MIB, args, 0, 0), area);
}

static void
between_neighbours(void)
{
	uint64_t area = ADDR(map_pages(MIB + 2 * PAGE_SIZE, PROT_RW));
	uint64_t stack = area + PAGE_SIZE;
	uint64_t args = STACK_ARGS(VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL);

	REQUIRE(area != 0);
	fill_page(area, 1);
	fill_page(stack + MIB, 2);
	unmap_pages((void *)stack, MIB);
	EXPECT_EQ(vm_map(HANDLE_SELF, stack, MIB, args, 0, 0), stack);
	fill_page(stack + MIB - PAGE_SIZE, 3);
	EXPECT(page_holds(area, 1));
	EXPECT(page_holds(stack + MIB, 2));
}

static void
no_size(void)
{
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, 0, STACK_ARGS(0), 0, 0), -EINVAL);
}

static void
only_guard(void)
{
	struct system_info info;
	uint64_t before = space_size();

	REQUIRE_EQ(system_info(&info), 0);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, info.stack_guard, STACK_ARGS(0), 0, 0), -ENOMEM);
	EXPECT_EQ(space_size(), before);
}

static void
one_page(void)
{
	struct system_info info;
	struct own_stack s;

	REQUIRE_EQ(system_info(&info), 0);
	own_stack_make(&s, info.stack_guard + PAGE_SIZE, PROT_RW);
	EXPECT_EQ(own_stack_size(&s), PAGE_SIZE);
	touch(s.top - PAGE_SIZE);
	EXPECT_FAULT(touch_at, s.top - PAGE_SIZE - 1, FAULT_MAPERR, s.top - PAGE_SIZE - 1);
}

static void
below_the_step(void)
{
	struct system_info info;
	struct own_stack s;

	REQUIRE_EQ(system_info(&info), 0);
	own_stack_make(&s, info.stack_guard + 2 * PAGE_SIZE, PROT_RW);
	EXPECT_EQ(own_stack_size(&s), 2 * PAGE_SIZE);
}

static void
no_core(void)
{
	int64_t addr = vm_map(HANDLE_SELF, 0, MIB, STACK_ARGS(VM_MAP_FLAG_NOCORE), 0, 0);
	struct vm_region r;

	REQUIRE(addr > 0);
	REQUIRE(region_at(addr + MIB - 1, &r));
	EXPECT(r.flags & VM_REGION_NOCORE);
}

static void
max_protection(void)
{
	struct own_stack s;
	struct vm_region r;
	uint64_t top_page;

	own_stack_make(&s, MIB, PROT_ALL);
	top_page = s.top - PAGE_SIZE;
	EXPECT_EQ(vm_protect(HANDLE_SELF, top_page, PAGE_SIZE, PROT_RX, 0), 0);
	REQUIRE(region_at(top_page, &r));
	EXPECT_EQ(r.prot, PROT_RX);

	own_stack_make(&s, MIB, PROT_RW);
	top_page = s.top - PAGE_SIZE;
	EXPECT_EQ(vm_protect(HANDLE_SELF, top_page, PAGE_SIZE, PROT_RX, 0), -EACCES);
	REQUIRE(region_at(top_page, &r));
	EXPECT_EQ(r.prot, PROT_RW);
}

static void
two_adjacent(void)
{
	uint64_t area = ADDR(map_pages(2 * MIB, PROT_RW));
	struct own_stack low, high;
	uint64_t args = STACK_ARGS(VM_MAP_FLAG_FIXED);

	REQUIRE(area != 0);
	own_stack_make(&low, MIB, PROT_RW); /* for the kernel's numbers */
	high = low;
	low.low = area;
	low.top = high.low = area + MIB;
	high.top = area + 2 * MIB;
	REQUIRE_EQ(vm_map(HANDLE_SELF, low.low, MIB, args, 0, 0), low.low);
	REQUIRE_EQ(vm_map(HANDLE_SELF, high.low, MIB, args, 0, 0), high.low);
	touch(low.top - low.step - 1);
	EXPECT_EQ(own_stack_size(&low), 2 * low.step);
	EXPECT_EQ(own_stack_size(&high), high.step);
	touch(high.low + high.guard);
	EXPECT_EQ(own_stack_size(&high), MIB - high.guard);
	EXPECT_EQ(own_stack_size(&low), 2 * low.step);
	EXPECT_FAULT(touch_at, high.low, FAULT_MAPERR, high.low);
}

static void
gap_is_reserved(void)
{
	struct own_stack s;
	uint64_t gap;

	own_stack_make(&s, MIB, PROT_RW);
	gap = own_stack_start(&s) - s.low;
	int64_t addr = vm_map(HANDLE_SELF, s.low, gap, VM_MAP_ARGS(PROT_RW, PROT_RW, 0), 0, 0);
	EXPECT(addr > 0);
	EXPECT((uint64_t)addr >= s.top || addr + gap <= s.low);
	EXPECT_EQ(vm_map(HANDLE_SELF, s.low, PAGE_SIZE,
			 VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL), 0, 0),
		  -EEXIST);
}

static void
main_stack_layout(void)
{
	struct proc_info info;
	struct vm_region r;
	uint64_t here = ADDR(&info);

	main_stack(&info);
	EXPECT(info.stack_low < here && here < info.stack_top);
	EXPECT(info.stack_top - info.stack_size <= here);
	REQUIRE(region_at(here, &r));
	EXPECT(r.flags & VM_REGION_STACK);
	EXPECT_EQ(r.prot, PROT_RW);
	EXPECT_EQ(r.end, info.stack_top);
	EXPECT_EQ(r.start, info.stack_top - info.stack_size);
	REQUIRE(region_at(info.stack_low, &r));
	EXPECT(r.flags & VM_REGION_STACK_GAP);
	EXPECT_EQ(r.start, info.stack_low);
}

static void
bad_stack_arguments(void)
{
	uint64_t object = VM_MAP_FLAG_OBJECT, guard = VM_MAP_FLAG_GUARD;
	int64_t handle = object_create(MIB);

	REQUIRE(handle > 0);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, MIB, STACK_ARGS(object), (handle_t)handle, 0), -EINVAL);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, MIB, STACK_ARGS(guard), 0, 0), -EINVAL);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, MIB + 1, STACK_ARGS(0), 0, 0), -EINVAL);
	EXPECT_EQ(
	    vm_map(HANDLE_SELF, 0, MIB, VM_MAP_ARGS(PROT_RW, PROT_READ, VM_MAP_FLAG_STACK), 0, 0),
	    -EINVAL);
}

static const struct tap_test tests[] = {
    {"STK-01: a new stack has its top mapped and the rest reserved", new_stack},
    {"STK-02: a new stack has no page until it is touched, then a zero one", no_page_until_touched},
    {"STK-03: a stack whose first part just fits under LIMIT_VMEM is made", limit_allows},
    {"STK-04: a stack whose first part exceeds LIMIT_VMEM is refused", limit_refuses},
    {"STK-07, STK-08, STK-09: a stack that leaves user space is refused", beyond_user_space},
    {"STK-10, STK-11: a stack over a mapped page is refused", occupied},
    {"STK-12: a stack fits exactly between two neighbours", between_neighbours},
    {"STK-13: a stack of no bytes is refused", no_size},
    {"STK-14: a stack no larger than its guard is refused", only_guard},
    {"STK-15: a stack of one page and a guard cannot grow", one_page},
    {"STK-16: a stack smaller than the step is mapped down to its guard", below_the_step},
    {"STK-18: a stack carries the flag that keeps it out of core dumps", no_core},
    {"STK-19: a stack may become what its max allows and no more", max_protection},
    {"STK-20: two adjacent stacks grow in their own gaps only", two_adjacent},
    {"STK-21: a mapping is never placed in a stack's gap", gap_is_reserved},
    {"the main stack lies where the process information says", main_stack_layout},
    {"a stack of an object, with guard flag, of part of a page or beyond max is refused",
     bad_stack_arguments},
};

TAP_MAIN(tests)

/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fork shares, copies, leaves out (contract rows INH, FRK), as the two processes see it. */
#include <pagoda/memory.h>
#include <pagoda/tap.h>

#define PAGES 8

/* A child that the parent watches: both see this page. */
static volatile uint64_t *shared;

static uint64_t
new_area(void)
{
	uint64_t area = ADDR(map_pages(PAGES * PAGE_SIZE, PROT_RW));

	REQUIRE(area != 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(area + i * PAGE_SIZE, i);
	}
	return area;
}

static bool
area_holds(uint64_t area)
{
	bool held = true;

	for (uint64_t i = 0; i < PAGES; i++) {
		held &= page_holds(area + i * PAGE_SIZE, i);
	}
	return held;
}

static void
scribble(void *area)
{
	EXPECT(area_holds(ADDR(area)));
	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(ADDR(area) + i * PAGE_SIZE, 100 + i);
	}
}

static void
child_writes(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(scribble, area);
	EXPECT(area_holds(area));
}

/* Wait for the other side to set the shared word to `step`. */
static void
wait_step(uint64_t step)
{
	while (*shared != step) {
		yield();
	}
}

static void
read_after_parent(void *area)
{
	wait_step(1);
	EXPECT(area_holds(ADDR(area)));
}

static void
parent_writes(void)
{
	uint64_t area = new_area();
	struct proc_status status;

	shared = map_shared(PAGE_SIZE);
	REQUIRE(shared != NULL);
	handle_t child = tap_start(read_after_parent, (void *)area);
	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(area + i * PAGE_SIZE, 200 + i);
	}
	*shared = 1;
	REQUIRE_EQ(wait_for(child, &status), 0);
	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 0);
}

static void
third_generation(void *area)
{
	EXPECT(page_holds(ADDR(area), 300));
	EXPECT(page_holds(ADDR(area) + PAGE_SIZE, 1));
	fill_page(ADDR(area), 400);
	fill_page(ADDR(area) + PAGE_SIZE, 401);
}

static void
second_generation(void *area)
{
	fill_page(ADDR(area), 300);
	EXPECT_SURVIVES(third_generation, area);
	EXPECT(page_holds(ADDR(area), 300));
	EXPECT(page_holds(ADDR(area) + PAGE_SIZE, 1));
}

static void
three_generations(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(second_generation, area);
	EXPECT(area_holds(area));
}

struct chain {
	uint64_t area;
	uint64_t depth;
};

#define CHAIN 100

/* Each generation changes one page and forks the next; the deepest sees all changes. */
static void
descend(void *arg)
{
	struct chain *chain = arg;
	uint64_t page = chain->depth % PAGES;
	struct chain next = {chain->area, chain->depth + 1};
	struct vm_region r;

	fill_page(chain->area + page * PAGE_SIZE, 1000 + chain->depth);
	if (next.depth < CHAIN) {
		EXPECT_SURVIVES(descend, &next);
		EXPECT(page_holds(chain->area + page * PAGE_SIZE, 1000 + chain->depth));
		return;
	}
	for (uint64_t depth = CHAIN - PAGES; depth < CHAIN; depth++) {
		EXPECT(page_holds(chain->area + depth % PAGES * PAGE_SIZE, 1000 + depth));
	}
	REQUIRE(region_at(chain->area, &r));
	tap_note("%u generations: a chain of %u objects", CHAIN, r.chain);
}

static void
long_chain(void)
{
	uint64_t area = new_area();
	struct chain chain = {area, 0};

	EXPECT_SURVIVES(descend, &chain);
	EXPECT(area_holds(area));
}

static void
rewrite_one(void *area)
{
	EXPECT(area_holds(ADDR(area)));
	touch(ADDR(area));
}

static void
many_children(void)
{
	uint64_t area = new_area();
	struct vm_region r;

	for (int i = 0; i < 100; i++) {
		EXPECT_SURVIVES(rewrite_one, area);
		fill_page(area + PAGE_SIZE, 1);
	}
	REQUIRE(region_at(area, &r));
	EXPECT(r.chain <= 3);
	EXPECT(area_holds(area));
}

/* ---- Shared mappings ---- */

static void
answer_shared(void *arg)
{
	volatile uint64_t *words = arg;

	EXPECT_EQ(words[0], 1);
	words[1] = 2;
	words[PAGE_SIZE / sizeof *words] = 3;
}

static void
shared_both_ways(void)
{
	volatile uint64_t *words = map_shared(2 * PAGE_SIZE);

	REQUIRE(words != NULL);
	words[0] = 1;
	EXPECT_SURVIVES(answer_shared, words);
	EXPECT_EQ(words[1], 2);
	EXPECT_EQ(words[PAGE_SIZE / sizeof *words], 3); /* a page only the child touched */
}

static int64_t
map_object(handle_t object, uint32_t flags)
{
	return vm_map(HANDLE_SELF, 0, 2 * PAGE_SIZE,
		      VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT | flags), object, 0);
}

static void
object_twice(void)
{
	handle_t object = (handle_t)object_create(2 * PAGE_SIZE);
	int64_t one, two, private;

	REQUIRE(object > 0);
	EXPECT_EQ(object_size(object), 2 * PAGE_SIZE);
	one = map_object(object, VM_MAP_FLAG_SHARED);
	two = map_object(object, VM_MAP_FLAG_SHARED);
	private = map_object(object, 0);
	REQUIRE(one > 0 && two > 0 && private > 0);
	fill_page(one, 7);
	EXPECT(page_holds(two, 7));
	EXPECT(page_holds(private, 7));
	fill_page(two + PAGE_SIZE, 8);
	EXPECT(page_holds(one + PAGE_SIZE, 8));
	fill_page(private, 9);
	EXPECT(page_holds(private, 9));
	EXPECT(page_holds(one, 7));
	EXPECT(page_holds(two, 7));
}

static void
object_outlives_handle(void)
{
	handle_t object = (handle_t)object_create(2 * PAGE_SIZE);
	int64_t addr = map_object(object, VM_MAP_FLAG_SHARED);

	REQUIRE(addr > 0);
	fill_page(addr, 5);
	EXPECT_EQ(handle_close(object), 0);
	EXPECT(page_holds(addr, 5));
}

static void
object_offset(void)
{
	handle_t object = (handle_t)object_create(2 * PAGE_SIZE);
	int64_t whole = map_object(object, VM_MAP_FLAG_SHARED);
	uint64_t args = VM_MAP_ARGS(PROT_READ, PROT_READ, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);
	int64_t second = vm_map(HANDLE_SELF, 0, PAGE_SIZE, args, object, PAGE_SIZE);

	REQUIRE(whole > 0 && second > 0);
	fill_page(whole + PAGE_SIZE, 6);
	EXPECT(page_holds(second, 6));
}

static void
touch_at(void *addr)
{
	touch(ADDR(addr));
}

static void
object_end(void)
{
	handle_t object = (handle_t)object_create(PAGE_SIZE);
	int64_t addr = map_object(object, VM_MAP_FLAG_SHARED);

	REQUIRE(addr > 0);
	touch(addr + PAGE_SIZE - 1);
	EXPECT_FAULT(touch_at, addr + PAGE_SIZE, FAULT_OBJERR, addr + PAGE_SIZE);
}

/* ---- Inheritance ---- */

static uint64_t
inherit_area(uint32_t inherit)
{
	uint64_t area = new_area();

	REQUIRE_EQ(vm_inherit(HANDLE_SELF, area, PAGES * PAGE_SIZE, inherit), 0);
	return area;
}

static void
inherit_none(void)
{
	uint64_t area = inherit_area(INHERIT_NONE);

	EXPECT_FAULT(touch_at, area, FAULT_MAPERR, area);
	EXPECT(area_holds(area));
}

static void
inherit_share(void)
{
	uint64_t area = inherit_area(INHERIT_SHARE);

	EXPECT_SURVIVES(scribble, area);
	for (uint64_t i = 0; i < PAGES; i++) {
		EXPECT(page_holds(area + i * PAGE_SIZE, 100 + i));
	}
}

static void
inherit_copy(void)
{
	uint64_t area = inherit_area(INHERIT_SHARE);

	REQUIRE_EQ(vm_inherit(HANDLE_SELF, area, PAGES * PAGE_SIZE, INHERIT_COPY), 0);
	EXPECT_SURVIVES(scribble, area);
	EXPECT(area_holds(area));
}

static void
expect_zero(void *area)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		EXPECT(page_is_zero(ADDR(area) + i * PAGE_SIZE));
		touch(ADDR(area) + i * PAGE_SIZE);
	}
}

static void
inherit_zero(void)
{
	uint64_t area = inherit_area(INHERIT_ZERO);

	EXPECT_SURVIVES(expect_zero, area);
	EXPECT(area_holds(area));
}

static void
inherit_middle(void)
{
	uint64_t area = new_area();

	REQUIRE_EQ(vm_inherit(HANDLE_SELF, area + PAGE_SIZE, PAGE_SIZE, INHERIT_NONE), 0);
	EXPECT_SURVIVES(touch_at, area);
	EXPECT_FAULT(touch_at, area + PAGE_SIZE, FAULT_MAPERR, area + PAGE_SIZE);
	EXPECT_SURVIVES(touch_at, area + 2 * PAGE_SIZE);
}

static void
inherit_illegal(void)
{
	uint64_t area = new_area();
	struct vm_region r;

	EXPECT_EQ(vm_inherit(HANDLE_SELF, area, PAGE_SIZE, INHERIT_ZERO + 1), -EINVAL);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.inherit, INHERIT_COPY);
	EXPECT_EQ(r.end - r.start, PAGES * PAGE_SIZE);
}

static void
expect_rights(void *area)
{
	struct vm_region r;

	REQUIRE(region_at(ADDR(area), &r));
	EXPECT_EQ(r.prot, PROT_READ);
	EXPECT_EQ(r.max_prot, PROT_RW);
	REQUIRE(region_at(ADDR(area) + PAGE_SIZE, &r));
	EXPECT_EQ(r.prot, PROT_RW);
	EXPECT_EQ(r.max_prot, PROT_ALL);
}

static void
inherit_rights(void)
{
	uint64_t area = new_area();

	REQUIRE_EQ(vm_protect(HANDLE_SELF, area, PAGE_SIZE, PROT_RW, 1), 0);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, area, PAGE_SIZE, PROT_READ, 0), 0);
	EXPECT_SURVIVES(expect_rights, area);
}

static void
grandchild_stores(void *area)
{
	fill_page(ADDR(area), 500);
}

/* Shares what was copied on write from its own parent: the store of the grandchild is seen here. */
static void
share_a_copy(void *area)
{
	EXPECT(page_holds(ADDR(area), 0));
	REQUIRE_EQ(vm_inherit(HANDLE_SELF, ADDR(area), PAGES * PAGE_SIZE, INHERIT_SHARE), 0);
	EXPECT_SURVIVES(grandchild_stores, area);
	EXPECT(page_holds(ADDR(area), 500));
	EXPECT(page_holds(ADDR(area) + PAGE_SIZE, 1));
}

static void
inherit_share_of_copy(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(share_a_copy, area);
	EXPECT(area_holds(area));
}

/* ---- what both have unmapped ---- */

#define MANY 64 /* pages of an area that is cut in halves */

static uint64_t
free_pages(void)
{
	struct system_info info;

	tap_counts(&info);
	return info.pages_free;
}

/* unmap_upper: the child's half goes, then it waits for the parent's. */
static void
unmap_upper(void *area)
{
	EXPECT_EQ(vm_unmap(HANDLE_SELF, ADDR(area) + MANY / 2 * PAGE_SIZE, MANY / 2 * PAGE_SIZE),
		  0);
	*shared = 1;
	wait_step(2);
	for (uint64_t i = 0; i < MANY / 2; i++) {
		EXPECT(page_holds(ADDR(area) + i * PAGE_SIZE, i));
	}
}

static void
unmapped_by_both(void)
{
	uint64_t area = ADDR(map_pages(MANY * PAGE_SIZE, PROT_RW)), before;
	uint64_t upper = area + MANY / 2 * PAGE_SIZE;
	struct proc_status status;

	REQUIRE(area != 0);
	shared = map_shared(PAGE_SIZE);
	REQUIRE(shared != NULL);
	for (uint64_t i = 0; i < MANY; i++) {
		fill_page(area + i * PAGE_SIZE, i);
	}
	/* Other rights make two regions of it. */
	REQUIRE_EQ(vm_protect(HANDLE_SELF, upper, MANY / 2 * PAGE_SIZE, PROT_RW, 1), 0);
	handle_t child = tap_start(unmap_upper, (void *)area);
	wait_step(1);
	before = free_pages();
	EXPECT_EQ(vm_unmap(HANDLE_SELF, upper, MANY / 2 * PAGE_SIZE), 0);
	EXPECT(free_pages() >= before + MANY / 2);
	*shared = 2;
	REQUIRE_EQ(wait_for(child, &status), 0);
	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 0);
}

/* The child has gone; what the parent unmaps of what it had shared with it is free at once. */
static void
unmapped_after_child(void)
{
	uint64_t area = ADDR(map_pages(MANY * PAGE_SIZE, PROT_RW)), before;

	REQUIRE(area != 0);
	for (uint64_t i = 0; i < MANY; i++) {
		fill_page(area + i * PAGE_SIZE, i);
	}
	EXPECT_SURVIVES(touch_at, area);
	before = free_pages();
	EXPECT_EQ(vm_unmap(HANDLE_SELF, area, MANY / 2 * PAGE_SIZE), 0);
	/* An entry more may have taken a page. */
	EXPECT(free_pages() + 1 >= before + MANY / 2);
	for (uint64_t i = MANY / 2; i < MANY; i++) {
		EXPECT(page_holds(area + i * PAGE_SIZE, i));
	}
}

static const struct tap_test tests[] = {
    {"what the child writes is not seen by the parent", child_writes},
    {"what the parent writes is not seen by the child", parent_writes},
    {"three generations keep their own data", three_generations},
    {"a hundred generations keep their own data", long_chain},
    {"FRK-02: a hundred children one after the other leave a short chain", many_children},
    {"a shared mapping is seen by both sides of a fork", shared_both_ways},
    {"an object mapped twice shows the same, a private mapping of it its own", object_twice},
    {"a mapping outlives the handle of its object", object_outlives_handle},
    {"an object is mapped from an offset", object_offset},
    {"FLT-03: a touch beyond the end of an object is refused", object_end},
    {"INH-01: NONE: the child has a hole", inherit_none},
    {"INH-01: SHARE: the parent sees what the child stores", inherit_share},
    {"INH-01: COPY: the parent does not see what the child stores", inherit_copy},
    {"INH-01: ZERO: the child has zeroes", inherit_zero},
    {"INH-01: one page of a region may be inherited otherwise", inherit_middle},
    {"INH-02: an illegal inheritance is refused and changes nothing", inherit_illegal},
    {"INH-03: protection and its maximum are inherited exactly", inherit_rights},
    {"INH-04: sharing a copied mapping shares the copy, not the original", inherit_share_of_copy},
    {"SPL-01: what parent and child have unmapped is free", unmapped_by_both},
    {"SPL-02: so is, at once, what is unmapped when the child has gone", unmapped_after_child},
};

TAP_MAIN(tests)

/* SPDX-License-Identifier: BSD-2-Clause */
/* Where mappings go, what is refused, what unmapping leaves (contract rows INS, FND, DEL). */
#include <pagoda/memory.h>
#include <pagoda/tap.h>

#define MIB	   (1ul << 20)
#define SUPERPAGE  (2 * MIB)
#define LOWEST	   0x10000ul /* what lies below is never mapped */
#define USER_END   0x00007ffffffff000ul
#define ROOM	   (64 * PAGE_SIZE)
#define FIXED	   VM_MAP_FLAG_FIXED
#define FIXED_EXCL (VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL)

static void
touch_at(void *addr)
{
	touch(ADDR(addr));
}

static int64_t
map(uint64_t addr, uint64_t length, uint32_t flags)
{
	return vm_map(HANDLE_SELF, addr, length, VM_MAP_ARGS(PROT_RW, PROT_ALL, flags), 0, 0);
}

static int64_t
unmap(uint64_t addr, uint64_t length)
{
	return vm_unmap(HANDLE_SELF, addr, length);
}

/* A free range that nothing else will use. */
static uint64_t
free_range(uint64_t bytes)
{
	int64_t addr = map(0, bytes, 0);

	REQUIRE(addr > 0);
	REQUIRE_EQ(unmap(addr, bytes), 0);
	return addr;
}

static uint64_t
space_size(void)
{
	struct proc_info info;

	REQUIRE_EQ(proc_info(proc_id(HANDLE_SELF), &info), 0);
	return info.size;
}

static void
zero_filled(void)
{
	int64_t addr = map(0, ROOM, 0);
	struct vm_region r;

	REQUIRE(addr > 0);
	EXPECT_EQ(addr & PAGE_MASK, 0);
	EXPECT(page_is_zero(addr));
	EXPECT(page_is_zero(addr + ROOM - PAGE_SIZE));
	REQUIRE(region_at(addr, &r));
	EXPECT_EQ(r.prot, PROT_RW);
	EXPECT_EQ(r.max_prot, PROT_ALL);
	EXPECT_EQ(r.inherit, INHERIT_COPY);
}

static void
no_length(void)
{
	EXPECT_EQ(map(0, 0, 0), -EINVAL);
	EXPECT_EQ(map(free_range(PAGE_SIZE), 0, FIXED), -EINVAL);
}

static void
out_of_bounds(void)
{
	EXPECT(map(USER_END, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(USER_END - PAGE_SIZE, 2 * PAGE_SIZE, FIXED) < 0);
	EXPECT(map(0xffffffff80000000ul, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(0xffff800000000000ul, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(0x8000000000000000ul, PAGE_SIZE, FIXED) < 0);
}

static void
last_user_page(void)
{
	uint64_t last = USER_END - PAGE_SIZE;
	struct vm_region r;

	if (!region_at(last, &r)) {
		EXPECT_EQ(map(last, PAGE_SIZE, FIXED_EXCL), last);
		touch(USER_END - 1);
	}
	EXPECT_FAULT(touch_at, USER_END, FAULT_MAPERR, USER_END);
}

static void
overlap(void)
{
	uint64_t area = free_range(ROOM), middle = area + ROOM / 4;

	REQUIRE_EQ(map(middle, ROOM / 2, FIXED_EXCL), middle);
	fill_page(middle, 1);
	EXPECT_EQ(map(middle - PAGE_SIZE, 2 * PAGE_SIZE, FIXED_EXCL), -EEXIST);
	EXPECT_EQ(map(middle + ROOM / 2 - PAGE_SIZE, 2 * PAGE_SIZE, FIXED_EXCL), -EEXIST);
	EXPECT_EQ(map(area, ROOM, FIXED_EXCL), -EEXIST);
	EXPECT_EQ(map(middle + PAGE_SIZE, PAGE_SIZE, FIXED_EXCL), -EEXIST);
	EXPECT(page_holds(middle, 1));
}

static void
exact_fit(void)
{
	uint64_t area = free_range(3 * PAGE_SIZE), before;

	REQUIRE_EQ(map(area, PAGE_SIZE, FIXED_EXCL), area);
	REQUIRE_EQ(map(area + 2 * PAGE_SIZE, PAGE_SIZE, FIXED_EXCL), area + 2 * PAGE_SIZE);
	before = space_size();
	EXPECT_EQ(map(area, PAGE_SIZE, 0), area + PAGE_SIZE); /* first fit finds it */
	EXPECT_EQ(space_size(), before + PAGE_SIZE);
}

static void
adjacent(void)
{
	uint64_t area = free_range(ROOM);

	REQUIRE_EQ(map(area, ROOM / 2, FIXED_EXCL), area);
	fill_page(area + ROOM / 2 - PAGE_SIZE, 1);
	REQUIRE_EQ(map(area + ROOM / 2, ROOM / 2, FIXED_EXCL), area + ROOM / 2);
	EXPECT(page_is_zero(area + ROOM / 2));
	EXPECT(page_holds(area + ROOM / 2 - PAGE_SIZE, 1));
}

static void
stale_pages(void)
{
	uint64_t area = free_range(ROOM);

	/* The second half is unmapped and mapped again: the old object must not show through. */
	REQUIRE_EQ(map(area, ROOM, FIXED_EXCL), area);
	fill_page(area + ROOM / 2, 1);
	REQUIRE_EQ(unmap(area + ROOM / 2, ROOM / 2), 0);
	REQUIRE_EQ(map(area + ROOM / 2, ROOM / 2, FIXED_EXCL), area + ROOM / 2);
	EXPECT(page_is_zero(area + ROOM / 2));
}

static void
separate_regions(void)
{
	uint64_t area = free_range(ROOM);
	struct vm_region r;

	REQUIRE_EQ(map(area, ROOM / 2, FIXED_EXCL), area);
	REQUIRE_EQ(vm_inherit(HANDLE_SELF, area, ROOM / 2, INHERIT_SHARE), 0);
	REQUIRE_EQ(map(area + ROOM / 2, ROOM / 2, FIXED_EXCL), area + ROOM / 2);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.end, area + ROOM / 2);
	EXPECT_EQ(r.inherit, INHERIT_SHARE);
	REQUIRE(region_at(r.end, &r));
	EXPECT_EQ(r.inherit, INHERIT_COPY);
}

static void
guards(void)
{
	uint64_t before = space_size();
	uint32_t guard = VM_MAP_FLAG_GUARD;
	int64_t addr = vm_map(HANDLE_SELF, 0, ROOM, VM_MAP_ARGS(0, 0, guard), 0, 0);

	REQUIRE(addr > 0);
	EXPECT_EQ(space_size(), before);
	EXPECT_FAULT(touch_at, addr, FAULT_ACCERR, addr);
	EXPECT_EQ(map(addr, PAGE_SIZE, FIXED_EXCL), -EEXIST);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, ROOM, VM_MAP_ARGS(PROT_READ, PROT_READ, guard), 0, 0),
		  -EINVAL);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, ROOM, VM_MAP_ARGS(0, PROT_ALL, guard), 0, 0), -EINVAL);
	EXPECT_EQ(unmap(addr, ROOM), 0);
	EXPECT_FAULT(touch_at, addr, FAULT_MAPERR, addr);
}

static void
low_addresses(void)
{
	EXPECT(map(0, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(PAGE_SIZE, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(LOWEST - PAGE_SIZE, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(LOWEST - PAGE_SIZE, 2 * PAGE_SIZE, FIXED) < 0);
	EXPECT_EQ(map(LOWEST, PAGE_SIZE, FIXED_EXCL), LOWEST);
	touch(LOWEST);
	EXPECT_FAULT(touch_at, LOWEST - 1, FAULT_MAPERR, LOWEST - 1);
}

static void
odd_addresses(void)
{
	EXPECT(map(1, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(PAGE_SIZE - 1, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(-1ul, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(-PAGE_SIZE, PAGE_SIZE, FIXED) < 0);
	EXPECT(map(-PAGE_SIZE - 1, PAGE_SIZE, FIXED) < 0);
	EXPECT_EQ(map(free_range(ROOM) + 1, PAGE_SIZE, FIXED), -EINVAL);
	EXPECT_EQ(map(0, PAGE_SIZE + 1, 0), -EINVAL);
	EXPECT_EQ(unmap(free_range(ROOM) + 1, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(unmap(free_range(ROOM), 1), -EINVAL);
}

static void
first_fit(void)
{
	uint64_t area = free_range(ROOM);

	EXPECT_EQ(map(area, PAGE_SIZE, 0), area);
	EXPECT_EQ(map(area, PAGE_SIZE, 0), area + PAGE_SIZE);
	EXPECT_EQ(unmap(area, PAGE_SIZE), 0);
	EXPECT_EQ(map(area, PAGE_SIZE, 0), area);
}

static void
hint_inside(void)
{
	uint64_t area = free_range(ROOM);

	REQUIRE_EQ(map(area, ROOM / 2, FIXED_EXCL), area);
	EXPECT_EQ(map(area + PAGE_SIZE, PAGE_SIZE, 0), area + ROOM / 2);
}

static void
huge_lengths(void)
{
	EXPECT_EQ(map(0, -PAGE_SIZE, 0), -ENOMEM);
	EXPECT_EQ(map(0, 1ul << 63, 0), -ENOMEM);
	EXPECT_EQ(map(0, USER_END, 0), -ENOMEM);
	EXPECT(map(LOWEST, -PAGE_SIZE, FIXED) < 0);
	EXPECT(map(LOWEST, -LOWEST, FIXED) < 0);
	EXPECT(map(free_range(ROOM), -1ul & ~PAGE_MASK, FIXED) < 0);
	EXPECT(unmap(free_range(ROOM), -PAGE_SIZE) < 0);
}

static void
aligned(void)
{
	uint64_t area = free_range(8 * SUPERPAGE);
	int64_t addr = map(area + PAGE_SIZE, SUPERPAGE, VM_MAP_FLAG_ALIGN2M);

	REQUIRE(addr > 0);
	EXPECT_EQ(addr % SUPERPAGE, 0);
	EXPECT(addr > (int64_t)area);
	touch(addr);
	touch(addr + SUPERPAGE - 1);
	int64_t second = map(area + PAGE_SIZE, PAGE_SIZE, VM_MAP_FLAG_ALIGN2M);
	EXPECT_EQ(second, addr + SUPERPAGE);
}

static void
replace(void)
{
	uint64_t area = free_range(ROOM);

	REQUIRE_EQ(map(area, ROOM, FIXED_EXCL), area);
	for (uint64_t at = 0; at < ROOM; at += PAGE_SIZE) {
		fill_page(area + at, at);
	}
	uint64_t size = space_size();
	EXPECT_EQ(map(area + PAGE_SIZE, PAGE_SIZE, FIXED), area + PAGE_SIZE);
	EXPECT(page_is_zero(area + PAGE_SIZE));
	EXPECT(page_holds(area, 0));
	EXPECT(page_holds(area + 2 * PAGE_SIZE, 2 * PAGE_SIZE));
	EXPECT_EQ(space_size(), size);
}

static void
populate(void)
{
	int64_t addr = map(0, ROOM, VM_MAP_FLAG_POPULATE);
	struct vm_region r;

	REQUIRE(addr > 0);
	REQUIRE(region_at(addr, &r));
	EXPECT_EQ(r.resident, ROOM / PAGE_SIZE);
	EXPECT(page_is_zero(addr));
}

static void
unmap_middle(void)
{
	uint64_t area = free_range(ROOM), middle = area + ROOM / 4;
	struct vm_region r;

	REQUIRE_EQ(map(area, ROOM, FIXED_EXCL), area);
	fill_page(area, 1);
	fill_page(middle + ROOM / 2, 2);
	uint64_t size = space_size();
	EXPECT_EQ(unmap(middle, ROOM / 2), 0);
	EXPECT_EQ(space_size(), size - ROOM / 2);
	EXPECT(page_holds(area, 1));
	EXPECT(page_holds(middle + ROOM / 2, 2));
	EXPECT_FAULT(touch_at, middle, FAULT_MAPERR, middle);
	EXPECT_FAULT(touch_at, middle + ROOM / 2 - 1, FAULT_MAPERR, middle + ROOM / 2 - 1);
	REQUIRE_EQ(vm_query(HANDLE_SELF, middle, &r), 0);
	EXPECT_EQ(r.start, middle + ROOM / 2);
}

static void
unmap_holes(void)
{
	uint64_t area = free_range(ROOM);

	EXPECT_EQ(unmap(area, ROOM), 0);
	REQUIRE_EQ(map(area + PAGE_SIZE, PAGE_SIZE, FIXED_EXCL), area + PAGE_SIZE);
	EXPECT_EQ(unmap(area, ROOM), 0);
	EXPECT_EQ(unmap(area, 0), -EINVAL);
	EXPECT_FAULT(touch_at, area + PAGE_SIZE, FAULT_MAPERR, area + PAGE_SIZE);
}

static void
pages_returned(void)
{
	struct system_info before, after;
	int64_t addr = map(0, 4 * MIB, VM_MAP_FLAG_POPULATE);

	REQUIRE(addr > 0);
	tap_counts(&before);
	EXPECT_EQ(unmap(addr, 4 * MIB), 0);
	tap_counts(&after);
	EXPECT(after.pages_free >= before.pages_free + 4 * MIB / PAGE_SIZE);
}

static void
query_walk(void)
{
	uint64_t end = 0, size = 0;
	struct vm_region r;
	int64_t error;

	while ((error = vm_query(HANDLE_SELF, end, &r)) == 0) {
		EXPECT(r.start >= end && r.start < r.end);
		EXPECT_EQ((r.start | r.end) & PAGE_MASK, 0);
		EXPECT_EQ(r.prot & ~r.max_prot, 0);
		size += r.flags & VM_REGION_GUARD ? 0 : r.end - r.start;
		end = r.end;
	}
	EXPECT_EQ(error, -ENOENT);
	EXPECT(end <= USER_END);
	EXPECT_EQ(size, space_size());
}

static void
query_inside(void)
{
	uint64_t area = free_range(ROOM);
	struct vm_region r;

	REQUIRE_EQ(map(area, ROOM, FIXED_EXCL), area);
	REQUIRE_EQ(vm_query(HANDLE_SELF, area + ROOM / 2 + 5, &r), 0);
	EXPECT(r.start <= area && r.end >= area + ROOM);
	EXPECT_EQ(vm_query(HANDLE_SELF, USER_END, &r), -ENOENT);
	EXPECT_EQ(vm_query(HANDLE_SELF, -1ul, &r), -ENOENT);
}

static void
many_regions(void)
{
	uint64_t area = free_range(2000 * PAGE_SIZE);

	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t page = area + 2 * i * PAGE_SIZE;

		REQUIRE_EQ(map(page, PAGE_SIZE, FIXED_EXCL), page);
		*(volatile uint64_t *)page = i;
	}
	for (uint64_t i = 0; i < 1000; i++) {
		EXPECT_EQ(*(volatile uint64_t *)(area + 2 * i * PAGE_SIZE), i);
	}
	EXPECT_EQ(unmap(area, 2000 * PAGE_SIZE), 0);
}

static void
vmem_limit(void)
{
	struct limit limit = {space_size() + 4 * PAGE_SIZE, LIMIT_INFINITY};

	REQUIRE_EQ(limit_set(HANDLE_SELF, LIMIT_VMEM, &limit), 0);
	EXPECT_EQ(map(0, 5 * PAGE_SIZE, 0), -ENOMEM);
	EXPECT(map(0, 4 * PAGE_SIZE, 0) > 0);
	EXPECT_EQ(map(0, PAGE_SIZE, 0), -ENOMEM);
}

static const struct tap_test tests[] = {
    {"a new mapping is page-aligned, zero, and has the rights asked for", zero_filled},
    {"INS-01: a mapping of no bytes is refused", no_length},
    {"INS-02: a mapping outside user space is refused", out_of_bounds},
    {"INS-02: the last page of user space can be used, the next cannot", last_user_page},
    {"INS-03: with EXCL any overlap is refused", overlap},
    {"INS-04: a mapping fits exactly between two others", exact_fit},
    {"INS-05: a mapping next to another reads zero", adjacent},
    {"INS-05: what was unmapped does not come back", stale_pages},
    {"INS-06: regions of different inheritance stay apart", separate_regions},
    {"INS-09: a guard has no rights and no size", guards},
    {"INS-11: the first 64 KiB are never mapped, the next page can be", low_addresses},
    {"INS-11: odd and wrapping addresses and lengths are refused", odd_addresses},
    {"FND-01: the lowest gap at or above the hint is taken", first_fit},
    {"FND-02: a hint inside a region finds the gap after it", hint_inside},
    {"FND-04: huge lengths are refused and nothing wraps", huge_lengths},
    {"FND-05: ALIGN2M aligns to 2 MiB", aligned},
    {"FND-09: a fixed mapping replaces what is there, exactly", replace},
    {"POPULATE makes all pages resident", populate},
    {"DEL-01: unmapping the middle leaves both ends", unmap_middle},
    {"DEL-02: unmapping holes succeeds, unmapping no bytes is refused", unmap_holes},
    {"DEL-06: unmapped pages are free at once", pages_returned},
    {"a walk by vm_query sees sorted regions that add up to the size", query_walk},
    {"vm_query finds the region around an address, and an end", query_inside},
    {"a thousand regions hold their data", many_regions},
    {"LIMIT_VMEM is reached exactly and not exceeded", vmem_limit},
};

TAP_MAIN(tests)

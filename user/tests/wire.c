/* SPDX-License-Identifier: BSD-2-Clause */
/* Wiring: pages that stay where they are (contract rows WIR, and PRT-15). */
#include <pagoda/memory.h>
#include <pagoda/tap.h>

#define PAGES 8
#define BYTES (PAGES * PAGE_SIZE)

static uint64_t
new_area(void)
{
	uint64_t area = ADDR(map_pages(BYTES, PROT_RW));

	REQUIRE(area != 0);
	return area;
}

static uint64_t
wired_bytes(void)
{
	struct proc_info info;

	REQUIRE_EQ(proc_info(proc_id(HANDLE_SELF), &info), 0);
	return info.wired;
}

static void
allow(uint64_t bytes)
{
	struct limit limit;

	REQUIRE_EQ(limit_get(HANDLE_SELF, LIMIT_MEMLOCK, &limit), 0);
	limit.cur = bytes < limit.max ? bytes : limit.max;
	REQUIRE_EQ(limit_set(HANDLE_SELF, LIMIT_MEMLOCK, &limit), 0);
}

static int64_t
wire(uint64_t addr, uint64_t length)
{
	return vm_wire(HANDLE_SELF, addr, length);
}

static int64_t
unwire(uint64_t addr, uint64_t length)
{
	return vm_unwire(HANDLE_SELF, addr, length);
}

static void
wire_all(void)
{
	uint64_t area = new_area();
	struct vm_region r;

	allow(LIMIT_INFINITY);
	EXPECT_EQ(wire(area, BYTES), 0);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.resident, PAGES);
	EXPECT_EQ(r.wired, 1);
	EXPECT(r.flags & VM_REGION_WIRED);
	EXPECT_EQ(wired_bytes(), BYTES);
	EXPECT(page_is_zero(area));
	EXPECT_EQ(unwire(area, BYTES), 0);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.wired, 0);
	EXPECT(!(r.flags & VM_REGION_WIRED));
	EXPECT_EQ(wired_bytes(), 0);
}

static void
wire_twice(void)
{
	uint64_t area = new_area();
	struct vm_region r;

	allow(LIMIT_INFINITY);
	EXPECT_EQ(wire(area, BYTES), 0);
	EXPECT_EQ(wire(area, BYTES), 0);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.wired, 1);
	EXPECT_EQ(wired_bytes(), BYTES);
	EXPECT_EQ(unwire(area, BYTES), 0);
	EXPECT_EQ(wired_bytes(), 0);
	EXPECT_EQ(unwire(area, BYTES), 0);
}

static void
wire_part(void)
{
	uint64_t area = new_area();

	allow(LIMIT_INFINITY);
	fill_page(area + PAGE_SIZE, 1);
	EXPECT_EQ(wire(area + PAGE_SIZE, 2 * PAGE_SIZE), 0);
	EXPECT_EQ(wired_bytes(), 2 * PAGE_SIZE);
	EXPECT(page_holds(area + PAGE_SIZE, 1));
	EXPECT_EQ(unwire(area + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(wired_bytes(), PAGE_SIZE);
	EXPECT_EQ(unwire(area, BYTES), 0);
	EXPECT_EQ(wired_bytes(), 0);
}

static void
wire_hole(void)
{
	uint64_t area = new_area();
	struct vm_region r;

	allow(LIMIT_INFINITY);
	unmap_pages((void *)(area + 2 * PAGE_SIZE), PAGE_SIZE);
	EXPECT(wire(area, BYTES) < 0);
	EXPECT_EQ(wired_bytes(), 0);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.wired, 0);
	EXPECT(wire(area + 2 * PAGE_SIZE, PAGE_SIZE) < 0);
	EXPECT_EQ(wire(area, 2 * PAGE_SIZE), 0);
}

static void
wire_no_access(void)
{
	uint64_t area = new_area();

	allow(LIMIT_INFINITY);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, area + PAGE_SIZE, PAGE_SIZE, PROT_NONE, 0), 0);
	EXPECT(wire(area, BYTES) < 0);
	EXPECT_EQ(wired_bytes(), 0);
}

static void
wire_object_end(void)
{
	handle_t object = (handle_t)object_create(2 * PAGE_SIZE);
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);
	int64_t area = vm_map(HANDLE_SELF, 0, BYTES, args, object, 0);

	allow(LIMIT_INFINITY);
	REQUIRE(area > 0);
	EXPECT(wire(area, BYTES) < 0);
	EXPECT_EQ(wired_bytes(), 0);
	EXPECT_EQ(wire(area, 2 * PAGE_SIZE), 0);
}

static void
wire_limit(void)
{
	uint64_t area = new_area();

	allow(4 * PAGE_SIZE);
	EXPECT(wire(area, 5 * PAGE_SIZE) < 0);
	EXPECT_EQ(wired_bytes(), 0);
	EXPECT_EQ(wire(area, 4 * PAGE_SIZE), 0);
	EXPECT(wire(area + 4 * PAGE_SIZE, PAGE_SIZE) < 0);
	EXPECT_EQ(wired_bytes(), 4 * PAGE_SIZE);
	EXPECT_EQ(unwire(area, PAGE_SIZE), 0);
	EXPECT_EQ(wire(area + 4 * PAGE_SIZE, PAGE_SIZE), 0);
}

static void
unmap_wired(void)
{
	struct system_info before, after;
	uint64_t area = new_area();

	allow(LIMIT_INFINITY);
	EXPECT_EQ(wire(area, BYTES), 0);
	tap_counts(&before);
	EXPECT_EQ(vm_unmap(HANDLE_SELF, area, BYTES), 0);
	EXPECT_EQ(wired_bytes(), 0);
	tap_counts(&after);
	EXPECT(after.pages_free >= before.pages_free + PAGES);
}

static void
write_copies(void *area)
{
	struct vm_region r;

	REQUIRE(region_at(ADDR(area), &r));
	EXPECT_EQ(r.wired, 0);
	EXPECT_EQ(wired_bytes(), 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		EXPECT(page_holds(ADDR(area) + i * PAGE_SIZE, i));
		fill_page(ADDR(area) + i * PAGE_SIZE, 100 + i);
	}
}

static void
fork_wired(void)
{
	uint64_t area = new_area();
	struct vm_region r;

	allow(LIMIT_INFINITY);
	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(area + i * PAGE_SIZE, i);
	}
	REQUIRE_EQ(wire(area, BYTES), 0);
	EXPECT_SURVIVES(write_copies, area);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.wired, 1);
	EXPECT_EQ(r.resident, PAGES);
	for (uint64_t i = 0; i < PAGES; i++) {
		EXPECT(page_holds(area + i * PAGE_SIZE, i));
	}
}

/* In a child: a region whose pages are still its parent's becomes writable while it is wired. */
static void
grant_to_wired(void *arg)
{
	uint64_t area = ADDR(arg);
	struct vm_region r;

	allow(LIMIT_INFINITY);
	REQUIRE_EQ(wire(area, BYTES), 0);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, area, BYTES, PROT_RW, 0), 0);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.resident, PAGES);
	EXPECT_EQ(r.object_resident, PAGES);
	fill_page(area, 50);
	EXPECT(page_holds(area, 50));
	EXPECT(page_holds(area + PAGE_SIZE, 1));
	EXPECT_EQ(unwire(area, BYTES), 0);
}

static void
protect_wired(void)
{
	uint64_t area = new_area();

	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(area + i * PAGE_SIZE, i);
	}
	REQUIRE_EQ(vm_protect(HANDLE_SELF, area, BYTES, PROT_READ, 0), 0);
	EXPECT_SURVIVES(grant_to_wired, area);
	EXPECT(page_holds(area, 0));
}

static void
wire_future(void)
{
	struct vm_region r;

	allow(LIMIT_INFINITY);
	REQUIRE_EQ(vm_wire_future(HANDLE_SELF, 1), 0);
	uint64_t area = new_area();
	EXPECT_EQ(wired_bytes(), BYTES);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.resident, PAGES);
	REQUIRE_EQ(vm_wire_future(HANDLE_SELF, 0), 0);
	new_area();
	EXPECT_EQ(wired_bytes(), BYTES);
}

static void
wire_future_limit(void)
{
	struct proc_info before, after;

	allow(2 * PAGE_SIZE);
	REQUIRE_EQ(vm_wire_future(HANDLE_SELF, 1), 0);
	REQUIRE_EQ(proc_info(proc_id(HANDLE_SELF), &before), 0);
	EXPECT(map_pages(BYTES, PROT_RW) == NULL);
	REQUIRE_EQ(proc_info(proc_id(HANDLE_SELF), &after), 0);
	EXPECT_EQ(after.size, before.size);
	EXPECT_EQ(after.wired, 0);
}

static void
bad_arguments(void)
{
	uint64_t area = new_area();

	allow(LIMIT_INFINITY);
	EXPECT_EQ(wire(area, 0), 0);
	EXPECT_EQ(wire(area + 1, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(wire(area, PAGE_SIZE + 1), -EINVAL);
	EXPECT(wire(area, -PAGE_SIZE) < 0);
	EXPECT(wire(0xffff800000000000ul, PAGE_SIZE) < 0);
	EXPECT_EQ(wired_bytes(), 0);
}

/* The grandchild's store shadows a page that its parent sees, too; the wired one is neither's. */
static void
store_below(void *area)
{
	fill_page(ADDR(area), 50);
	EXPECT(page_holds(ADDR(area), 50));
}

static void
share_and_store(void *area)
{
	EXPECT_EQ(vm_protect(HANDLE_SELF, ADDR(area), BYTES, PROT_RW, 0), 0);
	EXPECT_EQ(vm_inherit(HANDLE_SELF, ADDR(area), BYTES, INHERIT_SHARE), 0);
	EXPECT(page_holds(ADDR(area), 0));
	EXPECT_SURVIVES(store_below, area);
	EXPECT(page_holds(ADDR(area), 50));
}

static void
wired_below_a_shadow(void)
{
	uint64_t area = new_area();
	struct vm_region r;

	allow(LIMIT_INFINITY);
	fill_page(area, 0);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, area, BYTES, PROT_READ, 0), 0);
	REQUIRE_EQ(wire(area, BYTES), 0);
	EXPECT_SURVIVES(share_and_store, area);
	REQUIRE(region_at(area, &r));
	EXPECT_EQ(r.resident, PAGES);
	EXPECT(page_holds(area, 0));
}

static const struct tap_test tests[] = {
    {"WIR-01: a wired region is resident and counted, until it is unwired", wire_all},
    {"WIR-01: wiring twice is wiring once", wire_twice},
    {"WIR-01: a part of a region is wired alone", wire_part},
    {"WIR-02: a hole is refused and nothing stays wired", wire_hole},
    {"WIR-02: a region without access is refused", wire_no_access},
    {"WIR-03: a page that cannot be had unwires those before it", wire_object_end},
    {"WIR-04: LIMIT_MEMLOCK is reached exactly and not exceeded", wire_limit},
    {"WIR: a wired page that children shadow stays mapped", wired_below_a_shadow},
    {"DEL-04: unmapping a wired region unwires it", unmap_wired},
    {"WIR-05: the child of a fork gets copies, unwired; the parent stays wired", fork_wired},
    {"PRT-15: a wired region made writable is copied at once", protect_wired},
    {"wire_future wires what is mapped from then on", wire_future},
    {"wire_future refuses a mapping beyond LIMIT_MEMLOCK", wire_future_limit},
    {"odd, wrapping and foreign ranges are refused", bad_arguments},
};

TAP_MAIN(tests)

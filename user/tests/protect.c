/* SPDX-License-Identifier: BSD-2-Clause */
/* Protection: what it allows, what it may become, and that nothing changes half (rows PRT, FLT). */
#include <pagoda/memory.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>

#define PAGES 9
#define BYTES (PAGES * PAGE_SIZE)

static void
touch_at(void *addr)
{
	touch(ADDR(addr));
}

static void
peek_at(void *addr)
{
	(void)peek(ADDR(addr));
}

static void
call_at(void *addr)
{
	((void (*)(void))addr)();
}

static uint64_t
new_area(void)
{
	uint64_t area = ADDR(map_pages(BYTES, PROT_RW));

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

static int64_t
protect(uint64_t addr, uint64_t length, uint32_t prot)
{
	return vm_protect(HANDLE_SELF, addr, length, prot, 0);
}

static int64_t
protect_max(uint64_t addr, uint64_t length, uint32_t prot)
{
	return vm_protect(HANDLE_SELF, addr, length, prot, 1);
}

static void
expect_region(uint64_t addr, uint32_t prot, uint32_t max)
{
	struct vm_region r;

	REQUIRE(region_at(addr, &r));
	EXPECT_EQ(r.prot, prot);
	EXPECT_EQ(r.max_prot, max);
}

static void
read_only(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area, BYTES, PROT_READ), 0);
	EXPECT_FAULT(touch_at, area + 5, FAULT_ACCERR, area + 5);
	EXPECT(area_holds(area));
}

static void
set_max(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect_max(area, BYTES, PROT_READ), 0);
	expect_region(area, PROT_READ, PROT_READ);
	EXPECT_EQ(protect(area, BYTES, PROT_RW), -EACCES);
	EXPECT_FAULT(touch_at, area, FAULT_ACCERR, area);
	EXPECT(area_holds(area));
}

static void
set_max_masks(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area, BYTES, PROT_READ), 0);
	EXPECT_EQ(protect_max(area, BYTES, PROT_RW), 0);
	expect_region(area, PROT_READ, PROT_RW);
}

static void
max_untouched(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area, BYTES, PROT_NONE), 0);
	expect_region(area, PROT_NONE, PROT_ALL);
	EXPECT_EQ(protect(area, BYTES, PROT_RW), 0);
	expect_region(area, PROT_RW, PROT_ALL);
}

static void
all_or_nothing(void)
{
	uint64_t area = new_area();
	uint64_t last = area + BYTES - PAGE_SIZE;

	REQUIRE_EQ(protect_max(last, PAGE_SIZE, PROT_READ), 0);
	EXPECT_EQ(protect(area, BYTES, PROT_WRITE), -EACCES);
	expect_region(area, PROT_RW, PROT_ALL);
	expect_region(last, PROT_READ, PROT_READ);
	touch(area);
}

static void
max_only_shrinks(void)
{
	uint64_t area = new_area();

	REQUIRE_EQ(protect_max(area, BYTES, PROT_READ), 0);
	EXPECT_EQ(protect_max(area, BYTES, PROT_RW), -EACCES);
	expect_region(area, PROT_READ, PROT_READ);
}

static void
middle_third(void)
{
	uint64_t area = new_area();
	uint64_t middle = area + BYTES / 3, last = area + 2 * (BYTES / 3);

	EXPECT_EQ(protect(middle, BYTES / 3, PROT_READ), 0);
	expect_region(area, PROT_RW, PROT_ALL);
	expect_region(middle, PROT_READ, PROT_ALL);
	expect_region(last, PROT_RW, PROT_ALL);
	EXPECT(area_holds(area));
	touch(middle - 1);
	touch(last);
	EXPECT_FAULT(touch_at, middle, FAULT_ACCERR, middle);
	EXPECT_FAULT(touch_at, last - 1, FAULT_ACCERR, last - 1);

	struct vm_region r;
	REQUIRE(region_at(middle, &r));
	EXPECT_EQ(r.start, middle);
	EXPECT_EQ(r.end, last);
}

static void
middle_restored(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area + BYTES / 3, BYTES / 3, PROT_NONE), 0);
	EXPECT_FAULT(peek_at, area + BYTES / 3, FAULT_ACCERR, area + BYTES / 3);
	EXPECT_EQ(protect(area + BYTES / 3, BYTES / 3, PROT_RW), 0);
	EXPECT(area_holds(area));
	fill_page(area + BYTES / 3, 99);
	EXPECT(page_holds(area + BYTES / 3, 99));
}

static void
hole_refused(void)
{
	uint64_t area = new_area();

	unmap_pages((void *)(area + PAGE_SIZE), PAGE_SIZE);
	EXPECT(protect(area, BYTES, PROT_READ) < 0);
	expect_region(area, PROT_RW, PROT_ALL);
	expect_region(area + 2 * PAGE_SIZE, PROT_RW, PROT_ALL);
}

static void
nothing_to_do(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area, 0, PROT_NONE), 0);
	expect_region(area, PROT_RW, PROT_ALL);
}

static void
store_after_grant(void *area)
{
	EXPECT_EQ(protect(ADDR(area), BYTES, PROT_RW), 0);
	fill_page(ADDR(area), 50);
	EXPECT(page_holds(ADDR(area), 50));
	EXPECT(page_holds(ADDR(area) + PAGE_SIZE, 1));
}

static void
grant_on_copy(void)
{
	uint64_t area = new_area();

	REQUIRE_EQ(protect(area, BYTES, PROT_READ), 0);
	EXPECT_SURVIVES(store_after_grant, area);
	EXPECT(area_holds(area));
}

static void
none_keeps_data(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area, BYTES, PROT_NONE), 0);
	EXPECT_FAULT(peek_at, area, FAULT_ACCERR, area);
	EXPECT_FAULT(touch_at, area, FAULT_ACCERR, area);
	EXPECT_EQ(protect(area, BYTES, PROT_RW), 0);
	EXPECT(area_holds(area));
}

static void
low_max(void)
{
	static const uint32_t wanted[] = {PROT_WRITE, PROT_RW, PROT_RX, PROT_EXEC, PROT_ALL};
	uint64_t args = VM_MAP_ARGS(PROT_READ, PROT_READ, 0);
	int64_t area = vm_map(HANDLE_SELF, 0, BYTES, args, 0, 0);

	REQUIRE(area > 0);
	for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		EXPECT_EQ(protect(area, BYTES, wanted[i]), -EACCES);
	}
	expect_region(area, PROT_READ, PROT_READ);
	EXPECT_EQ(protect(area, BYTES, PROT_NONE), 0);
	EXPECT_EQ(protect(area, BYTES, PROT_READ), 0);
}

static void
write_and_execute(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area, BYTES, PROT_ALL), -EACCES);
	EXPECT_EQ(protect(area, BYTES, PROT_WRITE | PROT_EXEC), -EACCES);
	expect_region(area, PROT_RW, PROT_ALL);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, BYTES, VM_MAP_ARGS(PROT_ALL, PROT_ALL, 0), 0, 0), -EACCES);
}

static void
mixed_copies(void *arg)
{
	uint64_t area = ADDR(arg);

	/* The first page has its own copy already, the others have none. */
	fill_page(area, 60);
	EXPECT_EQ(protect(area, BYTES, PROT_READ), 0);
	EXPECT_EQ(protect(area, BYTES, PROT_RW), 0);
	EXPECT(page_holds(area, 60));
	fill_page(area + PAGE_SIZE, 61);
	EXPECT(page_holds(area, 60));
	EXPECT(page_holds(area + 2 * PAGE_SIZE, 2));
}

static void
mixed(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(mixed_copies, area);
	EXPECT(area_holds(area));
}

static void
guard_in_range(void)
{
	uint64_t area = new_area(), guard = area + PAGE_SIZE;
	uint64_t args = VM_MAP_ARGS(PROT_NONE, PROT_NONE, VM_MAP_FLAG_GUARD | VM_MAP_FLAG_FIXED);

	REQUIRE_EQ(vm_map(HANDLE_SELF, guard, PAGE_SIZE, args, 0, 0), guard);
	EXPECT_FAULT(peek_at, guard, FAULT_ACCERR, guard);
	EXPECT_EQ(protect(area, BYTES, PROT_READ), -EACCES);
	expect_region(area, PROT_RW, PROT_ALL);
	expect_region(guard, PROT_NONE, PROT_NONE);
	EXPECT_EQ(protect(area, BYTES, PROT_NONE), 0);
	expect_region(area, PROT_NONE, PROT_ALL);
}

/* ---- Execution ---- */

#define RET 0xc3

static void
execute(void)
{
	uint64_t area = new_area();

	*(volatile uint8_t *)area = RET;
	EXPECT_FAULT(call_at, area, FAULT_ACCERR, area);
	EXPECT_EQ(protect(area, PAGE_SIZE, PROT_RX), 0);
	EXPECT_SURVIVES(call_at, area);
	EXPECT_FAULT(touch_at, area, FAULT_ACCERR, area);
	EXPECT_EQ(protect(area, PAGE_SIZE, PROT_RW), 0);
	EXPECT_FAULT(call_at, area, FAULT_ACCERR, area);
}

static void
execute_stack(void)
{
	volatile uint8_t code[16] = {RET};

	EXPECT_FAULT(call_at, ADDR(code), FAULT_ACCERR, ADDR(code));
}

static void
write_only(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(protect(area, BYTES, PROT_WRITE), 0);
	EXPECT_SURVIVES(touch_at, area);
}

static void
own_text(void)
{
	uint64_t text = ADDR(own_text);

	EXPECT_FAULT(touch_at, text, FAULT_ACCERR, text);
	EXPECT_EQ(protect(page_round_down(text), PAGE_SIZE, PROT_ALL), -EACCES);
}

static void
system_calls_obey(void)
{
	uint64_t area = new_area();
	struct system_info info;

	EXPECT_EQ(protect(area, BYTES, PROT_READ), 0);
	EXPECT_EQ(system_info((struct system_info *)area), -EFAULT);
	EXPECT_EQ(vm_write(HANDLE_SELF, ADDR(&info), (void *)area, sizeof info), sizeof info);
	EXPECT_EQ(protect(area, BYTES, PROT_NONE), 0);
	EXPECT_EQ(vm_write(HANDLE_SELF, ADDR(&info), (void *)area, sizeof info), -EFAULT);
	EXPECT_EQ(protect(area, BYTES, PROT_READ), 0);
	EXPECT(area_holds(area));
}

/* A page in each of many page tables: the kernel looks through all of them, not at one go. */
#define SPARSE_STEP  (2ul << 20)
#define SPARSE_BYTES (64ul << 20)

static void
sparse(void)
{
	uint64_t area = (uint64_t)map_pages(SPARSE_BYTES, PROT_RW);

	REQUIRE(area != 0);
	for (uint64_t at = 0; at < SPARSE_BYTES; at += SPARSE_STEP) {
		fill_page(area + at, at);
	}
	REQUIRE_EQ(vm_protect(HANDLE_SELF, area, SPARSE_BYTES, PROT_READ, 0), 0);
	for (uint64_t at = 0; at < SPARSE_BYTES; at += SPARSE_STEP) {
		EXPECT(page_holds(area + at, at));
		EXPECT_FAULT(touch_at, area + at, FAULT_ACCERR, area + at);
	}
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, area, SPARSE_BYTES), 0);
	for (uint64_t at = 0; at < SPARSE_BYTES; at += SPARSE_STEP) {
		EXPECT_FAULT(touch_at, area + at, FAULT_MAPERR, area + at);
	}
}

static const struct tap_test tests[] = {
    {"PRT-01: a read-only region can be read and not written", read_only},
    {"PRT-02: set_max lowers the maximum and the protection", set_max},
    {"PRT-02: set_max grants nothing", set_max_masks},
    {"PRT-03: without set_max the maximum stays", max_untouched},
    {"PRT-04: one region that refuses leaves all unchanged", all_or_nothing},
    {"PRT-05: the maximum never grows", max_only_shrinks},
    {"PRT-07: the middle third becomes a region of its own, data intact", middle_third},
    {"PRT-08: the middle can be had back", middle_restored},
    {"PRT-09: a hole in the range is refused, nothing changed", hole_refused},
    {"PRT-10: an empty range changes nothing", nothing_to_do},
    {"PRT-12: granting WRITE on a copy-on-write region copies at the first store", grant_on_copy},
    {"PRT-13: NONE, then RW: the data is there", none_keeps_data},
    {"PRT-01: a page in each of many page tables loses its rights", sparse},
    {"PRT-14: a region of low maximum is refused more", low_max},
    {"PRT-16: write and execute together are refused", write_and_execute},
    {"PRT-17: copied and uncopied pages of one range are judged apart", mixed},
    {"PRT-19: a guard in the range allows NONE only", guard_in_range},
    {"FLT-04: a write-only region can be written", write_only},
    {"code runs from RX and never from RW", execute},
    {"code does not run from the stack", execute_stack},
    {"a program cannot write its own code", own_text},
    {"system calls obey protection", system_calls_obey},
};

TAP_MAIN(tests)

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a range contains and where it lies: advice, sync, move, discard, residency (contract rows ADV,
 * SYN, MOV, DSC, RES), as a program sees it, in its own space and in another's.
 */
#include <pagoda/memory.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define PAGES 8
#define BYTES (PAGES * PAGE_SIZE)
#define ROOM  (4 * BYTES)
#define FIXED (VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL)

/* A free range; its start is good for any use, as nothing else is mapped meanwhile. */
static uint64_t
free_room(void)
{
	uint64_t room = ADDR(map_pages(ROOM, PROT_RW));

	REQUIRE(room != 0);
	unmap_pages((void *)room, ROOM);
	return room;
}

static void
fill(uint64_t area, uint64_t seed)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		fill_page(area + i * PAGE_SIZE, seed + i);
	}
}

static bool
holds(uint64_t area, uint64_t pages, uint64_t seed)
{
	bool held = true;

	for (uint64_t i = 0; i < pages; i++) {
		held &= page_holds(area + i * PAGE_SIZE, seed + i);
	}
	return held;
}

static bool
is_zero(uint64_t area, uint64_t pages)
{
	bool zero = true;

	for (uint64_t i = 0; i < pages; i++) {
		zero &= page_is_zero(area + i * PAGE_SIZE);
	}
	return zero;
}

/* PAGES filled pages with nothing around them. */
static uint64_t
new_area(void)
{
	uint64_t room = free_room() + BYTES;
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_ALL, FIXED);

	REQUIRE_EQ(vm_map(HANDLE_SELF, room, BYTES, args, 0, 0), room);
	fill(room, 1);
	return room;
}

static uint64_t
new_shared(void)
{
	uint64_t area = ADDR(map_shared(BYTES));

	REQUIRE(area != 0);
	fill(area, 1);
	return area;
}

static struct vm_region
region_of(uint64_t addr)
{
	struct vm_region r = {0};

	REQUIRE(region_at(addr, &r));
	return r;
}

static uint64_t
pages_free(void)
{
	struct system_info info;

	REQUIRE_EQ(system_info(&info), 0);
	return info.pages_free;
}

static void
limit_to(uint32_t which, uint64_t bytes)
{
	struct limit limit;

	REQUIRE_EQ(limit_get(HANDLE_SELF, which, &limit), 0);
	limit.cur = bytes;
	REQUIRE_EQ(limit_set(HANDLE_SELF, which, &limit), 0);
}

static uint64_t
space_size(void)
{
	struct proc_info info;

	REQUIRE_EQ(proc_info(proc_id(HANDLE_SELF), &info), 0);
	return info.size;
}

/* ---- Advice ---- */

static int64_t
advise(uint64_t addr, uint64_t length, uint32_t advice)
{
	return vm_advise(HANDLE_SELF, addr, length, advice);
}

static void
advice_is_seen(void)
{
	static const struct {
		uint32_t advice, undo, flag;
	} table[] = {
	    {ADVICE_NOCORE, ADVICE_CORE, VM_REGION_NOCORE},
	    {ADVICE_RANDOM, ADVICE_NORMAL, VM_REGION_RANDOM},
	    {ADVICE_SEQUENTIAL, ADVICE_NORMAL, VM_REGION_SEQUENTIAL},
	    {ADVICE_NOSYNC, ADVICE_AUTOSYNC, VM_REGION_NOSYNC},
	};
	uint64_t area = new_area();

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		EXPECT_EQ(advise(area + PAGE_SIZE, PAGE_SIZE, table[i].advice), 0);
		EXPECT_EQ(region_of(area).flags & table[i].flag, 0);
		EXPECT_EQ(region_of(area + PAGE_SIZE).flags & table[i].flag, table[i].flag);
		EXPECT_EQ(region_of(area + PAGE_SIZE).end, area + 2 * PAGE_SIZE);
		EXPECT_EQ(region_of(area + 2 * PAGE_SIZE).flags & table[i].flag, 0);
		EXPECT_EQ(advise(area, BYTES, table[i].undo), 0);
		EXPECT_EQ(region_of(area).end, area + BYTES);
	}
	EXPECT(holds(area, PAGES, 1));
}

static void
will_need(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(advise(area, BYTES, ADVICE_DONTNEED), 0);
	EXPECT_EQ(region_of(area).resident, 0);
	EXPECT_EQ(region_of(area).object_resident, PAGES);
	EXPECT_EQ(advise(area + PAGE_SIZE, 2 * PAGE_SIZE, ADVICE_WILLNEED), 0);
	EXPECT_EQ(region_of(area).resident, 2);
	EXPECT(holds(area, PAGES, 1));
	EXPECT_EQ(region_of(area).resident, PAGES);
}

static void
advice_free(void)
{
	uint64_t area = new_area(), before = pages_free();

	EXPECT_EQ(advise(area + 2 * PAGE_SIZE, 4 * PAGE_SIZE, ADVICE_FREE), 0);
	EXPECT(pages_free() >= before + 4);
	EXPECT(holds(area, 2, 1));
	EXPECT(is_zero(area + 2 * PAGE_SIZE, 4));
	EXPECT(holds(area + 6 * PAGE_SIZE, 2, 7));
}

static void
check_area(void *area)
{
	EXPECT(holds(ADDR(area), PAGES, 1));
}

/* A child's data is its own, whatever its parent advises, and so the other way round. */
static void
free_own(void *area)
{
	EXPECT_EQ(advise(ADDR(area), BYTES, ADVICE_FREE), 0);
	EXPECT_EQ(advise(ADDR(area), BYTES, ADVICE_DONTNEED), 0);
}

static void
advice_of_a_child(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(free_own, area);
	EXPECT(holds(area, PAGES, 1));
	area = new_shared();
	EXPECT_SURVIVES(free_own, area);
	EXPECT(holds(area, PAGES, 1));
}

static void
advice_refused(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(advise(area, BYTES, ADVICE_CORE + 1), -EINVAL);
	EXPECT_EQ(advise(area, BYTES, -1u), -EINVAL);
	EXPECT_EQ(advise(area + 1, BYTES, ADVICE_FREE), -EINVAL);
	EXPECT_EQ(advise(area, BYTES - 1, ADVICE_FREE), -EINVAL);
	/* Holes are fine. */
	EXPECT_EQ(advise(area - PAGE_SIZE, BYTES + 2 * PAGE_SIZE, ADVICE_NOCORE), 0);
	EXPECT(region_of(area).flags & VM_REGION_NOCORE);
}

/* ---- Sync ---- */

static void
sync_own(void)
{
	uint64_t area = new_area(), shared = new_shared();

	EXPECT_EQ(vm_sync(HANDLE_SELF, area, BYTES, 0), 0);
	EXPECT_EQ(vm_sync(HANDLE_SELF, shared, BYTES, VM_SYNC_INVALIDATE), 0);
	EXPECT_EQ(vm_sync(HANDLE_SELF, area, BYTES, VM_SYNC_INVALIDATE), 0);
	EXPECT_EQ(region_of(area).resident, 0);
	EXPECT(holds(area, PAGES, 1));
	EXPECT(holds(shared, PAGES, 1));
	/* Length 0 is the whole region. */
	EXPECT_EQ(vm_sync(HANDLE_SELF, area + PAGE_SIZE, 0, VM_SYNC_INVALIDATE), 0);
	EXPECT_EQ(region_of(area).resident, 0);
}

static void
sync_refused(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(vm_sync(HANDLE_SELF, area, BYTES, 2), -EINVAL);
	EXPECT_EQ(vm_sync(HANDLE_SELF, area + 1, BYTES, 0), -EINVAL);
	EXPECT_EQ(vm_sync(HANDLE_SELF, area, BYTES + PAGE_SIZE, 0), -ENOMEM);
	EXPECT_EQ(vm_sync(HANDLE_SELF, area - PAGE_SIZE, 0, 0), -ENOMEM);
	REQUIRE_EQ(vm_wire(HANDLE_SELF, area, PAGE_SIZE), 0);
	EXPECT_EQ(vm_sync(HANDLE_SELF, area, BYTES, VM_SYNC_INVALIDATE), -EINVAL);
	EXPECT_EQ(region_of(area).resident, 1);
	EXPECT_EQ(vm_sync(HANDLE_SELF, area, BYTES, 0), 0);
}

/* ---- Move ---- */

static int64_t
move(uint64_t addr, uint64_t pages, uint64_t new_pages, uint32_t flags, uint64_t to)
{
	return vm_move(HANDLE_SELF, addr, pages * PAGE_SIZE, new_pages * PAGE_SIZE, flags, to);
}

static void
touch_at(void *addr)
{
	touch(ADDR(addr));
}

static void
extend(void)
{
	uint64_t area = new_area(), size = space_size();

	EXPECT_EQ(move(area, PAGES, PAGES + 2, 0, 0), area);
	EXPECT_EQ(region_of(area).end, area + BYTES + 2 * PAGE_SIZE);
	EXPECT_EQ(space_size(), size + 2 * PAGE_SIZE);
	EXPECT(holds(area, PAGES, 1));
	EXPECT(is_zero(area + BYTES, 2));
	fill_page(area + BYTES + PAGE_SIZE, 99);
	EXPECT(page_holds(area + BYTES + PAGE_SIZE, 99));
}

static void
extend_again_and_again(void)
{
	uint64_t area = new_area(), pages = PAGES;

	for (int i = 0; i < 100; i++) {
		int64_t at = move(area, pages, pages + 5, VM_MOVE_MAY, 0);

		REQUIRE(at > 0);
		area = at;
		fill_page(area + pages * PAGE_SIZE, i);
		pages += 5;
	}
	EXPECT(holds(area, PAGES, 1));
	for (int i = 0; i < 100; i++) {
		EXPECT(page_holds(area + (PAGES + 5ul * i) * PAGE_SIZE, i));
	}
	EXPECT_EQ(region_of(area).end, area + pages * PAGE_SIZE);
}

static void
move_away(void)
{
	uint64_t area = new_area(), to = area + BYTES + PAGE_SIZE, before = pages_free();

	EXPECT_EQ(vm_advise(HANDLE_SELF, area, BYTES, ADVICE_NOCORE), 0);
	EXPECT_EQ(move(area, PAGES, PAGES, VM_MOVE_FIXED, to), to);
	EXPECT_FAULT(touch_at, area, FAULT_MAPERR, area);
	EXPECT(holds(to, PAGES, 1));
	EXPECT(region_of(to).flags & VM_REGION_NOCORE);
	EXPECT(pages_free() + 4 >= before); /* page tables, but no pages */
	fill(to, 30);
	EXPECT(holds(to, PAGES, 30));
}

static void
move_part(void)
{
	uint64_t area = new_area(), to = area + BYTES;
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_ALL, FIXED);

	EXPECT_EQ(move(area + 2 * PAGE_SIZE, 4, 4, VM_MOVE_FIXED, to), to);
	EXPECT(holds(area, 2, 1));
	EXPECT(holds(to, 4, 3));
	EXPECT(holds(area + 6 * PAGE_SIZE, 2, 7));
	/* What comes in its place is new. */
	EXPECT_EQ(vm_map(HANDLE_SELF, area + 2 * PAGE_SIZE, 4 * PAGE_SIZE, args, 0, 0),
		  area + 2 * PAGE_SIZE);
	EXPECT(is_zero(area + 2 * PAGE_SIZE, 4));
	EXPECT(holds(to, 4, 3));
}

static void
move_then_write(void *area)
{
	uint64_t from = ADDR(area), to = from + BYTES + PAGE_SIZE;

	EXPECT_EQ(move(from, PAGES, PAGES + 1, VM_MOVE_FIXED, to), to);
	EXPECT(holds(to, PAGES, 1));
	EXPECT(page_is_zero(to + BYTES));
	fill(to, 50);
	EXPECT(holds(to, PAGES, 50));
}

/* A copy still due is made at the new place; the parent keeps its own. */
static void
move_copy(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(move_then_write, area);
	EXPECT(holds(area, PAGES, 1));
	EXPECT_SURVIVES(check_area, area);
}

static void
move_then_store(void *area)
{
	uint64_t to = free_room();

	EXPECT_EQ(move(ADDR(area), PAGES, PAGES, VM_MOVE_FIXED, to), to);
	EXPECT(holds(to, PAGES, 1));
	fill(to, 50);
}

static void
move_shared(void)
{
	uint64_t area = new_shared();

	EXPECT_SURVIVES(move_then_store, area);
	EXPECT(holds(area, PAGES, 50));
}

static void
move_wired(void)
{
	uint64_t area = new_area(), to = area + BYTES + PAGE_SIZE;
	struct vm_region r;

	REQUIRE_EQ(vm_wire(HANDLE_SELF, area, BYTES), 0);
	EXPECT_EQ(move(area, PAGES, PAGES + 1, VM_MOVE_FIXED, to), to);
	r = region_of(to);
	EXPECT_EQ(r.end, to + BYTES + PAGE_SIZE);
	EXPECT_EQ(r.resident, PAGES + 1);
	EXPECT(r.flags & VM_REGION_WIRED);
	EXPECT(holds(to, PAGES, 1));
	EXPECT(page_is_zero(to + BYTES));
	limit_to(LIMIT_MEMLOCK, BYTES + PAGE_SIZE);
	EXPECT_EQ(move(to, PAGES + 1, PAGES + 2, 0, 0), -ENOMEM);
	EXPECT_EQ(region_of(to).end, to + BYTES + PAGE_SIZE);
	EXPECT_EQ(vm_unwire(HANDLE_SELF, to, BYTES + PAGE_SIZE), 0);
}

static void
move_wire_future(void)
{
	uint64_t area = new_area();

	REQUIRE_EQ(vm_wire_future(HANDLE_SELF, 1), 0);
	EXPECT_EQ(move(area, PAGES, PAGES + 1, 0, 0), area);
	EXPECT(region_of(area + BYTES).flags & VM_REGION_WIRED);
	EXPECT(!(region_of(area).flags & VM_REGION_WIRED));
	EXPECT(page_is_zero(area + BYTES));
}

static void
no_room(void)
{
	uint64_t area = new_area();
	uint64_t guard = VM_MAP_ARGS(0, 0, VM_MAP_FLAG_GUARD | FIXED);
	int64_t at;

	REQUIRE_EQ(vm_map(HANDLE_SELF, area + BYTES, PAGE_SIZE, guard, 0, 0), area + BYTES);
	EXPECT_EQ(move(area, PAGES, PAGES + 1, 0, 0), -ENOMEM);
	EXPECT_EQ(region_of(area).end, area + BYTES);
	at = move(area, PAGES, PAGES + 1, VM_MOVE_MAY, 0);
	REQUIRE(at > 0);
	EXPECT(at != (int64_t)area);
	EXPECT(holds(at, PAGES, 1));
	EXPECT(page_is_zero(at + BYTES));
	EXPECT_FAULT(touch_at, area, FAULT_MAPERR, area);
	EXPECT_EQ(move(at, 1, 2, VM_MOVE_FIXED, area + BYTES - PAGE_SIZE), -EEXIST);
}

static void
shrink(void)
{
	uint64_t area = new_area(), size = space_size();

	EXPECT_EQ(move(area, PAGES, 3, 0, 0), area);
	EXPECT_EQ(space_size(), size - 5 * PAGE_SIZE);
	EXPECT(holds(area, 3, 1));
	EXPECT_FAULT(touch_at, area + 3 * PAGE_SIZE, FAULT_MAPERR, area + 3 * PAGE_SIZE);
}

static void
vmem_limits_a_move(void)
{
	uint64_t area = new_area();

	limit_to(LIMIT_VMEM, space_size() + PAGE_SIZE);
	EXPECT_EQ(move(area, PAGES, PAGES + 2, 0, 0), -ENOMEM);
	EXPECT_EQ(move(area, PAGES, PAGES + 2, VM_MOVE_MAY, 0), -ENOMEM);
	EXPECT_EQ(region_of(area).end, area + BYTES);
	EXPECT_EQ(move(area, PAGES, PAGES + 1, 0, 0), area);
	EXPECT_EQ(move(area, PAGES + 1, PAGES + 1, VM_MOVE_FIXED, area + 2 * BYTES),
		  area + 2 * BYTES);
	EXPECT(holds(area + 2 * BYTES, PAGES, 1));
}

static void
move_refused(void)
{
	uint64_t area = new_area(), to = area + BYTES + PAGE_SIZE;

	REQUIRE_EQ(vm_protect(HANDLE_SELF, area + BYTES / 2, BYTES / 2, PROT_READ, 0), 0);
	EXPECT_EQ(move(area, PAGES, PAGES, VM_MOVE_FIXED, to), -EINVAL);
	EXPECT_EQ(move(area, PAGES, 1, 0, 0), -EINVAL);
	EXPECT_EQ(move(area + BYTES / 2, PAGES, PAGES, VM_MOVE_FIXED, to), -ENOMEM);
	EXPECT_EQ(move(area, 4, 4, VM_MOVE_FIXED, area + PAGE_SIZE), -EINVAL);
	EXPECT_EQ(move(area, 4, 4, VM_MOVE_FIXED, area - PAGE_SIZE), -EINVAL);
	EXPECT_EQ(move(area, 4, 4, VM_MOVE_FIXED, area + BYTES / 2), -EEXIST);
	EXPECT_EQ(move(area, 4, 4, VM_MOVE_FIXED, 0), -EINVAL);
	EXPECT_EQ(move(area, 4, 4, VM_MOVE_FIXED, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(move(area, 4, 4, VM_MOVE_FIXED, 0x00007ffffffff000ul), -ENOMEM);
	EXPECT_EQ(move(area, 4, 4, VM_MOVE_FIXED, to + 1), -EINVAL);
	EXPECT_EQ(move(area, 4, 4, 0, to), -EINVAL);
	EXPECT_EQ(move(area, 4, 4, 4, to), -EINVAL);
	EXPECT_EQ(move(area, 0, 4, VM_MOVE_FIXED, to), -EINVAL);
	EXPECT_EQ(move(area, 4, 0, VM_MOVE_FIXED, to), -EINVAL);
	EXPECT_EQ(vm_move(HANDLE_SELF, area, BYTES, BYTES + 1, VM_MOVE_FIXED, to), -EINVAL);
	EXPECT(holds(area, PAGES, 1));
	EXPECT_EQ(region_of(area).end, area + BYTES / 2);
}

/* The main stack stays, gap and all. */
static void
stack_stays(void)
{
	struct proc_info info;
	uint64_t top;

	REQUIRE_EQ(proc_info(proc_id(HANDLE_SELF), &info), 0);
	top = info.stack_top - PAGE_SIZE;
	EXPECT_EQ(move(top, 1, 1, VM_MOVE_FIXED, free_room()), -EINVAL);
	EXPECT_EQ(move(info.stack_low, 1, 1, VM_MOVE_FIXED, free_room()), -ENOMEM);
}

/* ---- Discard ---- */

static int64_t
discard(uint64_t addr, uint64_t pages)
{
	return vm_discard(HANDLE_SELF, addr, pages * PAGE_SIZE);
}

static void
discard_own(void)
{
	uint64_t area = new_area(), before = pages_free();

	EXPECT_EQ(discard(area + PAGE_SIZE, 4), 0);
	EXPECT(pages_free() >= before + 4);
	EXPECT(holds(area, 1, 1));
	EXPECT(is_zero(area + PAGE_SIZE, 4));
	EXPECT(holds(area + 5 * PAGE_SIZE, 3, 6));
	EXPECT_EQ(region_of(area).end, area + BYTES);
	fill(area, 40);
	EXPECT(holds(area, PAGES, 40));
}

static void
discard_in_child(void *area)
{
	uint64_t at = ADDR(area);

	fill_page(at, 70);
	EXPECT_EQ(discard(at, PAGES - 1), 0);
	EXPECT(is_zero(at, PAGES - 1));
	EXPECT(page_holds(at + BYTES - PAGE_SIZE, PAGES));
	fill(at, 80);
	EXPECT(holds(at, PAGES, 80));
}

/* Copied and not copied yet: zero in the child, as it was in the parent, which then does the same. */
static void
discard_copy(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(discard_in_child, area);
	EXPECT(holds(area, PAGES, 1));
	EXPECT_SURVIVES(discard_in_child, area);
	EXPECT_EQ(discard(area, PAGES), 0);
	EXPECT(is_zero(area, PAGES));
}

static void
discard_all(void *area)
{
	EXPECT_EQ(discard(ADDR(area), PAGES), 0);
	EXPECT(holds(ADDR(area), PAGES, 1));
}

static void
discard_shared(void)
{
	uint64_t area = new_shared();

	EXPECT_EQ(discard(area, PAGES), 0);
	EXPECT_EQ(region_of(area).resident, 0);
	EXPECT(holds(area, PAGES, 1));
	EXPECT_SURVIVES(discard_all, area);
	EXPECT(holds(area, PAGES, 1));
}

/* An object that is mapped twice: shared reads it again, private forgets what it had of it. */
static void
discard_object(void)
{
	uint64_t shared = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);
	uint64_t private = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT);
	handle_t object = (handle_t)object_create(BYTES);
	int64_t a, b;

	REQUIRE(object > 0);
	a = vm_map(HANDLE_SELF, 0, BYTES, shared, object, 0);
	b = vm_map(HANDLE_SELF, 0, BYTES, private, object, 0);
	REQUIRE(a > 0);
	REQUIRE(b > 0);
	fill(a, 1);
	EXPECT(holds(b, PAGES, 1));
	EXPECT_EQ(discard(a, PAGES), 0);
	EXPECT(holds(a, PAGES, 1));
	EXPECT_EQ(discard(b, PAGES), 0);
	EXPECT(is_zero(b, PAGES));
	EXPECT(holds(a, PAGES, 1));
}

static void
discard_refused(void)
{
	uint64_t area = new_area();

	EXPECT_EQ(discard(area + 1, 1), -EINVAL);
	EXPECT_EQ(vm_discard(HANDLE_SELF, area, 1), -EINVAL);
	EXPECT_EQ(discard(area, PAGES + 1), -ENOMEM);
	EXPECT_EQ(discard(area - PAGE_SIZE, 1), -ENOMEM);
	REQUIRE_EQ(vm_wire(HANDLE_SELF, area + PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(discard(area, PAGES), -EINVAL);
	EXPECT(holds(area, PAGES, 1));
	EXPECT_EQ(discard(area, 0), 0);
}

/* ---- Residency ---- */

static int64_t
residency(uint64_t addr, uint64_t pages, uint8_t *says)
{
	return vm_residency(HANDLE_SELF, addr, pages * PAGE_SIZE, says);
}

static void
residency_in_child(void *area)
{
	const uint8_t behind = PAGE_RESIDENT | PAGE_MODIFIED | PAGE_BEHIND;
	uint64_t at = ADDR(area);
	uint8_t says[PAGES];

	touch(at + 2 * PAGE_SIZE);
	peek(at + 3 * PAGE_SIZE);
	EXPECT_EQ(residency(at, PAGES, says), 0);
	EXPECT_EQ(says[0] & ~PAGE_MAPPED, behind);
	EXPECT_EQ(says[2], PAGE_RESIDENT | PAGE_MAPPED | PAGE_MODIFIED);
	EXPECT_EQ(says[3], behind | PAGE_MAPPED);
}

static void
residency_pages(void)
{
	uint64_t area = ADDR(map_pages(BYTES, PROT_RW));
	uint8_t says[PAGES + 1];

	memset(says, 0xee, sizeof says);
	EXPECT_EQ(residency(area, PAGES, says), 0);
	for (size_t i = 0; i < PAGES; i++) {
		EXPECT_EQ(says[i], 0);
	}
	EXPECT_EQ(says[PAGES], 0xee);
	touch(area + PAGE_SIZE);
	peek(area + 3 * PAGE_SIZE);
	REQUIRE_EQ(vm_wire(HANDLE_SELF, area + 5 * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(residency(area, PAGES, says), 0);
	EXPECT_EQ(says[0], 0);
	EXPECT_EQ(says[1], PAGE_RESIDENT | PAGE_MAPPED | PAGE_MODIFIED);
	EXPECT_EQ(says[3], PAGE_RESIDENT | PAGE_MAPPED);
	EXPECT_EQ(says[5] & ~PAGE_MODIFIED, PAGE_RESIDENT | PAGE_MAPPED | PAGE_WIRED);
	EXPECT_EQ(advise(area, 2 * PAGE_SIZE, ADVICE_DONTNEED), 0);
	EXPECT_EQ(residency(area, 2, says), 0);
	EXPECT_EQ(says[1], PAGE_RESIDENT | PAGE_MODIFIED);
	EXPECT_EQ(discard(area, 2), 0);
	EXPECT_EQ(residency(area, 2, says), 0);
	EXPECT_EQ(says[1], 0);
}

static void
residency_of_copies(void)
{
	uint64_t area = new_area();

	EXPECT_SURVIVES(residency_in_child, area);
}

/* More pages than the kernel says at once. */
static void
residency_of_many(void)
{
	const uint64_t pages = 3000;
	uint64_t area = ADDR(map_pages(pages * PAGE_SIZE, PROT_RW));
	uint8_t *says = map_pages(PAGE_SIZE, PROT_RW);
	uint64_t wrong = 0;

	REQUIRE(area != 0);
	REQUIRE(says != NULL);
	for (uint64_t i = 0; i < pages; i += 7) {
		touch(area + i * PAGE_SIZE);
	}
	EXPECT_EQ(residency(area, pages, says), 0);
	for (uint64_t i = 0; i < pages; i++) {
		wrong += (says[i] != 0) != (i % 7 == 0);
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(says[pages], 0);
}

static void
residency_refused(void)
{
	uint64_t area = new_area();
	uint8_t says[2 * PAGES];

	memset(says, 0xee, sizeof says);
	EXPECT_EQ(residency(area, PAGES + 1, says), -ENOMEM);
	EXPECT_EQ(residency(area - PAGE_SIZE, 2, says), -ENOMEM);
	EXPECT_EQ(residency(area + 1, 1, says), -EINVAL);
	EXPECT_EQ(says[0], 0xee);
	EXPECT_EQ(residency(area, 1, NULL), -EFAULT);
	EXPECT_EQ(residency(area, 0, NULL), 0);
}

/* ---- Another's memory ---- */

static void
wait_for_ever(void *arg)
{
	(void)arg;
	for (;;) {
		sleep_ms(1000);
	}
}

/* All five on a child: only it has changed. */
static void
on_another(void)
{
	uint64_t area = new_area(), to = area + BYTES;
	handle_t child = tap_start(wait_for_ever, NULL);
	uint64_t word;
	uint8_t says[PAGES];
	struct vm_region r;

	REQUIRE(child > 0);
	EXPECT_EQ(vm_advise(child, area, BYTES, ADVICE_NOCORE), 0);
	EXPECT_EQ(vm_query(child, area, &r), 0);
	EXPECT(r.flags & VM_REGION_NOCORE);
	EXPECT(!(region_of(area).flags & VM_REGION_NOCORE));
	EXPECT_EQ(vm_sync(child, area, BYTES, 0), 0);
	EXPECT_EQ(vm_discard(child, area, PAGE_SIZE), 0);
	EXPECT_EQ(vm_read(child, area, &word, sizeof word), sizeof word);
	EXPECT_EQ(word, 0);
	EXPECT_EQ(vm_move(child, area, PAGE_SIZE, PAGE_SIZE, VM_MOVE_FIXED, to), to);
	EXPECT_EQ(vm_read(child, area, &word, sizeof word), -EFAULT);
	EXPECT_EQ(vm_residency(child, to, PAGE_SIZE, says), 0);
	EXPECT_EQ(says[0] & PAGE_RESIDENT, PAGE_RESIDENT);
	EXPECT(holds(area, PAGES, 1));
	EXPECT_EQ(proc_kill(child, 0), 0);
}

static void
churn(void *arg)
{
	uint64_t area = new_area(), to = area + BYTES + PAGE_SIZE;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(move(area, PAGES, PAGES + 1, VM_MOVE_FIXED, to), to);
		EXPECT_EQ(discard(to + PAGE_SIZE, 2), 0);
		EXPECT_EQ(advise(to, 3 * PAGE_SIZE, ADVICE_FREE), 0);
		EXPECT_EQ(vm_wire(HANDLE_SELF, to, BYTES), 0);
		EXPECT_EQ(move(to, PAGES, PAGES, VM_MOVE_FIXED, area), area);
		EXPECT_EQ(vm_unwire(HANDLE_SELF, area, BYTES), 0);
		EXPECT_EQ(vm_unmap(HANDLE_SELF, to, ROOM / 2), 0);
		fill(area, i);
	}
}

static void
nothing_is_lost(void)
{
	struct system_info before;

	EXPECT_SURVIVES(churn, NULL);
	EXPECT_SURVIVES(churn, NULL);
	tap_counts(&before);
	for (int i = 0; i < 5; i++) {
		EXPECT_SURVIVES(churn, NULL);
	}
	EXPECT(tap_no_leak(&before, 8));
}

static const struct tap_test tests[] = {
    {"ADV-01: what stays with a range is seen in the query, and taken back", advice_is_seen},
    {"ADV-01: DONTNEED unmaps and keeps contents, WILLNEED maps", will_need},
    {"ADV-01: FREE zeroes and gives frames back", advice_free},
    {"ADV-01: relatives and sharers keep what they see", advice_of_a_child},
    {"ADV-01: unknown advice is refused, holes are fine", advice_refused},
    {"SYN-01: memory without a pager loses nothing", sync_own},
    {"SYN-01: holes, flags and invalidation of wired memory are refused", sync_refused},
    {"MOV-01: extension in place, the new part zero", extend},
    {"MOV-01: LIMIT_VMEM limits an extension, not a move", vmem_limits_a_move},
    {"MOV-02: a block that grows a hundred times keeps its contents", extend_again_and_again},
    {"MOV-02: a move keeps contents and attributes, the old range is unmapped", move_away},
    {"MOV-02: a part of a region moves", move_part},
    {"MOV-02: a copy still due is due at the new place", move_copy},
    {"MOV-02: shared memory stays shared", move_shared},
    {"MOV-02: wired memory stays wired, and grows within LIMIT_MEMLOCK", move_wired},
    {"MOV-02: with wire_future the new part is wired", move_wire_future},
    {"MOV-03: no room: refused, or moved if it may", no_room},
    {"MOV-03: shrinking removes the tail", shrink},
    {"MOV-04: regions, holes, overlaps and bad places are refused", move_refused},
    {"MOV-04: the stack stays", stack_stays},
    {"DSC-01: private memory is zero, frames are free", discard_own},
    {"DSC-01: zero over a copy, made or due; the parent keeps its own", discard_copy},
    {"DSC-01: shared memory is read again", discard_shared},
    {"DSC-01: an object mapped shared, and private", discard_object},
    {"DSC-02: wired memory and holes are refused", discard_refused},
    {"RES-01: touched, read, wired, unmapped and discarded pages", residency_pages},
    {"RES-01: a child's pages, copied and behind", residency_of_copies},
    {"RES-01: more pages than are told at once", residency_of_many},
    {"RES-01: holes and bad buffers are refused", residency_refused},
    {"advise, sync, discard, move, residency on another process", on_another},
    {"advise, discard, move, wire again and again: nothing is lost", nothing_is_lost},
};

TAP_MAIN(tests)

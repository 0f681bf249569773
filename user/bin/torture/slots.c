/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots: a worker's memory, what is done to it, and what it must hold.
 *
 * A slot is a place for up to SLOT_PAGES pages.  Each page that was written is filled with words made
 * from the slot's seed and its number; all others are zero.
 */
#include "torture.h"

#define TIMER_VENDOR	0x8086
#define TIMER_ID_VENDOR 16

handle_t torture_device;

uint64_t
slot_addr(const struct worker *w, const struct slot *s)
{
	return w->area + (uint64_t)(s - w->slot) * SLOT_BYTES;
}

uint64_t
slot_bytes(const struct slot *s)
{
	return s->pages * PAGE_SIZE;
}

static bool
is_written(const struct slot *s, uint64_t page)
{
	return (s->written >> page & 1) != 0;
}

void
check_slot(struct worker *w, struct slot *s)
{
	uint64_t addr = slot_addr(w, s);

	for (uint64_t i = 0; i < s->pages; i++, addr += PAGE_SIZE) {
		if (is_written(s, i) ? !page_holds(addr, s->seed + i) : !page_is_zero(addr)) {
			fail(w, "a page does not hold what was stored", addr, (int64_t)i);
		}
	}
}

void
map_slot(struct worker *w, struct slot *s)
{
	uint64_t addr = slot_addr(w, s), pages = 1 + choose(w, SLOT_PAGES);

	must(w,
	     vm_map(HANDLE_SELF, addr, pages * PAGE_SIZE,
		    VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED), 0, 0),
	     "map", addr);
	/* What an earlier and longer mapping had there goes, too. */
	if (pages < SLOT_PAGES) {
		must(w,
		     vm_unmap(HANDLE_SELF, addr + pages * PAGE_SIZE,
			      (SLOT_PAGES - pages) * PAGE_SIZE),
		     "unmap", addr);
	}
	*s = (struct slot){.pages = (uint8_t)pages, .seed = random_next(&w->random)};
}

void
write_page(struct worker *w, struct slot *s, uint64_t page)
{
	fill_page(slot_addr(w, s) + page * PAGE_SIZE, s->seed + page);
	s->written |= 1u << page;
}

void
write_slot(struct worker *w, struct slot *s)
{
	if (s->readonly || s->pages == 0) {
		return;
	}
	for (uint64_t n = 1 + choose(w, 4); n > 0; n--) {
		write_page(w, s, choose(w, s->pages));
	}
}

void
protect_slot(struct worker *w, struct slot *s)
{
	if (s->pages == 0) {
		return;
	}
	s->readonly = !s->readonly;
	must(w,
	     vm_protect(HANDLE_SELF, slot_addr(w, s), slot_bytes(s),
			s->readonly ? PROT_READ : PROT_RW, 0),
	     "protect", slot_addr(w, s));
}

void
shrink_slot(struct worker *w, struct slot *s)
{
	uint64_t keep = choose(w, s->pages + 1ul), addr = slot_addr(w, s) + keep * PAGE_SIZE;

	if (keep == s->pages) {
		return;
	}
	must(w, vm_unmap(HANDLE_SELF, addr, (s->pages - keep) * PAGE_SIZE), "unmap", addr);
	s->pages = (uint8_t)keep;
	s->written &= (1u << keep) - 1;
}

void
wire_slot(struct worker *w, struct slot *s)
{
	uint64_t addr = slot_addr(w, s), bytes = slot_bytes(s);

	/* Several workers may be over the limit together: then it is refused. */
	if (bytes == 0 || vm_wire(HANDLE_SELF, addr, bytes) != 0) {
		return;
	}
	check_slot(w, s);
	must(w, vm_unwire(HANDLE_SELF, addr, bytes), "unwire", addr);
}

/* advise_slot: FREE may empty pages: which ones is found out. */
void
advise_slot(struct worker *w, struct slot *s)
{
	uint32_t advice = (uint32_t)choose(w, ADVICE_CORE + 1);
	uint64_t addr = slot_addr(w, s);

	must(w, vm_advise(HANDLE_SELF, addr, slot_bytes(s), advice), "advise", addr);
	for (uint64_t i = 0; advice == ADVICE_FREE && i < s->pages; i++) {
		/* No page that was written begins with a zero. */
		if (*(volatile uint64_t *)(addr + i * PAGE_SIZE) == 0) {
			s->written &= ~(1u << i);
		}
	}
}

void
discard_slot(struct worker *w, struct slot *s)
{
	uint64_t from, pages;

	if (s->pages == 0) {
		return;
	}
	from = choose(w, s->pages);
	pages = 1 + choose(w, s->pages - from);
	must(w, vm_discard(HANDLE_SELF, slot_addr(w, s) + from * PAGE_SIZE, pages * PAGE_SIZE),
	     "discard", slot_addr(w, s));
	if (!s->shared) {
		s->written &= ~(((1u << pages) - 1) << from);
		s->pieces = true;
	}
}

/* move_slot: to a slot that is empty, or to its own place if there is none; a page more if that fits. */
void
move_slot(struct worker *w, struct slot *s)
{
	struct slot *to = &w->slot[choose(w, SLOTS)];
	uint64_t bytes = slot_bytes(s), more = 0;
	uint32_t flags = VM_MOVE_FIXED;
	int64_t result;

	if (s->pages == 0) {
		return;
	}
	if (to->pages != 0) {
		to = s;
		flags = 0;
	}
	if (!s->shared && s->pages < SLOT_PAGES) {
		more = choose(w, 2);
	}
	result = vm_move(HANDLE_SELF, slot_addr(w, s), bytes, bytes + more * PAGE_SIZE, flags,
			 flags != 0 ? slot_addr(w, to) : 0);
	if (result == -EINVAL && s->pieces) {
		return;
	}
	must(w, result, "move", slot_addr(w, s));
	if (to != s) {
		*to = *s;
		*s = (struct slot){.pages = 0};
	}
	to->pages = (uint8_t)(to->pages + more);
	to->pieces |= more != 0;
}

/* sync_slot: there is no pager to ask, so what was stored stays in memory whatever is forgotten. */
void
sync_slot(struct worker *w, struct slot *s)
{
	uint64_t addr = slot_addr(w, s);
	uint8_t pages[SLOT_PAGES];

	if (s->pages == 0) {
		return;
	}
	must(w,
	     vm_sync(HANDLE_SELF, addr, slot_bytes(s), choose(w, 2) == 0 ? 0 : VM_SYNC_INVALIDATE),
	     "sync", addr);
	must(w, vm_residency(HANDLE_SELF, addr, slot_bytes(s), pages), "residency", addr);
	for (uint64_t i = 0; i < s->pages; i++) {
		if (is_written(s, i) && (pages[i] & PAGE_RESIDENT) == 0) {
			fail(w, "a page is not there", addr + i * PAGE_SIZE, pages[i]);
		}
	}
}

/* share_slot: copies of the process will see the same pages, until the slot is mapped anew. */
void
share_slot(struct worker *w, struct slot *s)
{
	must(w, vm_inherit(HANDLE_SELF, slot_addr(w, s), slot_bytes(s), INHERIT_SHARE), "inherit",
	     slot_addr(w, s));
	s->shared = s->pages != 0;
}

void
use_device(struct worker *w, struct slot *s)
{
	volatile uint64_t *id = (volatile uint64_t *)(w->area + DEVICE_AT + PAGE_SIZE);
	uint32_t flags = VM_MAP_FLAG_FIXED | VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED;

	(void)s;
	must(w,
	     vm_map(HANDLE_SELF, ADDR(id), PAGE_SIZE, VM_MAP_ARGS(PROT_RW, PROT_RW, flags),
		    torture_device, 0),
	     "map a device", ADDR(id));
	if ((*id >> TIMER_ID_VENDOR & 0xffff) != TIMER_VENDOR) {
		fail(w, "another device", ADDR(id), (int64_t)*id);
	}
	if (choose(w, 2) == 0) { /* else copies of the process have it, too */
		must(w, vm_unmap(HANDLE_SELF, ADDR(id), PAGE_SIZE), "unmap a device", ADDR(id));
	}
}

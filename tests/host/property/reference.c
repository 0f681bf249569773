/* SPDX-License-Identifier: BSD-2-Clause */
/* The array of pages and its rules. */
#include "property/reference.h"

void
ref_init(struct ref_space *s, size_t base)
{
	*s = (struct ref_space){.base = base};
	for (int i = 0; i < VM_LIMITS; i++)
		s->limit[i] = REF_UNLIMITED;
}

/* ---- questions ---- */

bool
ref_is_free(const struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++)
		if (s->page[i].kind != REF_FREE)
			return false;
	return true;
}

bool
ref_any(const struct ref_space *s, struct ref_range r, enum ref_kind kind)
{
	for (size_t i = r.first; i < r.end; i++)
		if (s->page[i].kind == kind)
			return true;
	return false;
}

bool
ref_first_fit(const struct ref_space *s, size_t n, size_t align, size_t *first)
{
	size_t i = (s->base + *first + align - 1) / align * align - s->base;

	for (; i + n <= REF_PAGES; i += align) {
		if (ref_is_free(s, (struct ref_range){i, i + n})) {
			*first = i;
			return true;
		}
	}
	return false;
}

/* is_mapped: does it count in the size of the map? */
static bool
is_mapped(const struct ref_page *page)
{
	return page->kind == REF_MEMORY || page->kind == REF_PLACEHOLDER ||
	       page->kind == REF_SUBMAP;
}

size_t
ref_size(const struct ref_space *s)
{
	size_t n = 0;

	for (size_t i = 0; i < REF_PAGES; i++)
		n += is_mapped(&s->page[i]);
	return n;
}

size_t
ref_user_wired(const struct ref_space *s)
{
	size_t n = 0;

	for (size_t i = 0; i < REF_PAGES; i++)
		n += s->page[i].user_wired;
	return n;
}

static bool
write_and_execute(vm_prot_t prot)
{
	return (prot & VM_PROT_WRITE) && (prot & VM_PROT_EXECUTE);
}

/* ---- mapping ---- */

unsigned
ref_insert_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot)
{
	if (!ref_is_free(s, r))
		return KR(KERN_NO_SPACE);
	if (s->wxorx && write_and_execute(prot))
		return KR(KERN_PROTECTION_FAILURE);
	return KR(KERN_SUCCESS);
}

void
ref_unmap(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++) {
		if (s->page[i].cell != NULL)
			s->page[i].cell->users--;
		s->page[i] = (struct ref_page){0};
	}
}

void
ref_map(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max, uint8_t advice)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i] = (struct ref_page){
		    .kind = REF_MEMORY,
		    .prot = prot,
		    .max = max,
		    .inherit = VM_INHERIT_DEFAULT,
		    .advice = advice,
		    .cell = cell_new(0),
		};
}

void
ref_guard(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i] =
		    (struct ref_page){.kind = REF_GUARD_PAGE, .inherit = VM_INHERIT_DEFAULT};
}

static unsigned last_number;

void
ref_place(struct ref_space *s, struct ref_range r, vm_prot_t prot)
{
	last_number++;
	for (size_t i = r.first; i < r.end; i++)
		s->page[i] = (struct ref_page){
		    .kind = REF_PLACEHOLDER,
		    .prot = prot,
		    .max = prot,
		    .inherit = VM_INHERIT_DEFAULT,
		    .number = last_number,
		};
}

/* ---- submaps ---- */

unsigned
ref_submap_result(const struct ref_space *s, struct ref_range r)
{
	unsigned set = KR(KERN_SUCCESS);

	for (size_t i = r.first; i < r.end; i++) {
		const struct ref_page *page = &s->page[i];

		if (page->kind != REF_PLACEHOLDER || page->touched)
			return KR(KERN_INVALID_ARGUMENT);
		if (page->number != s->page[r.first].number)
			set |= KR(KERN_INVALID_ARGUMENT);
	}
	return set;
}

void
ref_submap(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i].kind = REF_SUBMAP;
}

void
ref_touch_range(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i].touched = s->page[i].kind == REF_PLACEHOLDER;
}

/* ---- gaps of stacks ---- */

/* gap_around: all of the piece of a gap that the page lies in. */
static struct ref_range
gap_around(const struct ref_space *s, size_t page)
{
	unsigned gap = s->page[page].number;
	struct ref_range r = {page, page + 1};

	while (r.first > 0 && s->page[r.first - 1].kind == REF_GAP &&
	       s->page[r.first - 1].number == gap)
		r.first--;
	while (r.end < REF_PAGES && s->page[r.end].kind == REF_GAP && s->page[r.end].number == gap)
		r.end++;
	return r;
}

/* spared: a gap that the range does not cover wholly is left alone by changes of attributes. */
static bool
spared(const struct ref_space *s, size_t page, struct ref_range r)
{
	struct ref_range gap;

	if (s->page[page].kind != REF_GAP)
		return false;
	gap = gap_around(s, page);
	return gap.first < r.first || gap.end > r.end;
}

/* stack_init: the pages of a new stack that are mapped at once. */
static size_t
stack_init(struct ref_range r)
{
	size_t most = r.end - r.first - REF_GUARD;

	return most < REF_STEP ? most : REF_STEP;
}

unsigned
ref_stack_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot)
{
	if (r.end - r.first <= REF_GUARD || !ref_is_free(s, r) ||
	    ref_size(s) + stack_init(r) > s->limit[VM_LIMIT_VMEM])
		return KR(KERN_NO_SPACE);
	if (s->wxorx && write_and_execute(prot))
		return KR(KERN_PROTECTION_FAILURE);
	return KR(KERN_SUCCESS);
}

void
ref_stack(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max, uint8_t advice)
{
	size_t gap_end = r.end - stack_init(r);

	last_number++;
	ref_map(s, (struct ref_range){gap_end, r.end}, prot, max, advice);
	for (size_t i = r.first; i < r.end; i++) {
		if (i >= gap_end) {
			s->page[i].stack = true;
			continue;
		}
		s->page[i] = (struct ref_page){
		    .kind = REF_GAP,
		    .prot = prot,
		    .max = max,
		    .inherit = VM_INHERIT_DEFAULT,
		    .advice = advice,
		    .number = last_number,
		};
	}
}

/* within: the room that a limit leaves. */
static size_t
within(size_t limit, size_t used)
{
	return limit > used ? limit - used : 0;
}

kern_return_t
ref_grow(struct ref_space *s, size_t page, struct ref_range *grown)
{
	struct ref_page stored = s->page[page];
	struct ref_range gap;
	size_t need, room, amount;

	*grown = (struct ref_range){0};
	if (stored.kind != REF_GAP)
		return KERN_SUCCESS;
	gap = gap_around(s, page);
	if (gap.end == REF_PAGES || !s->page[gap.end].stack)
		return KERN_SUCCESS;
	need = gap.end - page;
	room = within(gap.end - gap.first, REF_GUARD);
	if (page >= s->main_low && page < s->main_top &&
	    within(s->limit[VM_LIMIT_STACK], s->main_size) < room)
		room = within(s->limit[VM_LIMIT_STACK], s->main_size);
	if (s->wirefuture && within(s->limit[VM_LIMIT_MEMLOCK], ref_user_wired(s)) < room)
		room = within(s->limit[VM_LIMIT_MEMLOCK], ref_user_wired(s));
	if (within(s->limit[VM_LIMIT_VMEM], ref_size(s)) < room)
		room = within(s->limit[VM_LIMIT_VMEM], ref_size(s));
	if (need > room)
		return KERN_NO_SPACE;
	amount = (need + REF_STEP - 1) / REF_STEP * REF_STEP;
	if (amount > room)
		amount = room;
	*grown = (struct ref_range){gap.end - amount, gap.end};
	ref_map(s, *grown, stored.prot, stored.max, stored.advice);
	for (size_t i = grown->first; i < grown->end; i++) {
		s->page[i].stack = true;
		s->page[i].inherit = stored.inherit;
	}
	if (page >= s->main_low && page < s->main_top)
		s->main_size += amount;
	return KERN_SUCCESS;
}

/* ---- accesses ---- */

unsigned
ref_access(const struct ref_page *page, vm_prot_t type, bool is_copy)
{
	unsigned good = SIGNAL(page->beyond ? BUS_OBJERR : MODEL_OK);

	if (page->kind == REF_FREE || page->kind == REF_GAP)
		return SIGNAL(SEGV_MAPERR);
	if (page->kind == REF_GUARD_PAGE || page->prot == VM_PROT_NONE)
		return SIGNAL(SEGV_ACCERR);
	if (page->kind == REF_PLACEHOLDER)
		good = SIGNAL(SEGV_MAPERR);
	if (type == VM_PROT_COPY)
		return page->max & VM_PROT_WRITE || is_copy ? good : SIGNAL(SEGV_ACCERR);
	if ((page->prot & type) != 0)
		return good;
	/* The hardware knows no page that cannot be read. */
	return type == VM_PROT_READ ? good | SIGNAL(SEGV_ACCERR) : SIGNAL(SEGV_ACCERR);
}

/* ---- attributes ---- */

unsigned
ref_protect_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot, bool set_max)
{
	unsigned set = 0;

	if (!set_max && s->wxorx && write_and_execute(prot))
		set |= KR(KERN_PROTECTION_FAILURE);
	for (size_t i = r.first; i < r.end; i++) {
		if (s->page[i].kind == REF_FREE)
			set |= KR(KERN_INVALID_ADDRESS);
		else if (s->page[i].kind == REF_SUBMAP)
			set |= KR(KERN_INVALID_ARGUMENT);
		else if ((prot & ~s->page[i].max) != 0)
			set |= KR(KERN_PROTECTION_FAILURE);
	}
	return set != 0 ? set : KR(KERN_SUCCESS);
}

void
ref_protect(struct ref_space *s, struct ref_range r, vm_prot_t prot, bool set_max)
{
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		if (page->kind == REF_GUARD_PAGE || spared(s, i, r))
			continue;
		page->prot = set_max ? page->prot & prot : prot;
		page->max = set_max ? prot : page->max;
	}
	ref_touch_range(s, r);
}

unsigned
ref_inherit_result(const struct ref_space *s, struct ref_range r, vm_inherit_t inherit)
{
	bool copies = false;

	for (size_t i = r.first; i < r.end; i++)
		copies |= inherit == VM_INHERIT_COPY && s->page[i].device;
	if (inherit > VM_INHERIT_ZERO || copies || ref_any(s, r, REF_SUBMAP))
		return KR(KERN_INVALID_ARGUMENT);
	return KR(KERN_SUCCESS);
}

void
ref_inherit(struct ref_space *s, struct ref_range r, vm_inherit_t inherit)
{
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		if (page->kind == REF_FREE || spared(s, i, r))
			continue;
		if ((page->kind != REF_GUARD_PAGE && page->kind != REF_GAP) ||
		    inherit != VM_INHERIT_ZERO)
			page->inherit = inherit;
	}
	ref_touch_range(s, r);
}

bool
ref_check_protection(const struct ref_space *s, struct ref_range r, vm_prot_t prot)
{
	for (size_t i = r.first; i < r.end; i++)
		if (!is_mapped(&s->page[i]) || (prot & ~s->page[i].prot) != 0)
			return false;
	return true;
}

/* ---- pages ---- */

unsigned
ref_pages_result(const struct ref_space *s, struct ref_range r, bool wired_is_bad)
{
	unsigned set = 0;

	for (size_t i = r.first; i < r.end; i++) {
		const struct ref_page *page = &s->page[i];

		if (!is_mapped(page))
			set |= KR(KERN_INVALID_ADDRESS);
		if (page->kind == REF_SUBMAP ||
		    (wired_is_bad && (page->user_wired || page->wirings != 0)))
			set |= KR(KERN_INVALID_ARGUMENT);
	}
	return set != 0 ? set : KR(KERN_SUCCESS);
}

unsigned
ref_advise_result(const struct ref_space *s, struct ref_range r, int advice)
{
	if (advice > VM_ADVICE_CORE || ref_any(s, r, REF_SUBMAP))
		return KR(KERN_INVALID_ARGUMENT);
	return KR(KERN_SUCCESS);
}

void
ref_advise(struct ref_space *s, struct ref_range r, int advice)
{
	static const struct {
		bool stays;
		uint8_t clear, set;
	} marks[] = {
	    [VM_ADVICE_NORMAL] = {true, REF_RANDOM | REF_SEQUENTIAL, 0},
	    [VM_ADVICE_RANDOM] = {true, REF_SEQUENTIAL, REF_RANDOM},
	    [VM_ADVICE_SEQUENTIAL] = {true, REF_RANDOM, REF_SEQUENTIAL},
	    [VM_ADVICE_NOSYNC] = {true, 0, REF_NOSYNC},
	    [VM_ADVICE_AUTOSYNC] = {true, REF_NOSYNC, 0},
	    [VM_ADVICE_NOCORE] = {true, 0, REF_NOCORE},
	    [VM_ADVICE_CORE] = {true, REF_NOCORE, 0},
	};

	if (!marks[advice].stays)
		return;
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		if (page->kind == REF_FREE || spared(s, i, r))
			continue;
		page->advice = (uint8_t)((page->advice & ~marks[advice].clear) | marks[advice].set);
		if (page->device)
			page->advice |= REF_NOCORE;
	}
	ref_touch_range(s, r);
}

void
ref_discard_page(struct ref_page *page)
{
	page->cell->users--;
	page->cell = cell_new(0);
	page->beyond = page->shared = page->device = false;
}

/* ---- wiring ---- */

static bool
wirable(const struct ref_page *page, int flags)
{
	if (page->kind != REF_MEMORY && page->kind != REF_PLACEHOLDER)
		return false;
	if (!(page->prot & (VM_PROT_READ | VM_PROT_EXECUTE)))
		return false;
	return !(flags & VM_MAP_WIRE_WRITE) || (page->prot & VM_PROT_WRITE);
}

/* newly_wired: would the call wire this page once more? */
static bool
newly_wired(const struct ref_page *page, int flags)
{
	return wirable(page, flags) && !((flags & VM_MAP_WIRE_USER) && page->user_wired);
}

unsigned
ref_wire_result(const struct ref_space *s, struct ref_range r, int flags)
{
	unsigned set = 0, errors = 0;
	size_t more = 0;

	for (size_t i = r.first; i < r.end; i++) {
		const struct ref_page *page = &s->page[i];

		if (page->kind == REF_SUBMAP)
			set |= KR(KERN_INVALID_ARGUMENT);
		else if (!wirable(page, flags) && !(flags & VM_MAP_WIRE_HOLESOK))
			set |= KR(KERN_INVALID_ADDRESS);
		if (!newly_wired(page, flags))
			continue;
		more += (flags & VM_MAP_WIRE_USER) != 0;
		if (page->beyond)
			errors |= KR(KERN_OUT_OF_BOUNDS);
		if (page->kind == REF_PLACEHOLDER)
			errors |= KR(KERN_INVALID_ADDRESS);
	}
	if (set != 0)
		return set;
	if (more != 0 && ref_user_wired(s) + more > s->limit[VM_LIMIT_MEMLOCK])
		return KR(KERN_RESOURCE_SHORTAGE);
	return errors != 0 ? errors : KR(KERN_SUCCESS);
}

void
ref_wire(struct ref_space *s, struct ref_range r, int flags)
{
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		if (!newly_wired(page, flags))
			continue;
		if (flags & VM_MAP_WIRE_USER)
			page->user_wired = true;
		else
			page->wirings++;
	}
	ref_touch_range(s, r);
}

unsigned
ref_unwire_result(const struct ref_space *s, struct ref_range r, int flags)
{
	unsigned set = 0;

	for (size_t i = r.first; i < r.end; i++) {
		const struct ref_page *page = &s->page[i];

		if (page->kind == REF_SUBMAP)
			set |= KR(KERN_INVALID_ARGUMENT);
		if (flags & VM_MAP_WIRE_HOLESOK)
			continue;
		if (page->kind == REF_FREE)
			set |= KR(KERN_INVALID_ADDRESS);
		else if (!(flags & VM_MAP_WIRE_USER) && page->wirings == 0)
			set |= KR(KERN_INVALID_ARGUMENT);
	}
	return set != 0 ? set : KR(KERN_SUCCESS);
}

void
ref_unwire(struct ref_space *s, struct ref_range r, int flags)
{
	for (size_t i = r.first; i < r.end; i++) {
		if (flags & VM_MAP_WIRE_USER)
			s->page[i].user_wired = false;
		else if (s->page[i].wirings > 0)
			s->page[i].wirings--;
	}
}

/* ---- fork ---- */

static void
fork_memory(struct ref_page *from, struct ref_page *to)
{
	bool wired = from->user_wired || from->wirings != 0;

	if (from->inherit == VM_INHERIT_SHARE) {
		from->cell->users++;
		from->shared = to->shared = true;
	} else if (from->inherit == VM_INHERIT_ZERO) {
		to->cell = cell_new(0);
		to->beyond = to->shared = to->device = false;
	} else if (wired && (from->prot & VM_PROT_WRITE)) {
		to->cell = cell_clone(from->cell);
		to->shared = false;
	} else if (from->cell->users == 1) {
		to->cell = cell_clone(from->cell);
		from->shared = to->shared = false;
	} else {
		/* Others store into it: parent and child both turn into views of it. */
		from->cell->users--;
		to->cell = cell_view(from->cell);
		from->cell = cell_view(from->cell);
		from->shared = to->shared = false;
	}
}

static void
fork_page(struct ref_page *from, struct ref_page *to)
{
	*to = *from;
	to->user_wired = false;
	to->wirings = 0;
	if (from->inherit == VM_INHERIT_NONE)
		*to = (struct ref_page){0};
	else if (from->kind == REF_MEMORY)
		fork_memory(from, to);
}

void
ref_fork(struct ref_space *parent, struct ref_space *child)
{
	ref_init(child, parent->base);
	for (size_t i = 0; i < REF_PAGES; i++)
		fork_page(&parent->page[i], &child->page[i]);
	child->main_low = parent->main_low;
	child->main_top = parent->main_top;
	child->main_size = parent->main_size;
	child->wxorx = parent->wxorx;
}

void
ref_fork_failed(struct ref_space *parent)
{
	/* Also what is not to be shared: it may be a part of the same object. */
	for (size_t i = 0; i < REF_PAGES; i++)
		parent->page[i].shared = parent->page[i].kind == REF_MEMORY;
}

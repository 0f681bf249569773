/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of a map against a naive reference: an array that says of each page whose it is.
 *
 * Entries are linked, unlinked and resized directly, as the rest of vm/ does under the map's lock;
 * what is looked up and where first fit finds room must be what a walk over the array says.
 */
#include <stdlib.h>
#include <string.h>
#include "model/memory_fixture.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"

#define P     PAGE_SIZE
#define MIN   0x10000ul
#define PAGES 1024ul
#define MAX   (MIN + PAGES * PAGE_SIZE)

#define STEPS	    100000
#define CHECK_EVERY 64 /* steps between looks at the whole tree */

static struct vm_map map;
static vm_map_entry_t owner[PAGES]; /* of each page, NULL: free */

static vm_offset_t
address(size_t page)
{
	return MIN + page * P;
}

static size_t
page_of(vm_offset_t addr)
{
	return (addr - MIN) / P;
}

/* ---- the reference ---- */

static void
own(size_t first, size_t end, vm_map_entry_t e)
{
	for (size_t i = first; i < end; i++)
		owner[i] = e;
}

static bool
all_free(size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		if (owner[i] != NULL)
			return false;
	}
	return true;
}

/* first_fit: the lowest page >= start, a multiple of align in address, with `pages` free ones. */
static bool
first_fit(size_t start, size_t pages, vm_size_t align, size_t *where)
{
	for (size_t i = start; i + pages <= PAGES; i++) {
		if (address(i) % align == 0 && all_free(i, i + pages)) {
			*where = i;
			return true;
		}
	}
	return false;
}

/* ---- the whole tree ---- */

struct counted {
	unsigned nodes;
	int height;
	uint32_t max_gap; /* pages */
};

/* check_subtree: links, order, ranks and gaps, all counted anew. */
static struct counted
check_subtree(const struct vm_map_entry *e, const struct vm_map_entry *parent, vm_offset_t low,
	      vm_offset_t high)
{
	struct counted c = {0, 0, 0}, child[2];
	uint32_t gap;

	if (e == NULL)
		return c;
	assert_ptr_equal(parent, e->parent);
	assert_true(low <= e->start && e->start < e->end && e->end <= high);
	child[0] = check_subtree(e->child[0], e, low, e->start);
	child[1] = check_subtree(e->child[1], e, e->end, high);
	assert_true(e->child[0] == NULL || e->child[0]->rank < e->rank);
	assert_true(e->child[1] == NULL || e->child[1]->rank < e->rank);
	c.nodes = 1 + child[0].nodes + child[1].nodes;
	c.height = 1 + (child[0].height > child[1].height ? child[0].height : child[1].height);
	c.max_gap = child[0].max_gap > child[1].max_gap ? child[0].max_gap : child[1].max_gap;
	gap = (uint32_t)atop(e->start - e->prev->end);
	if (gap > c.max_gap)
		c.max_gap = gap;
	assert_in_range(e->rank, c.height, INT8_MAX);
	check_u64(c.max_gap, e->max_gap);
	return c;
}

static void
check_list(void)
{
	const struct vm_map_entry *e, *prev = &map.header;
	unsigned n = 0;

	for (e = map.header.next; e != &map.header; prev = e, e = e->next, n++) {
		assert_ptr_equal(prev, e->prev);
		assert_true(prev->end <= e->start);
		for (size_t i = page_of(e->start); i < page_of(e->end); i++)
			assert_ptr_equal(e, owner[i]);
	}
	assert_ptr_equal(prev, map.header.prev);
	check_u64(n, map.nentries);
}

static void
check_tree(void)
{
	struct counted c = check_subtree(map.root, NULL, MIN, MAX);

	check_u64(map.nentries, c.nodes);
	check_list();
}

/* ---- operations ---- */

static void
op_lookup(void)
{
	size_t page = host_random_below(PAGES), below = page;
	vm_map_entry_t e, before;
	boolean_t found = vm_map_lookup_entry(&map, address(page) + host_random_below(P), &e);

	check_u64(owner[page] != NULL, found != FALSE);
	while (owner[below] == NULL && below > 0)
		below--;
	before = owner[below] == NULL ? &map.header : owner[below];
	assert_ptr_equal(before, e);
}

static void
op_first_fit(void)
{
	static const vm_size_t aligns[] = {P, P, P, 2 * P, 16 * P, 64 * P};
	vm_size_t align = aligns[host_random_below(ARRAY_SIZE(aligns))];
	size_t start = host_random_below(PAGES), where = 0;
	size_t pages = 1 + host_random_below(host_random_below(8) == 0 ? PAGES : 12);
	vm_offset_t addr = 0;
	bool fits = first_fit(start, pages, align, &where);

	check_u64(fits, vm_map_findspace_aligned(&map, address(start), pages * P, align, &addr));
	if (fits)
		check_u64(address(where), addr);
	if (align == P)
		check_u64(fits ? address(where) : MAX - pages * P + 1,
			  vm_map_findspace(&map, address(start), pages * P));
}

static void
op_link(void)
{
	size_t pages = 1 + host_random_below(6), first = host_random_below(PAGES - pages + 1);
	vm_map_entry_t e, after;

	if (!all_free(first, first + pages))
		return;
	e = aligned_alloc(CACHE_LINE_SIZE, sizeof(*e));
	memset(e, 0, sizeof(*e));
	e->start = address(first);
	e->end = address(first + pages);
	vm_map_lookup_entry(&map, e->start, &after);
	vm_map_tree_link(&map, after, e);
	own(first, first + pages, e);
}

static void
op_unlink(void)
{
	vm_map_entry_t e = owner[host_random_below(PAGES)];

	if (e == NULL)
		return;
	vm_map_tree_unlink(&map, e);
	own(page_of(e->start), page_of(e->end), NULL);
	free(e);
}

/* op_resize: one end moves by up to four pages, as far as there is room. */
static void
op_resize(void)
{
	vm_map_entry_t e = owner[host_random_below(PAGES)];
	size_t by = 1 + host_random_below(4), first, end;

	if (e == NULL)
		return;
	first = page_of(e->start);
	end = page_of(e->end);
	switch (host_random_below(4)) {
	case 0:
		if (end + by <= PAGES && all_free(end, end + by))
			end += by;
		break;
	case 1:
		if (first >= by && all_free(first - by, first))
			first -= by;
		break;
	case 2:
		if (end - first > by)
			end -= by;
		break;
	default:
		if (end - first > by)
			first += by;
	}
	own(page_of(e->start), page_of(e->end), NULL);
	own(first, end, e);
	if (address(first) > e->start || address(end) < e->end) {
		vm_map_tree_trim(&map, e, address(first), address(end));
	} else {
		e->start = address(first);
		e->end = address(end);
		vm_map_tree_grown(&map, e);
	}
}

static void
step(unsigned links, unsigned unlinks)
{
	unsigned roll = (unsigned)host_random_below(100);

	if (roll < 20)
		op_lookup();
	else if (roll < 40)
		op_first_fit();
	else if (roll < 60)
		op_resize();
	else if (roll < 60 + 40 * links / (links + unlinks))
		op_link();
	else
		op_unlink();
}

static void
random_steps(void **state)
{
	(void)state;
	vm_map_init(&map, NULL, MIN, MAX);
	check_tree();
	for (unsigned i = 0; i < STEPS; i++) {
		/* The map fills up and empties in turn. */
		bool filling = i / (STEPS / 10) % 2 == 0;

		step(filling ? 3 : 1, filling ? 1 : 3);
		if (i % CHECK_EVERY == 0)
			check_tree();
	}
	check_tree();
	while (map.root != NULL) {
		vm_map_entry_t e = map.root;

		vm_map_tree_unlink(&map, e);
		own(page_of(e->start), page_of(e->end), NULL);
		free(e);
		check_tree();
	}
	check_u64(0, map.nentries);
}

/* Small maps, where every order of links and unlinks of a few entries occurs. */
static void
small_trees(void **state)
{
	(void)state;
	vm_map_init(&map, NULL, MIN, MAX);
	for (unsigned round = 0; round < 20000; round++) {
		size_t page = host_random_below(9) * 2;
		vm_map_entry_t e = owner[page], after;

		if (e != NULL) {
			vm_map_tree_unlink(&map, e);
			own(page, page + 1, NULL);
			free(e);
		} else {
			e = calloc(1, sizeof(*e));
			e->start = address(page);
			e->end = e->start + P;
			vm_map_lookup_entry(&map, e->start, &after);
			vm_map_tree_link(&map, after, e);
			own(page, page + 1, e);
		}
		check_tree();
	}
}

/* depth: nodes on the longest way down from e. */
static int
depth(const struct vm_map_entry *e)
{
	int low, high;

	if (e == NULL)
		return 0;
	low = depth(e->child[0]);
	high = depth(e->child[1]);
	return 1 + (low > high ? low : high);
}

/* link_last: e becomes the map's last entry: a page, after a free one; i: how many are there. */
static void
link_last(vm_map_entry_t e, size_t i)
{
	e->start = i * 2 * P;
	e->end = e->start + P;
	vm_map_tree_link(&map, map.header.prev, e);
}

/* Entries in ascending order are the worst case of a tree that does not balance itself. */
static void
height_bound(void **state)
{
	static struct vm_map_entry entries[1 << 16];
	int log2 = 0;

	(void)state;
	vm_map_init(&map, NULL, 0, ARRAY_SIZE(entries) * 2 * P);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		link_last(&entries[i], i);
		if (i + 1 == 1ul << (log2 + 1))
			log2++;
		/* AVL: at most 1.44 log2(n + 2). */
		assert_in_range(map.root->rank, log2 + 1, (log2 + 1) * 144 / 100 + 1);
	}
	check_u64(map.root->rank, depth(map.root));
	check_u64(1, map.root->max_gap);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i += 2)
		vm_map_tree_unlink(&map, &entries[i]);
	assert_in_range(depth(map.root), 15, map.root->rank);
	check_u64(3, map.root->max_gap);
}

/* A leaf that goes and comes back finds its place: nothing is promoted, nothing moves. */
static void
same_place(void **state)
{
	static struct vm_map_entry entries[1 << 10];
	unsigned leaves = 0;
	int8_t parent_rank;

	(void)state;
	vm_map_init(&map, NULL, 0, ARRAY_SIZE(entries) * 2 * P);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		link_last(&entries[i], i);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		vm_map_entry_t e = &entries[i], after = e->prev, parent = e->parent;

		if (e->child[0] != NULL || e->child[1] != NULL)
			continue;
		leaves++;
		parent_rank = parent->rank;
		vm_map_tree_unlink(&map, e);
		check_u64(parent_rank, parent->rank);
		vm_map_tree_link(&map, after, e);
		assert_ptr_equal(parent, e->parent);
		check_u64(parent_rank, parent->rank);
		check_u64(1, e->rank);
	}
	check_u64(ARRAY_SIZE(entries) / 2, leaves);
}

/* A few entries that come and go for long: the tree is as high as the insertions allow, not more. */
static void
churn(void **state)
{
	static struct vm_map_entry entries[256];
	static bool linked[ARRAY_SIZE(entries)];
	int deepest = 0;

	(void)state;
	vm_map_init(&map, NULL, 0, ARRAY_SIZE(entries) * 2 * P);
	for (unsigned n = 0; n < 1u << 20; n++) {
		size_t i = rand() % ARRAY_SIZE(entries);
		vm_map_entry_t e = &entries[i], after;

		if (linked[i]) {
			vm_map_tree_unlink(&map, e);
		} else {
			e->start = i * 2 * P;
			e->end = e->start + P;
			vm_map_lookup_entry(&map, e->start, &after);
			vm_map_tree_link(&map, after, e);
		}
		linked[i] = !linked[i];
		if (n % 64 == 0 && depth(map.root) > deepest)
			deepest = depth(map.root);
	}
	/* 1.44 log2 of half a million insertions is 27; of 256 entries 12. */
	assert_in_range(deepest, 8, 27);
}

/* Gaps at both ends, and none. */
static void
full_space(void **state)
{
	struct vm_map_entry e = {.start = MIN, .end = MAX};
	vm_offset_t addr;

	(void)state;
	vm_map_init(&map, NULL, MIN, MAX);
	check_u64(MIN, vm_map_findspace(&map, 0, PAGES * P));
	check_u64(MAX - (PAGES + 1) * P + 1, vm_map_findspace(&map, 0, (PAGES + 1) * P));
	vm_map_tree_link(&map, &map.header, &e);
	assert_false(vm_map_findspace_aligned(&map, MIN, P, P, &addr));
	vm_map_tree_trim(&map, &e, MIN, MAX - P);
	check_u64(MAX - P, vm_map_findspace(&map, 0, P));
	vm_map_tree_trim(&map, &e, MIN + P, MAX - P);
	check_u64(MIN, vm_map_findspace(&map, 0, P));
	check_u64(MAX - P, vm_map_findspace(&map, MIN + 1, P));
	assert_false(vm_map_findspace_aligned(&map, MIN, 2 * P, P, &addr));
	assert_false(vm_map_findspace_aligned(&map, MIN, 0, P, &addr));
	vm_map_tree_unlink(&map, &e);
}

/* What first fit has found full stays so, up to what becomes free. */
static void
full_part(void **state)
{
	static struct vm_map_entry e[3];
	vm_offset_t addr;

	(void)state;
	vm_map_init(&map, NULL, MIN, MAX);
	for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
		e[i].start = address(4 * i);
		e[i].end = address(4 * i + 4);
		vm_map_tree_link(&map, map.header.prev, &e[i]);
	}
	assert_true(vm_map_findspace_aligned(&map, address(4), P, P, &addr));
	check_u64(address(12), addr);
	check_u64(address(12), map.full.to);
	vm_map_tree_trim(&map, &e[2], address(8), address(11));
	check_u64(address(11), map.full.to);
	vm_map_tree_trim(&map, &e[2], address(9), address(11));
	check_u64(address(8), map.full.to);
	vm_map_tree_unlink(&map, &e[1]);
	check_u64(address(4), map.full.to);
	/* What lies before the part that was looked at says nothing about it. */
	vm_map_tree_unlink(&map, &e[0]);
	check_u64(address(4), map.full.from);
	check_u64(address(4), map.full.to);
	assert_true(vm_map_findspace_aligned(&map, address(4), P, P, &addr));
	check_u64(address(4), addr);
	vm_map_tree_unlink(&map, &e[2]);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"tree: 100,000 random links, unlinks and resizes agree with an array of pages",
	     random_steps},
	    {"tree: up to nine entries in every order", small_trees},
	    {"tree: 65,536 entries in ascending order stay within the height of an AVL tree",
	     height_bound},
	    {"tree: a leaf that goes and comes back moves nothing", same_place},
	    {"tree: half a million insertions into a small map stay within the height they allow",
	     churn},
	    {"tree: first fit at the ends of the space", full_space},
	    {"tree: what is full is known, up to what becomes free", full_part},
	};

	return host_run(&memory_fixture, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Radix trees against a sorted array. */
#include <stdlib.h>
#include <string.h>
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"

#define MAX_PAGES 2000
#define STEPS	  200000

/* The reference: pages sorted by index. */
static struct vm_page *pages[MAX_PAGES];
static size_t count;

static size_t
position(vm_pindex_t index)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (pages[middle]->pindex < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct vm_page *
reference_ge(vm_pindex_t index)
{
	size_t i = position(index);

	return i < count ? pages[i] : NULL;
}

static struct vm_page *
reference_find(vm_pindex_t index)
{
	struct vm_page *m = reference_ge(index);

	return m != NULL && m->pindex == index ? m : NULL;
}

static void
reference_insert(struct vm_page *m)
{
	size_t i = position(m->pindex);

	memmove(&pages[i + 1], &pages[i], (count - i) * sizeof(*pages));
	pages[i] = m;
	count++;
}

static void
reference_remove(struct vm_page *m)
{
	size_t i = position(m->pindex);

	memmove(&pages[i], &pages[i + 1], (count - i - 1) * sizeof(*pages));
	count--;
}

static struct vm_page *
new_page(vm_pindex_t index)
{
	struct vm_page *m = calloc(1, sizeof(*m));

	m->pindex = index;
	return m;
}

/* random_index: dense, clustered and far apart. */
static vm_pindex_t
random_index(void)
{
	switch (host_random_below(4)) {
	case 0:
		return host_random_below(256);
	case 1:
		return (1ul << 40) + host_random_below(1000);
	case 2:
		return host_random_below(8) << (6 * host_random_below(8));
	default:
		return host_random() >> (12 + host_random_below(40));
	}
}

static void
add_or_take(struct vm_radix *t, vm_pindex_t index)
{
	struct vm_page *m = reference_find(index);

	if (m != NULL) {
		assert_ptr_equal(vm_radix_remove(t, index), m);
		reference_remove(m);
		free(m);
	} else if (count < MAX_PAGES) {
		assert_null(vm_radix_remove(t, index));
		m = new_page(index);
		check_kr(KERN_SUCCESS, vm_radix_insert(t, m));
		reference_insert(m);
	}
}

static void
empty(struct vm_radix *t)
{
	while (count != 0) {
		struct vm_page *m = pages[host_random_below(count)];

		assert_ptr_equal(vm_radix_remove(t, m->pindex), m);
		reference_remove(m);
		free(m);
	}
	assert_int_equal(t->root, 0);
}

static void
fuzz(void **state)
{
	struct vm_radix t = {0};

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		vm_pindex_t index = random_index();

		add_or_take(&t, index);
		index = random_index();
		assert_ptr_equal(vm_radix_lookup(&t, index), reference_find(index));
		assert_ptr_equal(vm_radix_lookup_ge(&t, index), reference_ge(index));
	}
	empty(&t);
}

static void
dense(void **state)
{
	struct vm_radix t = {0};

	(void)state;
	for (vm_pindex_t i = 0; i < MAX_PAGES; i++)
		add_or_take(&t, i);
	for (vm_pindex_t i = 0; i < MAX_PAGES; i++)
		assert_int_equal(vm_radix_lookup_ge(&t, i)->pindex, i);
	assert_null(vm_radix_lookup(&t, MAX_PAGES));
	assert_null(vm_radix_lookup_ge(&t, MAX_PAGES));
	assert_null(vm_radix_lookup_ge(&t, UINT64_MAX));
	empty(&t);
}

static void
one_page_no_node(void **state)
{
	struct vm_radix t = {0};
	struct vm_page m = {.pindex = 0x123456789};
	uint64_t before = memory_free();

	(void)state;
	model_fail_from(1);
	check_kr(KERN_SUCCESS, vm_radix_insert(&t, &m));
	check_u64(before, memory_free());
	assert_ptr_equal(vm_radix_lookup(&t, m.pindex), &m);
	assert_ptr_equal(vm_radix_remove(&t, m.pindex), &m);
}

static void
no_memory(void **state)
{
	struct vm_radix t = {0};
	struct vm_page first = {.pindex = 7}, second = {.pindex = 1ul << 30};

	(void)state;
	check_kr(KERN_SUCCESS, vm_radix_insert(&t, &first));
	model_fail_after(1);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_radix_insert(&t, &second));
	assert_ptr_equal(vm_radix_lookup(&t, 7), &first);
	assert_null(vm_radix_lookup(&t, 1ul << 30));
	check_kr(KERN_SUCCESS, vm_radix_insert(&t, &second));
	assert_ptr_equal(vm_radix_remove(&t, 7), &first);
	assert_ptr_equal(vm_radix_remove(&t, 1ul << 30), &second);
}

struct seen {
	size_t n, stop;
};

/* see: pages come in the reference's order; false when `stop` have been seen. */
static bool
see(struct vm_page *m, void *arg)
{
	struct seen *s = arg;

	assert_true(s->n < count);
	assert_ptr_equal(m, pages[s->n]);
	return ++s->n < s->stop;
}

static void
walk(void **state)
{
	struct vm_radix t = {0}, copy = {0};
	uint64_t before;
	struct seen all = {0, MAX_PAGES + 1}, some = {0, 5};

	(void)state;
	memory_settle();
	before = memory_free();
	assert_true(vm_radix_walk(&t, see, &all));
	check_u64(0, all.n);
	for (int i = 0; i < MAX_PAGES; i++)
		add_or_take(&t, random_index());
	assert_true(vm_radix_walk(&t, see, &all));
	check_u64(count, all.n);
	assert_false(vm_radix_walk(&t, see, &some));
	check_u64(5, some.n);
	/* A second tree over the same pages, which it forgets. */
	for (size_t i = 0; i < count; i++)
		check_kr(KERN_SUCCESS, vm_radix_insert(&copy, pages[i]));
	vm_radix_clear(&copy);
	check_u64(0, copy.root);
	assert_null(vm_radix_lookup(&copy, pages[0]->pindex));
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(vm_radix_lookup(&t, pages[i]->pindex), pages[i]);
	empty(&t);
	memory_settle();
	check_u64(before, memory_free());
}

static void
put(void **state)
{
	struct vm_radix t = {0};
	struct vm_page a = {.pindex = 7}, b = {.pindex = 7}, c = {.pindex = 1ul << 30}, *old = &a;

	(void)state;
	check_kr(KERN_SUCCESS, vm_radix_put(&t, &a, &old));
	assert_null(old);
	check_kr(KERN_SUCCESS, vm_radix_put(&t, &b, &old));
	assert_ptr_equal(&a, old);
	assert_ptr_equal(&b, vm_radix_lookup(&t, 7));
	model_fail_after(1);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_radix_put(&t, &c, &old));
	assert_null(old);
	check_kr(KERN_SUCCESS, vm_radix_put(&t, &c, &old));
	model_fail_from(1);
	check_kr(KERN_SUCCESS, vm_radix_put(&t, &a, &old));
	model_fail_off();
	assert_ptr_equal(&b, old);
	assert_ptr_equal(&c, vm_radix_remove(&t, 1ul << 30));
	assert_ptr_equal(&a, vm_radix_remove(&t, 7));
	assert_int_equal(t.root, 0);
}

static void
twice(void **state)
{
	struct vm_radix t = {0};
	struct vm_page first = {.pindex = 7}, second = {.pindex = 7};

	(void)state;
	check_kr(KERN_SUCCESS, vm_radix_insert(&t, &first));
	expect_panic("is there already", vm_radix_insert(&t, &second));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"radix: random inserts, removals and lookups agree with a sorted array", fuzz},
	    {"radix: a dense tree has every page, in order", dense},
	    {"radix: a tree of one page needs no memory", one_page_no_node},
	    {"radix: an insert without memory changes nothing", no_memory},
	    {"radix: a walk sees all pages in order; a cleared tree gives its nodes back", walk},
	    {"radix: a page takes another's place without memory", put},
	    {"radix: an index that is there already is a bug", twice},
	};

	return host_run(&memory_fixture, tests, ARRAY_SIZE(tests));
}

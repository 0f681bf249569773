/* SPDX-License-Identifier: BSD-2-Clause */
/* Slab allocation. */
#include <stdlib.h>
#include <string.h>
#include "kernel/base/spinlock.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/thread.h"
#include "vm/vm_page.h"
#include "vm/vm_zone.h"

#define OBJECTS 500
#define STEPS	100000

static struct vm_zone zone;

/* fill, check: an object is full of a byte that depends on its number. */
static void
check_full(const uint8_t *p, size_t size, uint8_t byte)
{
	for (size_t i = 0; i < size; i++) {
		if (p[i] != byte)
			fail_msg("object %p: byte %zu: expected %#x, got %#x", (const void *)p, i,
				 byte, p[i]);
	}
}

static void
fuzz_size(size_t size)
{
	uint8_t *object[OBJECTS] = {0};
	struct vm_zone z;

	vm_zone_init(&z, "fuzz", size, &vm_zone_direct);
	for (int i = 0; i < STEPS / 10; i++) {
		size_t k = host_random_below(OBJECTS);

		if (object[k] == NULL) {
			object[k] = vm_zone_alloc(&z, 0);
			assert_non_null(object[k]);
			assert_int_equal((uintptr_t)object[k] % 16, 0);
			memset(object[k], (int)k & 0xff, size);
		} else {
			check_full(object[k], size, (uint8_t)k);
			vm_zone_free(&z, object[k]);
			object[k] = NULL;
		}
	}
	for (size_t k = 0; k < OBJECTS; k++) {
		if (object[k] != NULL)
			vm_zone_free(&z, object[k]);
	}
	check_u64(0, vm_zone_in_use(&z));
	vm_zone_drain(&z);
	check_u64(0, z.slabs);
	list_remove(&z.all);
}

static void
fuzz(void **state)
{
	static const size_t sizes[] = {1, 16, 24, 100, 536, 1344, 2016, 4032};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		fuzz_size(sizes[i]);
}

static void
zeroed(void **state)
{
	uint8_t *p;

	(void)state;
	vm_zone_init(&zone, "zone", 100, &vm_zone_direct);
	p = vm_zone_alloc(&zone, 0);
	memset(p, 1, 100);
	vm_zone_free(&zone, p);
	p = vm_zone_alloc(&zone, VM_ZONE_ZERO);
	check_full(p, 100, 0);
	vm_zone_free(&zone, p);
}

static void
in_use(void **state)
{
	void *p[20];

	(void)state;
	vm_zone_init(&zone, "zone", 64, &vm_zone_direct);
	for (int i = 0; i < 20; i++) {
		p[i] = vm_zone_alloc(&zone, 0);
		check_u64((uint64_t)i + 1, vm_zone_in_use(&zone));
	}
	for (int i = 0; i < 20; i++)
		vm_zone_free(&zone, p[i]);
	check_u64(0, vm_zone_in_use(&zone));
	check_u64(1, zone.slabs);
}

/* Objects that go up by three slabs and down again leave one empty slab. */
static void
keeps_one_slab(void **state)
{
	void *p[12];

	(void)state;
	vm_zone_init(&zone, "zone", 1008, &vm_zone_direct);
	for (int i = 0; i < 12; i++)
		p[i] = vm_zone_alloc(&zone, 0);
	assert_true(zone.slabs >= 3);
	for (int i = 0; i < 12; i++)
		vm_zone_free(&zone, p[i]);
	vm_zone_drain(&zone);
	check_u64(0, zone.slabs);
}

static void
other_processor(void **state)
{
	void *p;

	(void)state;
	vm_zone_init(&zone, "zone", 64, &vm_zone_direct);
	p = vm_zone_alloc(&zone, 0);
	model_cpu_switch(1);
	vm_zone_free(&zone, p);
	check_u64(0, vm_zone_in_use(&zone));
	vm_zone_free(&zone, vm_zone_alloc(&zone, 0));
	model_cpu_switch(0);
}

static void
hammer(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;
	uint8_t *p[64] = {0};

	for (int i = 0; i < STEPS / 4; i++) {
		size_t k = (seed = seed * 6364136223846793005ull + 1) >> 58;

		if (p[k] == NULL) {
			p[k] = vm_zone_alloc(&zone, 0);
			memset(p[k], (int)(uintptr_t)arg, 96);
		} else {
			check_full(p[k], 96, (uint8_t)(uintptr_t)arg);
			vm_zone_free(&zone, p[k]);
			p[k] = NULL;
		}
	}
	for (int i = 0; i < 64; i++) {
		if (p[i] != NULL)
			vm_zone_free(&zone, p[i]);
	}
}

static void
threads(void **state)
{
	struct thread *t[3];

	(void)state;
	vm_zone_init(&zone, "zone", 96, &vm_zone_direct);
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		t[i] = model_thread_start("hammer", hammer, (void *)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		model_thread_join(t[i]);
	check_u64(0, vm_zone_in_use(&zone));
}

static void
no_memory(void **state)
{
	struct vm_zone z;
	void *p;

	(void)state;
	vm_zone_init(&z, "zone", 64, &vm_zone_direct);
	model_fail_after(2); /* the first is the object itself, the second its slab's frame */
	assert_null(vm_zone_alloc(&z, 0));
	check_u64(1, model_fail_count());
	p = vm_zone_alloc(&z, 0);
	assert_non_null(p);
	vm_zone_free(&z, p);
	vm_zone_drain(&z);
	list_remove(&z.all);
}

static void
double_free(void **state)
{
	void *p;

	(void)state;
	vm_zone_init(&zone, "zone", 64, &vm_zone_direct);
	p = vm_zone_alloc(&zone, 0);
	vm_zone_free(&zone, p);
	expect_panic("is freed twice", vm_zone_free(&zone, p));
}

static void
double_free_elsewhere(void **state)
{
	void *p;

	(void)state;
	vm_zone_init(&zone, "zone", 64, &vm_zone_direct);
	p = vm_zone_alloc(&zone, 0);
	vm_zone_free(&zone, p);
	model_cpu_switch(1);
	vm_zone_free(&zone, p);
	vm_zone_drain(&zone);
	model_cpu_switch(0);
	expect_panic("is freed twice", vm_zone_drain(&zone));
}

static void
foreign(void **state)
{
	struct vm_zone other;
	void *p;

	(void)state;
	vm_zone_init(&zone, "zone", 64, &vm_zone_direct);
	vm_zone_init(&other, "other", 64, &vm_zone_direct);
	p = vm_zone_alloc(&other, 0);
	expect_panic("is no object of zone", vm_zone_free(&zone, p));
}

static void
inside(void **state)
{
	char *p;

	(void)state;
	vm_zone_init(&zone, "zone", 64, &vm_zone_direct);
	p = vm_zone_alloc(&zone, 0);
	expect_panic("is no object of zone", vm_zone_free(&zone, p + 16));
}

static void
use_after_free(void **state)
{
	char *p;

	(void)state;
	vm_zone_init(&zone, "zone", 64, &vm_zone_direct);
	p = vm_zone_alloc(&zone, 0);
	vm_zone_free(&zone, p);
	p[20] = 1;
	expect_panic("was written to at +16", (void)vm_zone_alloc(&zone, 0));
}

static void
before_kmem(void **state)
{
	(void)state;
	vm_zone_init(&zone, "early", 64, NULL);
	expect_panic("before kmem_map exists", (void)vm_zone_alloc(&zone, 0));
}

/* A supplier as kmem_map's is: may not be called with VM locks held. */
static unsigned pages_held;

static void *
host_get(int flags)
{
	if ((flags & VM_ZONE_NOWAIT) != 0)
		return NULL;
	pages_held++;
	return aligned_alloc(PAGE_SIZE, PAGE_SIZE);
}

static void
host_put(void *slab)
{
	pages_held--;
	free(slab);
}

static const struct vm_zone_supplier host_supplier = {"host", host_get, host_put, false};

static void
supplied(void **state)
{
	void *p[100];

	(void)state;
	vm_zone_register_kmem(&host_supplier);
	vm_zone_init(&zone, "supplied", 512, NULL);
	assert_null(vm_zone_alloc(&zone, VM_ZONE_NOWAIT));
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		assert_non_null(p[i] = vm_zone_alloc(&zone, 0));
	check_u64(zone.slabs, pages_held);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		vm_zone_free(&zone, p[i]);
	vm_zone_drain(&zone);
	check_u64(0, pages_held);
}

static void
supplied_under_lock(void **state)
{
	static struct spinlock lock = SPINLOCK_INITIALIZER("a pmap's", LOCK_RANK_PMAP);

	(void)state;
	vm_zone_register_kmem(&host_supplier);
	vm_zone_init(&zone, "supplied", 512, NULL);
	spinlock_lock(&lock);
	expect_panic("a pmap's", (void)vm_zone_alloc(&zone, VM_ZONE_NOWAIT));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"zone: objects of every size keep their contents and do not overlap", fuzz},
	    {"zone: VM_ZONE_ZERO gives zeroes", zeroed},
	    {"zone: objects in use are counted exactly, caches not", in_use},
	    {"zone: empty slabs go back to the supplier", keeps_one_slab},
	    {"zone: an object may be freed on another processor", other_processor},
	    {"zone: three processors allocate and free at once", threads},
	    {"zone: without a frame the allocation fails and nothing is lost", no_memory},
	    {"zone: a double free is found at once", double_free},
	    {"zone: a double free on two processors is found in the slab", double_free_elsewhere},
	    {"zone: an object of another zone is refused", foreign},
	    {"zone: a pointer into an object is refused", inside},
	    {"zone: a store to a freed object is found", use_after_free},
	    {"zone: a general zone before kmem_map exists is a bug", before_kmem},
	    {"zone: a registered supplier gets back what it gave", supplied},
	    {"zone: a general zone under a VM lock is a bug, even when it need not grow",
	     supplied_under_lock},
	};

	return host_run(&memory_fixture, tests, ARRAY_SIZE(tests));
}

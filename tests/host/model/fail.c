/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocations that fail on request. */
#include "model/memory.h"
#include "vm/vm_charge.h"
#include "vm/vm_page.h"
#include "vm/vm_zone.h"

static uint64_t fail_first, fail_last; /* numbers of the allocations that fail, 0: none */
static uint64_t allocations, failures; /* since the last request */
static bool charges;

static struct {
	uint64_t at; /* number of the allocation, 0: none */
	void (*fn)(void *arg);
	void *arg;
} call;

static void
fail_between(uint64_t first, uint64_t last)
{
	fail_first = first;
	fail_last = last;
	allocations = 0;
	failures = 0;
}

void
model_fail_after(uint64_t k)
{
	fail_between(k, k);
}

void
model_fail_from(uint64_t k)
{
	fail_between(k, UINT64_MAX);
}

void
model_fail_calls(uint64_t k, void (*fn)(void *arg), void *arg)
{
	fail_between(0, 0);
	call.at = k;
	call.fn = fn;
	call.arg = arg;
}

void
model_fail_charges(void)
{
	charges = true;
}

void
model_fail_off(void)
{
	fail_first = fail_last = 0;
}

uint64_t
model_fail_count(void)
{
	return __atomic_load_n(&failures, __ATOMIC_RELAXED);
}

bool
model_alloc_fails(void)
{
	uint64_t k = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);

	if (k == call.at) {
		call.at = 0;
		call.fn(call.arg);
	}
	if (k < fail_first || k > fail_last)
		return false;
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	return true;
}

/* The linker sends calls of the allocators from other files here (--wrap). */

struct vm_page *__real_vm_page_alloc_noobj(int req);
struct vm_page *__wrap_vm_page_alloc_noobj(int req);
void *__real_vm_zone_alloc(struct vm_zone *z, int flags);
void *__wrap_vm_zone_alloc(struct vm_zone *z, int flags);
bool __real_vm_charge(vm_size_t bytes);
bool __wrap_vm_charge(vm_size_t bytes);

struct vm_page *
__wrap_vm_page_alloc_noobj(int req)
{
	return model_alloc_fails() ? NULL : __real_vm_page_alloc_noobj(req);
}

void *
__wrap_vm_zone_alloc(struct vm_zone *z, int flags)
{
	return model_alloc_fails() ? NULL : __real_vm_zone_alloc(z, flags);
}

bool
__wrap_vm_charge(vm_size_t bytes)
{
	return !(charges && model_alloc_fails()) && __real_vm_charge(bytes);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commit account: one counter against one limit.
 *
 * Invariant: `used` is the sum of what entries and objects are charged with, and of what operations
 * under way have got for them or are about to give back.  It may exceed the limit only because the limit
 * was lowered.
 */
#include "kernel/base/debug.h"
#include "kernel/base/panic.h"
#include "vm/vm_charge.h"

static uint64_t limit = VM_CHARGE_UNLIMITED; /* (a) bytes */
static uint64_t used;			     /* (a) bytes */

bool
vm_charge(vm_size_t bytes)
{
	uint64_t most = vm_charge_limit();
	uint64_t now = vm_charge_used();

	if (debug_alloc_fails())
		return false;
	do {
		if (now > most || bytes > most - now)
			return false;
	} while (!__atomic_compare_exchange_n(&used, &now, now + bytes, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

void
vm_uncharge(vm_size_t bytes)
{
	uint64_t before;

	if (bytes == 0)
		return;
	before = __atomic_fetch_sub(&used, bytes, __ATOMIC_RELAXED);
	VERIFY(before >= bytes, "uncharge of %zu bytes, only %zu are charged", bytes,
	       (size_t)before);
}

void
vm_charge_set_limit(uint64_t bytes)
{
	__atomic_store_n(&limit, bytes, __ATOMIC_RELAXED);
}

uint64_t
vm_charge_limit(void)
{
	return __atomic_load_n(&limit, __ATOMIC_RELAXED);
}

uint64_t
vm_charge_used(void)
{
	return __atomic_load_n(&used, __ATOMIC_RELAXED);
}

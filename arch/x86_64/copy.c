/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying from and to user space: the checks around copy.S.
 *
 * A range is good if it lies below VM_MAX_USER_ADDRESS; whether something is mapped there, and with
 * which rights, the processor decides when it is touched.
 */
#include <machine/copy.h>
#include <machine/param.h>
#include "kernel/base/lockorder.h"
#include "kernel/base/sched.h"

/* copy.S */
int copy_user(void *to, const void *from, size_t n);
int copy_user_string(char *to, const char *from, size_t n, size_t *length);
int fetch_user32(const uint32_t *from, uint32_t *to);
int fetch_user64(const uint64_t *from, uint64_t *to);
int store_user32(uint32_t *to, uint32_t value);
int store_user64(uint64_t *to, uint64_t value);
int cas_user32(uint32_t *at, uint32_t expected, uint32_t desired, uint32_t *seen);

bool
user_range_ok(const void *uaddr, size_t n)
{
	uintptr_t a = (uintptr_t)uaddr;

	return a <= VM_MAX_USER_ADDRESS && n <= VM_MAX_USER_ADDRESS - a;
}

/* word_ok: is a word of n bytes there in user space, and aligned? */
static bool
word_ok(const void *uaddr, size_t n)
{
	return (uintptr_t)uaddr % n == 0 && user_range_ok(uaddr, n);
}

/* check_context: faults may be served here, unless the thread asked for none. */
static void
check_context(const char *what)
{
	if (!curthread()->nofaulting)
		assert_may_fault(what);
}

bool
copyin(const void *uaddr, void *kaddr, size_t n)
{
	check_context("copyin");
	return user_range_ok(uaddr, n) && copy_user(kaddr, uaddr, n) == 0;
}

bool
copyout(const void *kaddr, void *uaddr, size_t n)
{
	check_context("copyout");
	return user_range_ok(uaddr, n) && copy_user(uaddr, kaddr, n) == 0;
}

enum copyinstr_result
copyinstr(const char *uaddr, char *kaddr, size_t size, size_t *length)
{
	size_t n = 0, max = size;

	check_context("copyinstr");
	if (size == 0)
		return COPYINSTR_TOO_LONG;
	if (!user_range_ok(uaddr, 1))
		return COPYINSTR_FAULT;
	if (max > VM_MAX_USER_ADDRESS - (uintptr_t)uaddr)
		max = VM_MAX_USER_ADDRESS - (uintptr_t)uaddr;
	if (copy_user_string(kaddr, uaddr, max, &n) != 0)
		return COPYINSTR_FAULT;
	if (n == max && max < size)
		return COPYINSTR_FAULT;
	if (n == size) {
		kaddr[size - 1] = '\0';
		return COPYINSTR_TOO_LONG;
	}
	if (length != NULL)
		*length = n;
	return COPYINSTR_OK;
}

bool
user_fetch32(const uint32_t *uaddr, uint32_t *value)
{
	check_context("user_fetch32");
	return word_ok(uaddr, sizeof(*uaddr)) && fetch_user32(uaddr, value) == 0;
}

bool
user_fetch64(const uint64_t *uaddr, uint64_t *value)
{
	check_context("user_fetch64");
	return word_ok(uaddr, sizeof(*uaddr)) && fetch_user64(uaddr, value) == 0;
}

bool
user_store32(uint32_t *uaddr, uint32_t value)
{
	check_context("user_store32");
	return word_ok(uaddr, sizeof(*uaddr)) && store_user32(uaddr, value) == 0;
}

bool
user_store64(uint64_t *uaddr, uint64_t value)
{
	check_context("user_store64");
	return word_ok(uaddr, sizeof(*uaddr)) && store_user64(uaddr, value) == 0;
}

bool
user_cas32(uint32_t *uaddr, uint32_t expected, uint32_t desired, uint32_t *seen)
{
	check_context("user_cas32");
	return word_ok(uaddr, sizeof(*uaddr)) && cas_user32(uaddr, expected, desired, seen) == 0;
}

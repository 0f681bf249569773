/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only way to touch user memory.
 *
 * A fault inside is served like any other: a page comes in, a stack grows.  What cannot be served
 * ends the copy with false.  May sleep, so no lock is held (assert_may_fault); with
 * curthread()->nofaulting set they may be called in atomic context and fail instead of waiting.
 */
#ifndef MACHINE_COPY_H
#define MACHINE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* copyin, copyout: n bytes from or to user space; false if any of it cannot be accessed (a part may
 * have been copied). */
bool copyin(const void *uaddr, void *kaddr, size_t n);
bool copyout(const void *kaddr, void *uaddr, size_t n);

enum copyinstr_result {
	COPYINSTR_OK,
	COPYINSTR_FAULT,
	COPYINSTR_TOO_LONG, /* no end within size bytes; the buffer is terminated all the same */
};

/* copyinstr: a terminated string of at most size bytes, the end included; its length without the
 * end goes to *length if that is not NULL. */
enum copyinstr_result copyinstr(const char *uaddr, char *kaddr, size_t size, size_t *length);

/* user_fetch32, user_fetch64, user_store32, user_store64: one aligned word, in one access. */
bool user_fetch32(const uint32_t *uaddr, uint32_t *value);
bool user_fetch64(const uint64_t *uaddr, uint64_t *value);
bool user_store32(uint32_t *uaddr, uint32_t value);
bool user_store64(uint64_t *uaddr, uint64_t value);

/* user_cas32: if *uaddr is `expected`, make it `desired`; *seen is what was there.  Atomic. */
bool user_cas32(uint32_t *uaddr, uint32_t expected, uint32_t desired, uint32_t *seen);

/* user_range_ok: do n bytes at uaddr lie in user space? */
bool user_range_ok(const void *uaddr, size_t n);

#endif

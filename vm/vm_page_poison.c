/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Poison in free frames: see vm_page_poison.h.
 *
 *	poisoned	every word is POISON mixed with the frame's own address
 *	allocated	its first and last word are changed, so that it does not look poisoned
 *	fresh		anything: what boot left there
 *
 * Nothing else says which frames are poisoned: a frame whose first or last word is its poison is,
 * and then all others must be too.  Usually only some words at both ends are filled, which costs
 * little and finds most; with debug.poison the whole frame is.
 */
#include "vm/vm_page_poison.h"

#ifdef CONFIG_DEBUG

#include <stddef.h>
#include <stdint.h>
#include "kernel/base/debug.h"
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"

#define POISON	  0xfeedf4a3feedf4a3ull
#define WORDS	  (PAGE_SIZE / sizeof(uint64_t))
#define WORDS_END 4 /* looked at, at each end */

/* words_at_end: how many are filled and looked at, at each end. */
static size_t
words_at_end(void)
{
	return debug_switches.poison ? WORDS / 2 : WORDS_END;
}

static uint64_t
poison_of(const struct vm_page *m)
{
	return POISON ^ vm_page_to_phys(m);
}

void
vm_page_poison(struct vm_page *m)
{
	uint64_t *words = pmap_page_address(m), poison = poison_of(m);
	size_t n = words_at_end();

	for (size_t i = 0; i < n; i++)
		words[i] = words[WORDS - 1 - i] = poison;
}

/* check: the words at both ends have this value. */
static void
check(const struct vm_page *m, uint64_t value, const char *what)
{
	const uint64_t *words = pmap_page_address(m);

	for (size_t i = 0, n = words_at_end(); i < n; i++) {
		size_t bad = words[i] != value ? i : WORDS - 1 - i;

		VERIFY(words[bad] == value, "%s frame %#zx was written to at +%#zx: %#zx", what,
		       (size_t)vm_page_to_phys(m), bad * sizeof(*words), (size_t)words[bad]);
	}
}

void
vm_page_check_poison(struct vm_page *m)
{
	uint64_t *words = pmap_page_address(m), poison = poison_of(m);

	if (words[0] != poison && words[WORDS - 1] != poison)
		return;
	check(m, poison, "free");
	words[0] = words[WORDS - 1] = POISON;
}

void
vm_page_check_zero(struct vm_page *m)
{
	check(m, 0, "zeroed free");
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Poison in free frames, in debug builds: who writes to a frame that he has freed is found when it is
 * allocated again, and who reads one, or a fresh one, gets nonsense.
 */
#ifndef VM_VM_PAGE_POISON_H
#define VM_VM_PAGE_POISON_H

struct vm_page;

#ifdef CONFIG_DEBUG

/* vm_page_poison: m is free from now on. */
void vm_page_poison(struct vm_page *m);

/* vm_page_check_poison: m is to be used again: panics if it was written to since.  A frame that was
 * never free before is not checked. */
void vm_page_check_poison(struct vm_page *m);

/* vm_page_check_zero: panics if m, which is said to be all zero, is not. */
void vm_page_check_zero(struct vm_page *m);

#else

static inline void
vm_page_poison(struct vm_page *m)
{
	(void)m;
}

static inline void
vm_page_check_poison(struct vm_page *m)
{
	(void)m;
}

static inline void
vm_page_check_zero(struct vm_page *m)
{
	(void)m;
}

#endif

#endif

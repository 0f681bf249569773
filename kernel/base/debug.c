/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of the debug switches.  Also part of the host tests, where all are off. */
#include "kernel/base/debug.h"

#ifdef CONFIG_DEBUG

#include <stddef.h>
#include "kernel/base/sched.h"
#include <machine/percpu.h>

struct debug_switches debug_switches;

bool
debug_alloc_fails(void)
{
	struct thread *t = curthread();
	struct debug_allocs *a;

	if (t == NULL || t->debug_allocs.fail == 0)
		return false;
	a = &t->debug_allocs;
	if (a->skip > 0) {
		a->skip--;
		return false;
	}
	a->fail--;
	a->failed++;
	return true;
}

#endif

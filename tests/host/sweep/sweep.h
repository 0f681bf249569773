/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sweep: every operation, in every state of the memory it works on, with every allocation failing
 * in turn.
 *
 *	for each state, for each operation:
 *		once without a failure: this is what it answers and what it leaves
 *		for k = 1, 2, ... until nothing failed, with one failure and with all from the k-th on:
 *			prepare the state, let the k-th allocation fail, run the operation
 *			it answered the same:	what it leaves is the same
 *			it says why not:	what was there is unchanged, as the operation promises;
 *						run again without a failure, it does all it should
 *			the program's bytes are what they must be, and in the end all is given back
 *
 * Where the state has a pager each of its calls is an allocation, too: it fails with an error of input
 * or output, and the operation says that.
 *
 * The operations are in test_sweep*.c, a line of a table for each.  States and operations share the
 * scene below, and meet in [A, END); operations that cut work on [FROM, TO).
 */
#ifndef SWEEP_SWEEP_H
#define SWEEP_SWEEP_H

#include "model/pager.h"
#include "model/vm_fixture.h"
#include "vm/vm_map.h"

#define P     PAGE_SIZE
#define PAGES 8
#define A     0x100000ul
#define END   (A + PAGES * P)
#define FROM  (A + 2 * P) /* the middle: a cut at each end */
#define TO    (END - 2 * P)

#define STACK	  0x10000000ul
#define STACK_MAX 0x100000ul
#define STACK_TOP (STACK + STACK_MAX)

extern struct scene {
	struct vm_fixture *f;
	struct proc *relatives[3]; /* spaces that share something with the process's */
	struct proc *born;	   /* by the operation */
	struct vm_object *source;  /* what a state maps; NULL: nothing that has a name */
	struct vm_object *object;  /* for an operation to map */
	struct vm_object *device;  /* likewise */
	struct model_pager pager;  /* source's, in some states */
} scene;

struct state {
	const char *name;
	void (*prepare)(void);
	bool system_wired; /* who takes memory away waits until that ends */
};

extern const struct state states[];
extern const size_t state_count;

/*
 * What holds when an operation gave up.  UNCHANGED is the word of the contracts: entries, sizes, page
 * tables, charges, references, frames are as they were.  SAME_MEANING is less: what the program may do
 * and what it finds is as it was; pages may have come in, entries may be cut in pieces, a copy may have
 * been made earlier than was needed.  SAME_CONTENTS: the program finds the same; a stack that has grown
 * stays so, a copy that was begun stays charged.  A_HOLE: what was to be replaced may be gone.
 */
enum promise {
	UNCHANGED,
	SAME_MEANING,
	SAME_CONTENTS,
	A_HOLE,
};

/* What is special about it. */
#define OR_LESS 0x1 /* succeeding, it may leave out what is done only to be quick */
#define TAKES	0x2 /* memory away: waits for the system's wirings */
#define GROWS	0x4 /* a stack; KERN_FAILURE: it could not */

struct operation {
	const char *name;
	kern_return_t (*run)(void);
	enum promise promise;
	unsigned traits;
};

/* sweep: the operation in all states.  state is a struct vm_fixture **. */
void sweep(void **state, const struct operation *op);

/* A table of operations is a macro of X(function, "what", promise, traits) lines, of which each becomes
 * a test. */
#define SWEEP_FUNCTION(function, what, promised, traits)                               \
	static void sweep_##function(void **state)                                     \
	{                                                                              \
		static const struct operation op = {what, function, promised, traits}; \
                                                                                       \
		sweep(state, &op);                                                     \
	}
#define SWEEP_TEST(function, what, promised, traits) \
	{"OOM: every allocation of " what, sweep_##function},

/* SWEEP_MAIN: the program that runs such a table. */
#define SWEEP_MAIN(operations)                                                    \
	operations(SWEEP_FUNCTION) int main(void)                                 \
	{                                                                         \
		static const struct host_test tests[] = {operations(SWEEP_TEST)}; \
                                                                                  \
		return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));           \
	}

#endif

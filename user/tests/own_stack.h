/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks to experiment with: mapped by the test itself, so that nothing runs on them.
 *
 *	low                low + guard                      mapped part        top
 *	 |------ guard ---------|--------- gap ------------------|------ stack ----|
 */
#ifndef TESTS_OWN_STACK_H
#define TESTS_OWN_STACK_H

#include <pagoda/memory.h>
#include <pagoda/tap.h>

struct own_stack {
	uint64_t low, top;    /* the whole reservation */
	uint64_t guard, step; /* bytes, of this kernel */
};

/* own_stack_make: a stack of `size` bytes, guard and all, which may become what `max` allows. */
static inline void
own_stack_make(struct own_stack *s, uint64_t size, uint32_t max)
{
	struct system_info info;
	uint64_t args = VM_MAP_ARGS(PROT_RW, max, VM_MAP_FLAG_STACK);
	int64_t addr = vm_map(HANDLE_SELF, 0, size, args, 0, 0);

	REQUIRE(addr > 0);
	REQUIRE_EQ(system_info(&info), 0);
	s->low = addr;
	s->top = addr + size;
	s->guard = info.stack_guard;
	s->step = info.stack_step;
}

/* own_stack_start: the lowest byte of the stack that is mapped; top if none is. */
static inline uint64_t
own_stack_start(const struct own_stack *s)
{
	struct vm_region r;

	for (uint64_t at = s->low; at < s->top; at = r.end) {
		if (vm_query(HANDLE_SELF, at, &r) != 0 || (r.flags & VM_REGION_STACK)) {
			return r.start < s->top ? r.start : s->top;
		}
	}
	return s->top;
}

/* own_stack_size: bytes of it that are mapped. */
static inline uint64_t
own_stack_size(const struct own_stack *s)
{
	return s->top - own_stack_start(s);
}

/* region_count: regions that lie in [start, end). */
static inline unsigned
region_count(uint64_t start, uint64_t end)
{
	struct vm_region r;
	unsigned count = 0;

	while (vm_query(HANDLE_SELF, start, &r) == 0 && r.start < end) {
		count++;
		start = r.end;
	}
	return count;
}

/* main_stack: the process's own: its mapped bytes are info->stack_size. */
static inline void
main_stack(struct proc_info *info)
{
	REQUIRE_EQ(proc_info(proc_id(HANDLE_SELF), info), 0);
}

/* set_limit: the soft limit; the hard one stays. */
static inline void
set_limit(uint32_t which, uint64_t bytes)
{
	struct limit limit;

	REQUIRE_EQ(limit_get(HANDLE_SELF, which, &limit), 0);
	limit.cur = bytes < limit.max ? bytes : limit.max;
	REQUIRE_EQ(limit_set(HANDLE_SELF, which, &limit), 0);
}

/* space_size: bytes mapped in this process, guards not counted: what LIMIT_VMEM is compared with. */
static inline uint64_t
space_size(void)
{
	struct proc_info info;

	main_stack(&info);
	return info.size;
}

/* touch_at: touch as a function that can be run in another process. */
static void __attribute__((unused)) touch_at(void *addr)
{
	touch(ADDR(addr));
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests/mutate/selftest rewrites: one function for each kind of fault, and a main() that
 * notices every one of them, but the one that nobody can.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "mutant.h"

typedef uintptr_t vm_offset_t;

#define PAGE_SIZE     4096ul
#define PAGE_MASK     (PAGE_SIZE - 1)
#define trunc_page(x) ((x) & ~PAGE_MASK)
#define round_page(x) (((x) + PAGE_MASK) & ~PAGE_MASK)
#define KERN_SUCCESS  0
#define KERN_FAILURE  5
#define KERN_NO_SPACE 3
#define FLAG_A	      0x1
#define FLAG_B	      0x2
#define ASSERT(cond)  ((cond) ? (void)0 : abort())
#define TWICE(x)      ((x) + (x))
#define EXPECT(a, b)  ((a) == (b) ? (void)0 : exit(1))

unsigned mutant_awake;
unsigned char mutant_passed[MUTANTS_MAX];

/* negate, drop, bound: both operands, both ends. */
static bool
between(int low, int x, int high)
{
	return low <= x && x < high;
}

/* code, drop of a return. */
static int
check(bool space)
{
	if (!space)
		return KERN_NO_SPACE;
	return KERN_SUCCESS;
}

/* page. */
static vm_offset_t
end_of(vm_offset_t start, vm_offset_t size)
{
	return round_page(start + size);
}

/* drop of flags. */
static int
flags(int less)
{
	return (FLAG_A | FLAG_B) & ~less;
}

/* A fault in what a macro is given; none in what it makes of that, and none in a check. */
static int
macros(int x)
{
	ASSERT(x < 10 && x > 0);
	return TWICE(x - 1);
}

/* drop of statements, in branches without braces. */
static int
branches(int x)
{
	int y = 0;

	if (x > 0)
		y = 10;
	else if (x < 0)
		y = 20;
	while (y < 2)
		y++;
	return y;
}

/* Equivalent: who begins with 0 adds nothing. */
static int
sum(const int *list, int n)
{
	int result = 0;

	for (int i = 0; i < n; i++) {
		if (list[i] == 0)
			continue;
		result += list[i];
	}
	return result;
}

int
main(int argc, char **argv)
{
	static const int numbers[] = {1, 0, 2, 100};

	mutant_awake = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	EXPECT(between(1, 0, 3), false);
	EXPECT(between(1, 1, 3), true);
	EXPECT(between(1, 3, 3), false);
	EXPECT(check(true), KERN_SUCCESS);
	EXPECT(check(false), KERN_NO_SPACE);
	EXPECT(end_of(PAGE_SIZE, 1), 2 * PAGE_SIZE);
	EXPECT(flags(0), FLAG_A | FLAG_B);
	EXPECT(flags(FLAG_B), FLAG_A);
	EXPECT(macros(3), 4);
	EXPECT(branches(0), 2);
	EXPECT(branches(1), 10);
	EXPECT(branches(-1), 20);
	EXPECT(sum(numbers, 3), 3);
	return 0;
}

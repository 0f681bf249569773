/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The initial stack of a program.
 *
 *	buffer	| argv strings | envp strings | name | random |      | vector |
 *	        0                                             used
 *	stack	            sp -> | vector |   | the same strings       | top
 *
 *	vector	argc, argv..., 0, envp..., 0, auxv pairs..., AT_NULL 0
 *
 * The strings are copied to the top of the stack as they are, so an address there is its place in
 * the buffer plus a constant; the vector is built in the buffer behind them.
 *
 * The buffer is pageable.  Its pages are faulted in before they are written, because an instruction
 * in the middle of a copy cannot say that there is no memory.
 */
#include <machine/copy.h>
#include <machine/cpu.h>
#include <pagoda/auxv.h>
#include <pagoda/errno.h>
#include "kernel/base/sched.h"
#include "kernel/base/string.h"
#include "kernel/errors.h"
#include "kernel/exec_args.h"
#include "kernel/vm_access.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"

#define STACK_ALIGN  16
#define RANDOM_WORDS 2

/* Beyond what EXEC_ARGS_MAX counts: argc, two ends, the auxiliary vector, name and random bytes. */
#define EXEC_ARGS_EXTRA PAGE_SIZE
#define EXEC_ARGS_SIZE	(EXEC_ARGS_MAX + EXEC_ARGS_EXTRA)

int
exec_args_init(struct exec_args *a)
{
	memset(a, 0, sizeof(*a));
	a->buffer = (char *)kmem_alloc_wait(exec_map, EXEC_ARGS_SIZE);
	if (a->buffer != NULL)
		return 0;
	return curthread()->killed ? EINTR : ENOMEM;
}

void
exec_args_free(struct exec_args *a)
{
	kmem_free_wakeup(exec_map, (vm_offset_t)a->buffer, EXEC_ARGS_SIZE);
}

/* make_resident: bytes [0, end) of the buffer can be written.  0, ENOMEM or EINTR. */
static int
make_resident(struct exec_args *a, size_t end)
{
	for (; ptoa(a->pages) < end; a->pages++) {
		kern_return_t kr = vm_fault(kernel_map, (vm_offset_t)a->buffer + ptoa(a->pages),
					    VM_PROT_WRITE, VM_FAULT_NORMAL);

		if (kr != KERN_SUCCESS)
			return errno_of(kr);
	}
	return 0;
}

/* room: bytes of strings that may still come, when `strings` pointers are counted too. */
static size_t
room(const struct exec_args *a, unsigned strings)
{
	size_t taken = a->used + strings * sizeof(uint64_t);

	return taken < EXEC_ARGS_MAX ? EXEC_ARGS_MAX - taken : 0;
}

/* append: n bytes, whatever EXEC_ARGS_MAX says. */
static int
append(struct exec_args *a, const void *bytes, size_t n)
{
	int error = make_resident(a, a->used + n);

	if (error != 0)
		return error;
	memcpy(a->buffer + a->used, bytes, n);
	a->used += n;
	return 0;
}

int
exec_args_add(struct exec_args *a, const char *s)
{
	size_t n = strlen(s) + 1;

	return n > room(a, a->argc + a->envc + 1) ? E2BIG : append(a, s, n);
}

/* copyin_string: one string of the caller, of at most `max` bytes; a page of the buffer at a time. */
static int
copyin_string(struct exec_args *a, const char *uaddr, size_t max)
{
	for (;;) {
		size_t n = PAGE_SIZE - a->used % PAGE_SIZE, length;
		enum copyinstr_result result;
		int error;

		/* At least two bytes, so that each turn gets on: one is lost to the terminator. */
		if (max < 2)
			return E2BIG;
		if (n < 2)
			n += PAGE_SIZE;
		if (n > max)
			n = max;
		error = make_resident(a, a->used + n);
		if (error != 0)
			return error;
		result = copyinstr(uaddr, a->buffer + a->used, n, &length);
		if (result == COPYINSTR_FAULT)
			return EFAULT;
		if (result == COPYINSTR_OK) {
			a->used += length + 1;
			return 0;
		}
		a->used += n - 1;
		uaddr += n - 1;
		max -= n - 1;
	}
}

int
exec_args_copyin(struct exec_args *a, uint64_t array, unsigned *count)
{
	const uint64_t *uaddr = (const uint64_t *)array;
	uint64_t string;
	int error;

	*count = 0;
	if (uaddr == NULL)
		return 0;
	for (;; uaddr++) {
		if (!user_fetch64(uaddr, &string))
			return EFAULT;
		if (string == 0)
			return 0;
		error =
		    copyin_string(a, (const char *)string, room(a, a->argc + a->envc + *count + 1));
		if (error != 0)
			return error;
		(*count)++;
	}
}

/* random_word: different from call to call; the same in each run under a deterministic clock. */
static uint64_t
random_word(void)
{
	static uint64_t state;
	uint64_t z = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);

	z ^= cpu_timestamp();
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* A vector being built: the addresses of strings are `distance` above their places in the buffer. */
struct vector {
	uint64_t *next;
	const char *string;
	uint64_t distance;
};

static void
push_strings(struct vector *v, unsigned count)
{
	while (count-- > 0) {
		*v->next++ = (uint64_t)v->string + v->distance;
		v->string += strlen(v->string) + 1;
	}
	*v->next++ = 0;
}

static void
push_pair(struct vector *v, uint64_t type, uint64_t value)
{
	*v->next++ = type;
	*v->next++ = value;
}

/* append_own: what the program gets besides its arguments: its name, some random bytes. */
static int
append_own(struct exec_args *a, const char *name)
{
	uint64_t random[RANDOM_WORDS];
	int error;

	for (unsigned i = 0; i < RANDOM_WORDS; i++)
		random[i] = random_word();
	error = append(a, name, strlen(name) + 1);
	return error != 0 ? error : append(a, random, sizeof(random));
}

/* fill_vector: build the vector behind the strings; *bytes gets its size.  Returns its place. */
static uint64_t *
fill_vector(struct exec_args *a, vm_offset_t strings, const uint64_t (*aux)[2], unsigned auxc)
{
	uint64_t *start = (uint64_t *)(a->buffer + ((a->used + STACK_ALIGN - 1) & -STACK_ALIGN));
	struct vector v = {start, a->buffer, strings - (uint64_t)a->buffer};

	*v.next++ = a->argc;
	push_strings(&v, a->argc);
	push_strings(&v, a->envc);
	for (unsigned i = 0; i < auxc; i++)
		push_pair(&v, aux[i][0], aux[i][1]);
	push_pair(&v, AT_EXECFN, (uint64_t)v.string + v.distance);
	push_pair(&v, AT_RANDOM, strings + a->used - RANDOM_WORDS * sizeof(uint64_t));
	push_pair(&v, AT_NULL, 0);
	return start;
}

int
exec_args_push(struct exec_args *a, vm_map_t map, vm_offset_t top, const char *name,
	       const uint64_t (*aux)[2], unsigned auxc, uint64_t *sp)
{
	size_t words = 1 + a->argc + 1 + a->envc + 1 + 2 * (auxc + 3);
	int error = append_own(a, name);
	vm_offset_t strings;
	kern_return_t kr;

	if (error == 0)
		error = make_resident(a, a->used + STACK_ALIGN + words * sizeof(uint64_t));
	if (error != 0)
		return error;
	strings = (top - a->used) & -(vm_offset_t)STACK_ALIGN;
	*sp = (strings - words * sizeof(uint64_t)) & -(uint64_t)STACK_ALIGN;
	kr = vm_write(map, strings, a->buffer, a->used);
	if (kr == KERN_SUCCESS)
		kr = vm_write(map, *sp, fill_vector(a, strings, aux, auxc),
			      words * sizeof(uint64_t));
	if (kr == KERN_SUCCESS)
		return 0;
	return kr == KERN_RESOURCE_SHORTAGE || kr == KERN_ABORTED ? errno_of(kr) : E2BIG;
}

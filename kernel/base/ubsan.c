/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What undefined behaviour leads to in a debug build: a panic that names the place.
 *
 * The compiler (-fsanitize=undefined) puts a check before each operation that C leaves undefined
 * and calls one of the functions below when the check fails.  Their names and arguments are the
 * compilers' (GCC's and clang's agree): the first argument points to a description of the place,
 * which begins with the file, line and column, the others are the operands.  One such error is one
 * too many, so none of these functions returns.
 */
#ifdef CONFIG_DEBUG

#include <stdint.h>
#include "kernel/base/panic.h"

struct ubsan_place {
	const char *file;
	uint32_t line;
	uint32_t column;
};

/* How a type is described: kind 0 is an integer, whose info is its signedness and size. */
struct ubsan_type {
	uint16_t kind;
	uint16_t info;
	char name[];
};

struct ubsan_typed {
	struct ubsan_place place;
	const struct ubsan_type *type;
};

struct ubsan_shift {
	struct ubsan_place place;
	const struct ubsan_type *left;
	const struct ubsan_type *right;
};

struct ubsan_index {
	struct ubsan_place place;
	const struct ubsan_type *array;
	const struct ubsan_type *index;
};

struct ubsan_access {
	struct ubsan_place place;
	const struct ubsan_type *type;
	uint8_t log_alignment;
	uint8_t kind;
};

/* The compiler calls these without ever having seen a declaration. */
void __ubsan_handle_add_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right);
void __ubsan_handle_sub_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right);
void __ubsan_handle_mul_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right);
void __ubsan_handle_divrem_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right);
void __ubsan_handle_negate_overflow(struct ubsan_typed *at, uintptr_t value);
void __ubsan_handle_pointer_overflow(struct ubsan_place *at, uintptr_t base, uintptr_t result);
void __ubsan_handle_shift_out_of_bounds(struct ubsan_shift *at, uintptr_t left, uintptr_t right);
void __ubsan_handle_out_of_bounds(struct ubsan_index *at, uintptr_t index);
void __ubsan_handle_type_mismatch_v1(struct ubsan_access *at, uintptr_t pointer);
void __ubsan_handle_load_invalid_value(struct ubsan_typed *at, uintptr_t value);
void __ubsan_handle_vla_bound_not_positive(struct ubsan_typed *at, uintptr_t bound);
void __ubsan_handle_nonnull_arg(struct ubsan_place *at);
void __ubsan_handle_nonnull_return_v1(struct ubsan_place *at, struct ubsan_place *where);
void __ubsan_handle_invalid_builtin(struct ubsan_place *at);
void __ubsan_handle_builtin_unreachable(struct ubsan_place *at);
void __ubsan_handle_missing_return(struct ubsan_place *at);
void __ubsan_handle_function_type_mismatch(struct ubsan_typed *at, uintptr_t function);

#define UBSAN_PANIC(place, fmt, ...)                                               \
	panic("%s:%u:%u: undefined behaviour: " fmt, (place)->file, (place)->line, \
	      (place)->column, ##__VA_ARGS__)

void
__ubsan_handle_add_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right)
{
	UBSAN_PANIC(&at->place, "%#lx + %#lx overflows %s", left, right, at->type->name);
}

void
__ubsan_handle_sub_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right)
{
	UBSAN_PANIC(&at->place, "%#lx - %#lx overflows %s", left, right, at->type->name);
}

void
__ubsan_handle_mul_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right)
{
	UBSAN_PANIC(&at->place, "%#lx * %#lx overflows %s", left, right, at->type->name);
}

void
__ubsan_handle_divrem_overflow(struct ubsan_typed *at, uintptr_t left, uintptr_t right)
{
	UBSAN_PANIC(&at->place, "%#lx divided by %#lx in %s", left, right, at->type->name);
}

void
__ubsan_handle_negate_overflow(struct ubsan_typed *at, uintptr_t value)
{
	UBSAN_PANIC(&at->place, "-%#lx overflows %s", value, at->type->name);
}

void
__ubsan_handle_pointer_overflow(struct ubsan_place *at, uintptr_t base, uintptr_t result)
{
	UBSAN_PANIC(at, "pointer %#lx moved to %#lx leaves its object", base, result);
}

void
__ubsan_handle_shift_out_of_bounds(struct ubsan_shift *at, uintptr_t left, uintptr_t right)
{
	UBSAN_PANIC(&at->place, "%#lx shifted by %#lx in %s", left, right, at->left->name);
}

void
__ubsan_handle_out_of_bounds(struct ubsan_index *at, uintptr_t index)
{
	UBSAN_PANIC(&at->place, "index %lu outside %s", index, at->array->name);
}

void
__ubsan_handle_type_mismatch_v1(struct ubsan_access *at, uintptr_t pointer)
{
	uintptr_t alignment = 1ul << at->log_alignment;
	const char *why = "too small an object";

	if (pointer == 0)
		why = "a null pointer";
	else if ((pointer & (alignment - 1)) != 0)
		why = "a misaligned pointer";
	UBSAN_PANIC(&at->place, "access to %s through %s %#lx (alignment %lu)", at->type->name, why,
		    pointer, alignment);
}

void
__ubsan_handle_load_invalid_value(struct ubsan_typed *at, uintptr_t value)
{
	UBSAN_PANIC(&at->place, "%#lx is no value of %s", value, at->type->name);
}

void
__ubsan_handle_vla_bound_not_positive(struct ubsan_typed *at, uintptr_t bound)
{
	UBSAN_PANIC(&at->place, "array of %#lx elements", bound);
}

void
__ubsan_handle_nonnull_arg(struct ubsan_place *at)
{
	UBSAN_PANIC(at, "null argument for a parameter that may not be null");
}

void
__ubsan_handle_nonnull_return_v1(struct ubsan_place *at, struct ubsan_place *where)
{
	UBSAN_PANIC(where, "null returned by a function declared never to (%s:%u)", at->file,
		    at->line);
}

void
__ubsan_handle_invalid_builtin(struct ubsan_place *at)
{
	UBSAN_PANIC(at, "zero given to a builtin that counts zero bits");
}

void
__ubsan_handle_builtin_unreachable(struct ubsan_place *at)
{
	UBSAN_PANIC(at, "a place declared unreachable was reached");
}

void
__ubsan_handle_missing_return(struct ubsan_place *at)
{
	UBSAN_PANIC(at, "a function ended without its return value");
}

void
__ubsan_handle_function_type_mismatch(struct ubsan_typed *at, uintptr_t function)
{
	UBSAN_PANIC(&at->place, "function %#lx called as %s", function, at->type->name);
}

#endif

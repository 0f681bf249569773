/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the first instruction to main and back.
 *
 * The stack of a new program, upwards from where rsp points:
 *
 *	argc | argv[0] ... argv[argc-1] NULL | envp[0] ... NULL | {type, value} ... {AT_NULL, 0}
 *
 * A static position-independent program is linked at 0 and lies elsewhere: before anything else
 * may be touched, the addresses stored in its data have the distance added to them.  The linker
 * leaves only one kind of relocation for that, R_X86_64_RELATIVE.
 */
#include <stddef.h>

#include <pagoda/auxv.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/syscalls.h>

struct dynamic {
	int64_t tag;
	uint64_t value;
};

#define DT_NULL	  0
#define DT_RELA	  7
#define DT_RELASZ 8

struct rela {
	uint64_t offset, info;
	int64_t addend;
};

#define R_X86_64_RELATIVE 8

/* How a program ends that cannot even be relocated: nothing that prints works yet. */
#define EXIT_BAD_RELOCATION 127

int main(int argc, char **argv, char **envp);
_Noreturn void program_start(uint64_t *stack, const struct dynamic *dynamic);

/* The linker's name for the start of the image. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

char **environ;
static const struct auxv *auxv;

const struct auxv *
auxv_start(void)
{
	return auxv;
}

uint64_t
getauxval(uint64_t type)
{
	for (const struct auxv *a = auxv; a->type != AT_NULL; a++) {
		if (a->type == type) {
			return a->value;
		}
	}
	return 0;
}

static void
relocate(const struct dynamic *dynamic)
{
	uint64_t base = ADDR(__ehdr_start), table = 0, bytes = 0;

	for (; dynamic->tag != DT_NULL; dynamic++) {
		if (dynamic->tag == DT_RELA) {
			table = base + dynamic->value;
		} else if (dynamic->tag == DT_RELASZ) {
			bytes = dynamic->value;
		}
	}
	const struct rela *rela = (const struct rela *)table;
	for (uint64_t i = 0; i < bytes / sizeof *rela; i++) {
		if ((uint32_t)rela[i].info != R_X86_64_RELATIVE) {
			proc_exit(EXIT_BAD_RELOCATION);
		}
		*(uint64_t *)(base + rela[i].offset) = base + rela[i].addend;
	}
}

/* program_start: called by _start with the initial stack pointer. */
_Noreturn void
program_start(uint64_t *stack, const struct dynamic *dynamic)
{
	if (dynamic != NULL) {
		relocate(dynamic);
	}

	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);
	char **end;

	environ = argv + argc + 1;
	for (end = environ; *end != NULL; end++) {
	}
	auxv = (const struct auxv *)(end + 1);
	exit(main(argc, argv, environ));
}

_Noreturn void
exit(int status)
{
	stdout_flush();
	proc_exit(status);
}

_Noreturn void
abort(void)
{
	stdout_flush();
	__builtin_trap();
}

const char *
getenv(const char *name)
{
	for (char **e = environ; *e != NULL; e++) {
		const char *p = *e, *n = name;

		while (*n != '\0' && *p == *n) {
			p++;
			n++;
		}
		if (*n == '\0' && *p == '=') {
			return p + 1;
		}
	}
	return NULL;
}

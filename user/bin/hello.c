/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program is told when it starts: arguments, environment, auxiliary vector. */
#include <pagoda/auxv.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>

static const char *
auxv_name(uint64_t type)
{
	switch (type) {
	case AT_PHDR:
		return "program headers at";
	case AT_PHENT:
		return "bytes of one";
	case AT_PHNUM:
		return "how many";
	case AT_PAGESZ:
		return "bytes of a page";
	case AT_BASE:
		return "load address of the interpreter";
	case AT_ENTRY:
		return "entry point";
	case AT_RANDOM:
		return "16 random bytes at";
	case AT_EXECFN:
		return "file name at";
	default:
		return "";
	}
}

int
main(int argc, char **argv)
{
	puts("Hello from user space.");
	for (int i = 0; i < argc; i++) {
		printf("argv[%d] = \"%s\"\n", i, argv[i]);
	}
	for (int i = 0; environ[i] != NULL; i++) {
		printf("environ[%d] = \"%s\"\n", i, environ[i]);
	}
	for (const struct auxv *a = auxv_start(); a->type != AT_NULL; a++) {
		printf("auxv %2lu = %#lx  %s\n", a->type, a->value, auxv_name(a->type));
	}
	return 0;
}

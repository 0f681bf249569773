/* SPDX-License-Identifier: BSD-2-Clause */
/* The auxiliary vector: what the loader tells a program about itself (System V ABI numbers). */
#ifndef PAGODA_AUXV_H
#define PAGODA_AUXV_H

#include <stdint.h>

#define AT_NULL	  0
#define AT_PHDR	  3 /* program headers in memory */
#define AT_PHENT  4 /* bytes of one */
#define AT_PHNUM  5
#define AT_PAGESZ 6
#define AT_BASE	  7 /* of the interpreter */
#define AT_FLAGS  8
#define AT_ENTRY  9
#define AT_UID	  11
#define AT_EUID	  12
#define AT_GID	  13
#define AT_EGID	  14
#define AT_HWCAP  16 /* CPUID leaf 1, edx */
#define AT_SECURE 23
#define AT_RANDOM 25 /* 16 bytes */
#define AT_EXECFN 31

struct auxv {
	uint64_t type, value;
};

/* auxv_start: the vector, ended by AT_NULL. */
const struct auxv *auxv_start(void);

/* getauxval: the value of one type; 0 if it is not there. */
uint64_t getauxval(uint64_t type);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory from the heap, numbers from text, sorting, and the program's own end. */
#ifndef PAGODA_STDLIB_H
#define PAGODA_STDLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* malloc and its kin: 16-byte aligned, NULL without memory; any thread.  See lib/malloc.c. */
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *p, size_t size);
void free(void *p);

/* heap_lock, heap_unlock: for fork, so that the child gets a heap nobody is working on. */
void heap_lock(void);
void heap_unlock(void);

/* strtoul: base 2 to 36, or 0 for 0x, 0 and decimal; *end is set to what was not used.  Too large a
 * number gives UINT64_MAX. */
uint64_t strtoul(const char *s, char **end, int base);

/* parse_number: the whole of s is one number; false if it is not.  A suffix K, M or G multiplies by
 * 1024, 1024^2 and 1024^3. */
bool parse_number(const char *s, uint64_t *value);

/* qsort: heap sort, so neither recursion nor a bad case. */
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *));

/* random_next: a number of the xorshift64* sequence that *state (not 0) stands in. */
uint64_t random_next(uint64_t *state);

/* exit: write what is buffered and end the process.  abort: end it by an undefined instruction. */
_Noreturn void exit(int status);
_Noreturn void abort(void);

/* getenv: the value of a variable, NULL if it is not there. */
const char *getenv(const char *name);
extern char **environ;

#endif

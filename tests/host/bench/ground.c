/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands under vm/ while it is measured: memory in one piece, one processor that runs one
 * thread, and page tables that map nothing.
 *
 * All of vm/ is the real one.  What no measure comes to is not here: the linker leaves such calls at
 * address 0, where they would end the program.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "bench/ground.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_phys.h"
#include "vm/vm_radix.h"
#include "vm/vmspace.h"

#define MEMORY (4ul << 30) /* of which the host gives what is touched */

uint64_t ground_steps;

static char *memory;
static struct thread only_thread;

struct percpu percpu_area[MACHINE_MAX_CPUS];
_Thread_local struct percpu *model_percpu = &percpu_area[0];

/* By -fsanitize-coverage=trace-pc: one call for each basic block of vm/ that is executed. */
void __sanitizer_cov_trace_pc(void);

void
__sanitizer_cov_trace_pc(void)
{
	ground_steps++;
}

void
ground_init(void)
{
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		perror("bench_map: memory");
		exit(EXIT_FAILURE);
	}
	percpu_area[0].curthread = &only_thread;
	vm_phys_early_add(PAGE_SIZE, MEMORY);
	vm_phys_init();
	vm_radix_init();
	vm_object_init();
	vm_map_startup();
	vmspace_init();
}

_Noreturn void
panic(const char *fmt, ...)
{
	fprintf(stderr, "bench_map: panic: %s\n", fmt);
	abort();
}

_Noreturn void
panic_assert(const char *file, int line, const char *cond, const char *fmt, ...)
{
	fprintf(stderr, "bench_map: %s:%d: %s: %s\n", file, line, cond, fmt);
	abort();
}

void *
pmap_phys_address(vm_paddr_t pa)
{
	return memory + pa;
}

void *
pmap_page_address(const struct vm_page *m)
{
	return pmap_phys_address(vm_page_to_phys(m));
}

/* A pmap is a place for a byte. */
struct pmap *
pmap_create(void)
{
	return malloc(1);
}

void
pmap_destroy(struct pmap *pmap)
{
	free(pmap);
}

void
pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	(void)pmap, (void)start, (void)end;
}

void
pmap_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
	(void)pmap, (void)start, (void)end, (void)prot;
}

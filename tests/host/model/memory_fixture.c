/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot and inspection of storey 2. */
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/thread.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"
#include "vm/vm_radix.h"
#include "vm/vm_zone.h"

static uint64_t free_at_start;

uint64_t
memory_free(void)
{
	struct vm_page_counts c;

	vm_page_get_counts(&c);
	return c.free;
}

static void
drain(struct vm_zone *z, void *arg)
{
	(void)arg;
	vm_zone_drain(z);
}

/* Twice, as slabs of the general zones go back through kmem_map, which frees objects of others. */
void
memory_settle(void)
{
	for (int round = 0; round < 2; round++) {
		for (uint32_t cpu = MACHINE_MAX_CPUS; cpu-- > 0;) {
			model_cpu_switch(cpu);
			vm_zone_for_each(drain, NULL);
		}
	}
}

static int
setup(void **state)
{
	(void)state;
	model_threads_init();
	model_memory_boot(MEMORY_FIXTURE_FRAMES);
	vm_radix_init();
	free_at_start = memory_free();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (model_panicked())
		return 0;
	check_u64(0, curthread()->lockorder.count);
	model_fail_off();
	memory_settle();
	vm_phys_audit();
	check_u64(free_at_start, memory_free());
	return 0;
}

const struct host_fixture memory_fixture = {setup, teardown};

/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of the memory system from the command line. */
#include "boot/boot_info.h"
#include "kernel/base/print.h"
#include "kernel/exec.h"
#include "kernel/tunables.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"

#define GUARD_DEFAULT	16 /* pages */
#define GUARD_MAX	(1ul << 16)
#define SGROWSIZ_MAX	(64ul << 20)
#define MAXSSIZ_DEFAULT (512ul << 20)
#define MAXSSIZ_MIN	(1ul << 20)
#define MAXSSIZ_MAX	(1ul << 40)

/* The rest is for page tables, kernel stacks and slabs, which are charged to nobody. */
#define COMMIT_DEFAULT_PERCENT 87
#define COMMIT_MAX_PERCENT     100000

static uint64_t
clamp(uint64_t value, uint64_t low, uint64_t high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

void
tunables_init(void)
{
	uint64_t guard = boot_option_number("vm.stack_guard_pages", GUARD_DEFAULT);
	uint64_t step = boot_option_number("vm.sgrowsiz", vm_sgrowsiz);
	uint64_t size = boot_option_number("vm.maxssiz", MAXSSIZ_DEFAULT);

	vm_stack_guard_pages = (uint32_t)clamp(guard, 1, GUARD_MAX);
	vm_sgrowsiz = round_page(clamp(step, PAGE_SIZE, SGROWSIZ_MAX));
	size = round_page(clamp(size, MAXSSIZ_MIN, MAXSSIZ_MAX));
	/* A reservation must hold more than its guard. */
	if (size < 2 * ptoa(vm_stack_guard_pages))
		size = 2 * ptoa(vm_stack_guard_pages);
	exec_init(size);
}

void
tunables_commit(void)
{
	uint64_t percent = boot_option_number("vm.commit_percent", COMMIT_DEFAULT_PERCENT);
	struct vm_page_counts pages;
	uint64_t limit;

	vm_page_get_counts(&pages);
	percent = clamp(percent, 1, COMMIT_MAX_PERCENT);
	limit = boot_option_number("vm.commit", ptoa(pages.free * percent / 100));
	vm_charge_set_limit(limit == 0 ? VM_CHARGE_UNLIMITED : limit);
	kprintf("memory: %lu KiB, %lu KiB free, %lu KiB may be promised\n", ptoa(pages.total) >> 10,
		ptoa(pages.free) >> 10, vm_charge_limit() >> 10);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What vm_phys_early.c hands over to vm_phys_init(); everybody else uses vm/vm_phys.h. */
#ifndef VM_VM_PHYS_EARLY_H
#define VM_VM_PHYS_EARLY_H

#include "vm/vm_types.h"

#define VM_PHYS_EARLY_RANGES 64

struct vm_phys_ranges {
	unsigned count;
	struct vm_phys_range {
		vm_paddr_t start, end;
	} range[VM_PHYS_EARLY_RANGES];
};

/* vm_phys_early_ram: all usable memory, taken or not.  vm_phys_early_free: what is left of it. */
const struct vm_phys_ranges *vm_phys_early_ram(void);
struct vm_phys_ranges *vm_phys_early_free(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine-wide commit limit: bytes of private-writable and anonymous memory that may be asked
 * for, so that a promise made by vm_map_insert can be kept at the fault.  Each byte is charged
 * once: to its entry (VM_ENTRY_CHARGED) while the memory is private, to its object when shared.
 */
#ifndef VM_VM_CHARGE_H
#define VM_VM_CHARGE_H

#include "vm/vm_types.h"

/* vm_charge: reserve bytes; false if the limit forbids it.  vm_uncharge: give them back.
 * Never sleep and take no lock. */
bool vm_charge(vm_size_t bytes);
void vm_uncharge(vm_size_t bytes);

/* vm_charge_set_limit: bytes; VM_CHARGE_UNLIMITED: everything is granted. */
#define VM_CHARGE_UNLIMITED UINT64_MAX
void vm_charge_set_limit(uint64_t bytes);
uint64_t vm_charge_limit(void);
uint64_t vm_charge_used(void);

#endif

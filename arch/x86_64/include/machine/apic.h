/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt controllers: the local APIC of each processor, the I/O APICs, the old 8259 pair. */
#ifndef MACHINE_APIC_H
#define MACHINE_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* pic_disable: move the old controllers' vectors out of the way of the exceptions and mask all of
 * them.  Before interrupts are first enabled. */
void pic_disable(void);

/* lapic_init: find and enable this processor's local APIC.  Boot: after pmap_bootstrap (it maps
 * registers) and acpi_init. */
void lapic_init(void);

/* lapic_cpu_init: enable it on another processor, in the mode of the first one's. */
void lapic_cpu_init(void);

/*
 * lapic_send: interrupt the processor with this APIC number.  lapic_send_nmi: even where its interrupts
 * are off.  lapic_send_init, lapic_send_startup: the two steps that make a processor begin at physical
 * page number `page` (below 256) in real mode.  Interrupts off.
 */
void lapic_send(uint32_t apic_id, uint8_t vector);
void lapic_send_nmi(uint32_t apic_id);
void lapic_send_init(uint32_t apic_id);
void lapic_send_startup(uint32_t apic_id, uint32_t page);

/* lapic_reaches: can the processor with this APIC number be interrupted at all? */
bool lapic_reaches(uint32_t apic_id);

/* lapic_id: this processor's number as interrupts are addressed to it. */
uint32_t lapic_id(void);

/* lapic_eoi: the interrupt being served is done.  Interrupts off. */
void lapic_eoi(void);

/* lapic_timer_start: interrupt VECTOR_TIMER once after `count` ticks of the timer; 0 stops it. */
void lapic_timer_start(uint32_t count);

/* lapic_timer_count: ticks left. */
uint32_t lapic_timer_count(void);

/* ioapic_init: map the I/O APICs that ACPI told of and mask all their inputs.  After lapic_init. */
void ioapic_init(void);

/*
 * ioapic_route_isa: deliver the ISA interrupt `irq` (0-15) to this processor, through the override
 * that ACPI may have for it, and unmask it.  Returns its vector (for irq_register, which comes
 * first: see ioapic_isa_vector), or 0 if no I/O APIC has it.
 */
uint8_t ioapic_isa_vector(uint8_t irq);
bool ioapic_route_isa(uint8_t irq);

#endif

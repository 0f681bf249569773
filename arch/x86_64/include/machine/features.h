/* SPDX-License-Identifier: BSD-2-Clause */
/* What this processor can do beyond the 64-bit baseline, and switching it on. */
#ifndef MACHINE_FEATURES_H
#define MACHINE_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

/* Written by features_init on the boot processor, constant afterwards. */
struct cpu_features {
	char vendor[13];
	char brand[49];
	bool smep, smap, umip; /* on where present */
	bool global_pages;     /* on */
	bool machine_check;    /* on */
	bool pcid;	       /* pmap_cpu_init switches it on */
	bool invpcid;
	bool fsgsbase; /* on */
	bool gbpages;  /* 1 GiB pages */
	bool x2apic;
	bool xsave, xsaveopt; /* xsave is on */
	bool rdrand, rdseed;
	bool invariant_tsc;
	uint8_t physical_bits;
};

extern struct cpu_features cpu_features;

/*
 * features_init: find out and switch on, on the boot processor.  Early boot, interrupts off, while
 * kernel text is still writable: the user-access instructions of SMAP are patched in.
 */
void features_init(void);

/* features_cpu_init: switch on, on another processor, what the first one has. */
void features_cpu_init(void);

/* features_print: one line for the boot log. */
void features_print(void);

#endif

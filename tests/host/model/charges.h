/* SPDX-License-Identifier: BSD-2-Clause */
/* The commit account, recounted. */
#ifndef MODEL_CHARGES_H
#define MODEL_CHARGES_H

/*
 * charges_check: each byte is charged exactly once: every entry and every object that should be charged
 * is, none that should not, no memory twice, and the sum is what vm_charge_used() says.  The test fails
 * with the entry or object that is wrong.  No other thread uses the vm meanwhile.
 */
void charges_check(void);

#endif

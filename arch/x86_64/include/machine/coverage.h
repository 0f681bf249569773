/* SPDX-License-Identifier: BSD-2-Clause */
/* The counts of BUILD=coverage. */
#ifndef MACHINE_COVERAGE_H
#define MACHINE_COVERAGE_H

#ifdef CONFIG_COVERAGE
/* coverage_dump: write them to DEBUGCON_COVERAGE.  The machine is about to end; interrupts off. */
void coverage_dump(void);
#else
static inline void
coverage_dump(void)
{
}
#endif

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Consoles of this machine: the serial line, the screen, and QEMU's debug ports. */
#ifndef MACHINE_CONSOLE_H
#define MACHINE_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

struct boot_display;
struct boot_info;

/* display_init: register the screen, if the boot loader left one, as a console.  After
 * pmap_bootstrap. */
void display_init(const struct boot_info *bi);

/* display_init_early: the same while the page tables of boot/ still stand, for a machine that
 * will not get any further. */
void display_init_early(const struct boot_display *d);

#define CONSOLE_READ_KILLED (-1l)

/*
 * console_input_read: wait until the terminal has sent something, then take up to size bytes of it
 * to buf, as they came: no echo, no editing.  Returns how many (at least 1 unless size is 0), or
 * CONSOLE_READ_KILLED if the thread is to die.  Sleeps; no lock held.
 */
long console_input_read(char *buf, size_t size);

/* QEMU's debug console ports, as tools/run reads them. */
#define DEBUGCON_STATUS 0xe9 /* how a program ended */
#define DEBUGCON_OUTPUT 0xea /* what it printed */

/* debugcon_write: n bytes to one of these ports; lost where there is none. */
void debugcon_write(uint16_t port, const char *s, size_t n);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Consoles of this machine: the serial line, the screen, and QEMU's debug ports. */
#ifndef MACHINE_CONSOLE_H
#define MACHINE_CONSOLE_H

#include <stdbool.h>
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
 * console_input_peek: wait until the terminal has sent something, then copy up to size (at least 1)
 * bytes of it to buf, as they came: no echo, no editing.  Returns how many, at least 1: the caller is
 * the reader now and calls console_input_taken() with the number he could use, perhaps 0: so many are
 * gone, the rest is there for the next one.  Or returns CONSOLE_READ_KILLED if the thread is to die.
 * Sleeps, for another reader too; no lock held.
 */
long console_input_peek(char *buf, size_t size);
void console_input_taken(size_t n);

/* QEMU's debug console ports, as tools/run reads them. */
#define DEBUGCON_STATUS	  0xe9 /* how a program ended */
#define DEBUGCON_OUTPUT	  0xea /* what it printed */
#define DEBUGCON_COVERAGE 0xeb /* BUILD=coverage: what was executed, as tools/coverage reads it */
#define DEBUGCON_ANSWER	  0xe9 /* what each of them answers when it is read */

/* debugcon_is_there: does somebody listen on this port? */
bool debugcon_is_there(uint16_t port);

/* debugcon_write: n bytes to one of these ports; lost where there is none. */
void debugcon_write(uint16_t port, const char *s, size_t n);

#endif

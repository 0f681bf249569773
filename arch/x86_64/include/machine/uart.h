/* SPDX-License-Identifier: BSD-2-Clause */
/* The first serial port: kernel text out, the terminal's keys in. */
#ifndef MACHINE_UART_H
#define MACHINE_UART_H

#include <stdint.h>

/* uart_init: set the port up and register it as a console.  The first thing at boot; needs no
 * memory and no interrupts.  Without a port there is no such console. */
void uart_init(void);

/* uart_input_init: let the port interrupt for input.  After ioapic_init. */
void uart_input_init(void);

/* uart_write: n bytes, each newline as carriage return and line feed. */
void uart_write(const char *s, uint64_t n);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first serial port (COM1), a 16550.
 *
 * Output is polled, so that it works in a panic and with interrupts off.  Input comes by interrupt
 * into a ring, from which threads take it:
 *
 *	interrupt --> ring[head++] ... ring[tail] --> console_input_peek, tail += console_input_taken
 *
 * head and tail only grow; their difference is what is in the ring.  What finds it full is lost.
 * Input leaves the ring only when its reader has it for good: between peek and taken he is the only
 * one, and others wait for him.
 */
#include <stdbool.h>
#include <machine/apic.h>
#include <machine/console.h>
#include <machine/cpu.h>
#include <machine/io.h>
#include <machine/trap.h>
#include <machine/uart.h>
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"

#define COM1	 0x3f8
#define COM1_IRQ 4

#define UART_DATA	  (COM1 + 0)
#define UART_DIVISOR_LOW  (COM1 + 0)
#define UART_INTERRUPTS	  (COM1 + 1)
#define UART_DIVISOR_HIGH (COM1 + 1)
#define UART_FIFO	  (COM1 + 2)
#define UART_LINE	  (COM1 + 3)
#define UART_MODEM	  (COM1 + 4)
#define UART_LINE_STATUS  (COM1 + 5)
#define UART_SCRATCH	  (COM1 + 7)

#define INTERRUPT_INPUT	 0x01
#define FIFO_ON_CLEAR	 0x07 /* on, both cleared, interrupt after one byte */
#define LINE_8N1	 0x03
#define LINE_DIVISOR	 0x80 /* the first two registers are the divisor */
#define MODEM_ON	 0x0b /* DTR, RTS, and OUT2, which lets interrupts through */
#define STATUS_INPUT	 0x01
#define STATUS_OUT_EMPTY 0x20
#define DIVISOR_115200	 1
#define FIFO_BYTES	 16
#define OUTPUT_PATIENCE	 100000 /* polls; then the bytes are lost */
#define SCRATCH_TEST	 0x5a

#define RING_SIZE 1024u

static bool present; /* constant after uart_init */

static struct {
	struct spinlock lock;
	uint32_t head, tail;   /* lock */
	bool reading;	       /* lock: between a peek and its taken */
	char bytes[RING_SIZE]; /* lock */
} input = {.lock = SPINLOCK_INITIALIZER("console input", LOCK_RANK_INPUT)};

/* wait_output: until the transmitter is empty; false if that takes too long. */
static bool
wait_output(void)
{
	for (int i = 0; i < OUTPUT_PATIENCE; i++) {
		if ((io_in8(UART_LINE_STATUS) & STATUS_OUT_EMPTY) != 0)
			return true;
		cpu_pause();
	}
	return false;
}

void
uart_write(const char *s, uint64_t n)
{
	bool return_sent = false;
	unsigned room = 0;

	while (present && n > 0) {
		char c = *s == '\n' && !return_sent ? '\r' : *s;

		if (room == 0) {
			if (!wait_output())
				return;
			room = FIFO_BYTES;
		}
		io_out8(UART_DATA, c);
		room--;
		return_sent = c == '\r' && *s == '\n';
		if (!return_sent)
			s++, n--;
	}
}

static void
console_write_uart(struct console *c, const char *s, size_t n)
{
	(void)c;
	uart_write(s, n);
}

void
uart_init(void)
{
	static struct console console = {.name = "serial", .write = console_write_uart};

	io_out8(UART_SCRATCH, SCRATCH_TEST);
	if (io_in8(UART_SCRATCH) != SCRATCH_TEST)
		return;
	io_out8(UART_INTERRUPTS, 0);
	io_out8(UART_LINE, LINE_DIVISOR);
	io_out8(UART_DIVISOR_LOW, DIVISOR_115200);
	io_out8(UART_DIVISOR_HIGH, 0);
	io_out8(UART_LINE, LINE_8N1);
	io_out8(UART_FIFO, FIFO_ON_CLEAR);
	io_out8(UART_MODEM, MODEM_ON);
	present = true;
	console_register(&console);
}

/* input_interrupt: take what has arrived into the ring and wake readers. */
static void
input_interrupt(void *arg)
{
	(void)arg;
	spinlock_lock(&input.lock);
	while ((io_in8(UART_LINE_STATUS) & STATUS_INPUT) != 0) {
		char c = io_in8(UART_DATA);

		if (input.head - input.tail < RING_SIZE)
			input.bytes[input.head++ % RING_SIZE] = c;
	}
	spinlock_unlock(&input.lock);
	sleepq_wake_all(&input);
}

void
uart_input_init(void)
{
	uint8_t vector = ioapic_isa_vector(COM1_IRQ);

	if (!present || vector == 0) {
		kprintf("uart: no serial port or no interrupt for it, so no input\n");
		return;
	}
	irq_register(vector, input_interrupt, NULL);
	ioapic_route_isa(COM1_IRQ);
	io_out8(UART_INTERRUPTS, INTERRUPT_INPUT);
}

/* input_copy: up to size bytes of what is in the ring, which stay there.  input.lock held. */
static size_t
input_copy(char *buf, size_t size)
{
	size_t n = 0;

	for (; n < size && input.tail + n != input.head; n++)
		buf[n] = input.bytes[(input.tail + n) % RING_SIZE];
	return n;
}

long
console_input_peek(char *buf, size_t size)
{
	size_t n;

	ASSERT(size > 0, "a peek at %zu bytes", size);
	spinlock_lock(&input.lock);
	while (input.reading || (n = input_copy(buf, size)) == 0) {
		enum sleepq_result r;

		sleepq_prepare(&input, "console input");
		spinlock_unlock(&input.lock);
		r = sleepq_wait(SLEEPQ_FOREVER, SLEEPQ_KILLABLE);
		if (r == SLEEPQ_KILLED)
			return CONSOLE_READ_KILLED;
		spinlock_lock(&input.lock);
	}
	input.reading = true;
	spinlock_unlock(&input.lock);
	return (long)n;
}

void
console_input_taken(size_t n)
{
	spinlock_lock(&input.lock);
	ASSERT(input.reading && n <= input.head - input.tail, "%zu bytes taken of %u", n,
	       (unsigned)(input.head - input.tail));
	input.tail += n;
	input.reading = false;
	spinlock_unlock(&input.lock);
	sleepq_wake_all(&input);
}

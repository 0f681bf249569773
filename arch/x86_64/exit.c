/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the machine, and QEMU's debug ports.
 *
 * After success the machine is to be off: QEMU's exit device, then the power-off ports of its two
 * chipsets and of others' emulators.  After a failure it stays as it is, so that the screen can be
 * read and a debugger attached.
 */
#include <machine/asmdefs.h>
#include <machine/console.h>
#include <machine/coverage.h>
#include <machine/cpu.h>
#include <machine/io.h>

/* Power management control registers, and the value that means "off". */
#define POWER_PIIX4	 0x0604 /* QEMU's -machine pc under SeaBIOS and OVMF */
#define POWER_BOCHS	 0xb004
#define POWER_OFF_ACPI	 0x2000
#define POWER_VIRTUALBOX 0x4004
#define POWER_OFF_VBOX	 0x3400

void
cpu_exit(uint32_t code)
{
	cpu_irq_disable();
	coverage_dump();
	io_out32(DEBUG_EXIT_PORT, code);
	if (code == CPU_EXIT_OK) {
		io_out16(POWER_PIIX4, POWER_OFF_ACPI);
		io_out16(POWER_BOCHS, POWER_OFF_ACPI);
		io_out16(POWER_VIRTUALBOX, POWER_OFF_VBOX);
	}
	for (;;)
		__asm__ volatile("hlt");
}

bool
debugcon_is_there(uint16_t port)
{
	return io_in8(port) == DEBUGCON_ANSWER;
}

void
debugcon_write(uint16_t port, const char *s, size_t n)
{
	while (n-- > 0)
		io_out8(port, *s++);
}

_Static_assert(DEBUG_EXIT_PANIC == CPU_EXIT_PANIC, "entry.S exits with another code");

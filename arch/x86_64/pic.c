/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two 8259 interrupt controllers of the PC.  Not used, but firmware leaves them on, with their
 * vectors on top of the exceptions': an IRQ 0 would look like a double fault.  So they are moved to
 * VECTOR_PIC and masked; a spurious one may still come there and is ignored.
 */
#include <machine/apic.h>
#include <machine/io.h>
#include <machine/trap.h>

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

#define ICW1_INIT    0x11 /* cascaded, edge-triggered, ICW4 follows */
#define ICW3_MASTER  0x04 /* the second one is on input 2 */
#define ICW3_SLAVE   0x02
#define ICW4_8086    0x01
#define PIC_MASK_ALL 0xff
#define PIC_INPUTS   8

void
pic_disable(void)
{
	io_out8(PIC1_COMMAND, ICW1_INIT);
	io_out8(PIC2_COMMAND, ICW1_INIT);
	io_out8(PIC1_DATA, VECTOR_PIC);
	io_out8(PIC2_DATA, VECTOR_PIC + PIC_INPUTS);
	io_out8(PIC1_DATA, ICW3_MASTER);
	io_out8(PIC2_DATA, ICW3_SLAVE);
	io_out8(PIC1_DATA, ICW4_8086);
	io_out8(PIC2_DATA, ICW4_8086);
	io_out8(PIC1_DATA, PIC_MASK_ALL);
	io_out8(PIC2_DATA, PIC_MASK_ALL);
}

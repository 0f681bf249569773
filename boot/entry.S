/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the loader's 32-bit protected mode to 64-bit C at the top of the address space.
 *
 * The loader jumps to boot_entry with paging off, eax = its magic number and ebx = the physical
 * address of its information.  What runs here is linked where it is loaded (low), so it also works
 * without paging.  The steps:
 *
 *	1. refuse a processor without long mode or no-execute, with a line on serial and screen
 *	2. build page tables of 2 MiB pages for the first 4 GiB, seen at three places:
 *
 *		PML4[0]    0                    identity, for the next few instructions
 *		PML4[256]  DIRECT_MAP_BASE      direct map, no-execute; loader data is read here
 *		PML4[511]  KERNEL_IMAGE_BASE    the kernel image (first 2 GiB)
 *
 *	3. PAE, long mode, NX, paging; jump to 64-bit code, then high, then boot_start(magic, info)
 *
 * The boot processor uses these tables until pmap_bootstrap() replaces them, the others on their
 * way up (boot_ap_start).
 */
#include "boot/multiboot.h"
#include <machine/asmdefs.h>

#define CPUID_EXT_MAX	   0x80000000
#define CPUID_EXT_FEATURES 0x80000001
#define CPUID_EXT_NX	   (1 << 20)
#define CPUID_EXT_LONG	   (1 << 29)
#define EFLAGS_ID	   (1 << 21)

/* boot_gdt's last slot: 32-bit code, which only other processors pass through. */
#define BOOT_CODE32	0x18
#define GDT_BITS_CODE32 0x00cf9b000000ffff

#define PTE_TABLE     0x003		/* present, writable */
#define PTE_LARGE     0x083		/* present, writable, page size */
#define PTE_NX_HIGH   0x80000000	/* bit 63, in the upper half of an entry */
#define TABLE_BYTES   4096
#define TABLE_ENTRIES 512
#define EARLY_TABLES  4			/* page directories: 1 GiB each */

#define SERIAL_DATA   0x3f8
#define SERIAL_STATUS 0x3fd
#define SERIAL_EMPTY  0x20
#define VGA_TEXT      0xb8000
#define VGA_WHITE_RED 0x4f

/* ENABLE_LONG_MODE: paging with the tables pictured above.  Clobbers eax, ecx, edx. */
.macro ENABLE_LONG_MODE
	movl	$(CR4_PAE | CR4_PGE), %eax
	movl	%eax, %cr4
	movl	$boot_pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$(EFER_SCE | EFER_LME | EFER_NXE), %eax
	wrmsr
	movl	$(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
	movl	%eax, %cr0
.endm

	.section .boot.text, "ax"
	.code32
	.globl	boot_entry
	.type	boot_entry, @function
boot_entry:
	.cfi_startproc
	.cfi_undefined eip
	cli
	cld
	movl	$boot_low_stack_end, %esp
	movl	%eax, boot_magic
	movl	%ebx, boot_info_phys
	call	boot_check_processor
	call	boot_build_tables

	ENABLE_LONG_MODE
	lgdt	boot_gdt_pointer
	ljmp	$GDT_KERNEL_CODE, $boot_long_mode
	.cfi_endproc
	.size	boot_entry, . - boot_entry

/* boot_check_processor: return if there is long mode and NX, else report and halt. */
boot_check_processor:
	.cfi_startproc
	pushfl
	popl	%eax
	movl	%eax, %ecx
	xorl	$EFLAGS_ID, %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	movl	$boot_text_no_cpuid, %esi
	xorl	%ecx, %eax
	testl	$EFLAGS_ID, %eax
	jz	boot_refuse

	movl	$CPUID_EXT_MAX, %eax
	cpuid
	movl	$boot_text_no_long_mode, %esi
	cmpl	$CPUID_EXT_FEATURES, %eax
	jb	boot_refuse
	movl	$CPUID_EXT_FEATURES, %eax
	cpuid
	testl	$CPUID_EXT_LONG, %edx
	jz	boot_refuse
	movl	$boot_text_no_nx, %esi
	testl	$CPUID_EXT_NX, %edx
	jz	boot_refuse
	ret
	.cfi_endproc

/* boot_build_tables: fill the tables pictured above; the loader has zeroed them. */
boot_build_tables:
	.cfi_startproc
	xorl	%ecx, %ecx
1:	movl	%ecx, %eax			/* page ecx of the first 4 GiB */
	shll	$21, %eax
	orl	$PTE_LARGE, %eax
	movl	%eax, boot_directories(, %ecx, 8)
	incl	%ecx
	cmpl	$(EARLY_TABLES * TABLE_ENTRIES), %ecx
	jb	1b

	movl	$(boot_directories + PTE_TABLE), %eax
	movl	%eax, boot_pdpt_image + 510 * 8
	xorl	%ecx, %ecx
2:	movl	%eax, boot_pdpt(, %ecx, 8)
	addl	$TABLE_BYTES, %eax
	incl	%ecx
	cmpl	$EARLY_TABLES, %ecx
	jb	2b
	movl	$(boot_directories + TABLE_BYTES + PTE_TABLE), boot_pdpt_image + 511 * 8

	movl	$(boot_pdpt + PTE_TABLE), boot_pml4
	movl	$(boot_pdpt + PTE_TABLE), boot_pml4 + 256 * 8
	movl	$PTE_NX_HIGH, boot_pml4 + 256 * 8 + 4
	movl	$(boot_pdpt_image + PTE_TABLE), boot_pml4 + 511 * 8
	ret
	.cfi_endproc

/* boot_refuse: print the string at esi on the serial line and the screen, and stop the machine. */
boot_refuse:
	.cfi_startproc
	.cfi_undefined eip
	movl	$VGA_TEXT, %edi
1:	lodsb
	testb	%al, %al
	jz	3f
	movb	%al, %bl
	movl	$SERIAL_STATUS, %edx
	movl	$0x10000, %ecx			/* patience: there may be no serial port */
2:	inb	%dx, %al
	testb	$SERIAL_EMPTY, %al
	loopz	2b
	movb	%bl, %al
	movl	$SERIAL_DATA, %edx
	outb	%al, %dx
	movb	$VGA_WHITE_RED, %ah
	stosw
	jmp	1b
3:	movl	$DEBUG_EXIT_PORT, %edx
	movl	$DEBUG_EXIT_PANIC, %eax
	outl	%eax, %dx
4:	hlt
	jmp	4b
	.cfi_endproc

	.code64
boot_long_mode:
	.cfi_startproc
	.cfi_undefined rip
	movl	$GDT_KERNEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	boot_magic, %edi
	movl	boot_info_phys, %esi
	movq	$boot_high, %rax
	jmpq	*%rax
	.cfi_endproc

/*
 * boot_ap_start: where every processor but the first begins, in real mode, in a page below 1 MiB
 * that smp.c has copied it to: up to boot_ap_end.  From there it goes the way of the first one, to
 * boot_ap_high.
 */
	.code16
	.balign	16
	.globl	boot_ap_start, boot_ap_end
boot_ap_start:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	boot_ap_gdt_pointer - boot_ap_start
	movl	$(CR0_ET | CR0_PE), %eax
	movl	%eax, %cr0
	ljmpl	$BOOT_CODE32, $boot_ap_protected
	.balign	4
boot_ap_gdt_pointer:
	.short	boot_gdt_end - boot_gdt - 1
	.long	boot_gdt
boot_ap_end:

	.code32
boot_ap_protected:
	.cfi_startproc
	.cfi_undefined eip
	movl	$GDT_KERNEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	ENABLE_LONG_MODE
	ljmp	$GDT_KERNEL_CODE, $boot_ap_long_mode
	.cfi_endproc

	.code64
boot_ap_long_mode:
	.cfi_startproc
	.cfi_undefined rip
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movq	$boot_ap_high, %rax
	jmpq	*%rax
	.cfi_endproc

	.section .boot.data, "aw"
	.balign	8
boot_gdt:
	.quad	0
	.quad	GDT_BITS_KERNEL_CODE
	.quad	GDT_BITS_KERNEL_DATA
	.quad	GDT_BITS_CODE32
boot_gdt_end:
boot_gdt_pointer:
	.short	boot_gdt_end - boot_gdt - 1
	.quad	boot_gdt
	.balign	4
boot_magic:
	.long	0
boot_info_phys:
	.long	0
boot_text_no_cpuid:
	.asciz	"pagoda: this processor has no CPUID; a 64-bit x86 processor is needed\r\n"
boot_text_no_long_mode:
	.asciz	"pagoda: this processor has no 64-bit mode (long mode); one with it is needed\r\n"
boot_text_no_nx:
	.asciz	"pagoda: this processor has no no-execute bit (NX), or it is off in the firmware\r\n"

	.section .boot.bss, "aw", @nobits
	.balign	TABLE_BYTES
boot_pml4:
	.skip	TABLE_BYTES
boot_pdpt:
	.skip	TABLE_BYTES
boot_pdpt_image:
	.skip	TABLE_BYTES
boot_directories:
	.skip	EARLY_TABLES * TABLE_BYTES
boot_low_stack:
	.skip	256
boot_low_stack_end:

/*
 * boot_high: the first instructions at the kernel's own addresses, on the stack of thread0, with
 * %gs at this processor's area, so that curthread() works from the first line of C.
 *	edi	the loader's magic number
 *	esi	physical address of its information
 */
	.text
	.globl	boot_high
	.type	boot_high, @function
boot_high:
	.cfi_startproc
	.cfi_undefined rip
	movq	$boot_stack + BOOT_STACK_BYTES, %rsp
	movq	$percpu_area, %rax
	movq	%rax, %rdx
	shrq	$32, %rdx
	movl	$MSR_GS_BASE, %ecx
	wrmsr
	xorl	%ebp, %ebp
	call	boot_start
	ud2
	.cfi_endproc
	.size	boot_high, . - boot_high

/*
 * boot_ap_high: the same for another processor.  smp_start (smp.c) says what it is to work with;
 * with smp_start.percpu it takes the rest.  If that is gone it has come too late, and stays here.
 */
	.globl	boot_ap_high
	.type	boot_ap_high, @function
boot_ap_high:
	.cfi_startproc
	.cfi_undefined rip
	xorl	%ebx, %ebx
	xchgq	%rbx, smp_start + SMP_START_PERCPU
	testq	%rbx, %rbx
	jz	boot_ap_stay
	movq	smp_start + SMP_START_CR3, %rax
	movq	%rax, %cr3
	movq	smp_start + SMP_START_STACK, %rsp
	movq	%rbx, %rax
	movq	%rbx, %rdx
	shrq	$32, %rdx
	movl	$MSR_GS_BASE, %ecx
	wrmsr
	xorl	%ebp, %ebp
	call	smp_entered
	ud2
boot_ap_stay:
	hlt
	jmp	boot_ap_stay
	.cfi_endproc
	.size	boot_ap_high, . - boot_ap_high

	.section .note.GNU-stack, "", @progbits

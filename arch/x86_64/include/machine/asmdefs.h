/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers that assembly and C share: selectors, control register bits, MSRs, and the places of
 * fields in structures.  offsets.c checks the last kind against the structures when it is compiled.
 */
#ifndef MACHINE_ASMDEFS_H
#define MACHINE_ASMDEFS_H

/*
 * The order of the segments is dictated by SYSCALL and SYSRET: kernel code, kernel data; then, from
 * one base, (32-bit user code, unused here), user data, user code.
 */
#define GDT_KERNEL_CODE 0x08
#define GDT_KERNEL_DATA 0x10
#define GDT_USER_BASE	0x18
#define GDT_USER_DATA	0x20
#define GDT_USER_CODE	0x28
#define GDT_TSS		0x30 /* two slots */

#define USER_CS (GDT_USER_CODE | 3)
#define USER_SS (GDT_USER_DATA | 3)

#define GDT_BITS_KERNEL_CODE 0x00af9b000000ffff
#define GDT_BITS_KERNEL_DATA 0x00cf93000000ffff
#define GDT_BITS_USER_CODE   0x00affb000000ffff
#define GDT_BITS_USER_DATA   0x00cff3000000ffff

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_EM 0x00000004
#define CR0_TS 0x00000008
#define CR0_ET 0x00000010
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_PG 0x80000000

#define CR4_PAE	       0x00000020
#define CR4_MCE	       0x00000040
#define CR4_PGE	       0x00000080
#define CR4_OSFXSR     0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP       0x00000800
#define CR4_FSGSBASE   0x00010000
#define CR4_PCIDE      0x00020000
#define CR4_OSXSAVE    0x00040000
#define CR4_SMEP       0x00100000
#define CR4_SMAP       0x00200000

#define RFLAGS_CF 0x00000001
#define RFLAGS_1  0x00000002 /* always set */
#define RFLAGS_PF 0x00000004
#define RFLAGS_AF 0x00000010
#define RFLAGS_ZF 0x00000040
#define RFLAGS_SF 0x00000080
#define RFLAGS_TF 0x00000100
#define RFLAGS_IF 0x00000200
#define RFLAGS_DF 0x00000400
#define RFLAGS_OF 0x00000800
#define RFLAGS_NT 0x00004000
#define RFLAGS_RF 0x00010000
#define RFLAGS_AC 0x00040000
#define RFLAGS_ID 0x00200000

#define MSR_PAT		   0x00000277 /* memory types that page-table entries select */
#define MSR_EFER	   0xc0000080
#define MSR_STAR	   0xc0000081
#define MSR_LSTAR	   0xc0000082
#define MSR_CSTAR	   0xc0000083
#define MSR_SFMASK	   0xc0000084
#define MSR_FS_BASE	   0xc0000100
#define MSR_GS_BASE	   0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_APIC_BASE	   0x0000001b

#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_NXE 0x800

/* struct percpu */
#define PERCPU_CURTHREAD    8
#define PERCPU_KERNEL_STACK 16
#define PERCPU_USER_RSP	    24

/* struct thread */
#define THREAD_USER_FRAME   24
/* A word whose upper bytes are preempt_pending, killed and stop_pending. */
#define THREAD_PENDING	    52
#define THREAD_PENDING_MASK 0xffffff00

/* struct trapframe */
#define TF_RCX	    96
#define TF_RAX	    112
#define TF_R11	    32
#define TF_VECTOR   120
#define TF_RIP	    136
#define TF_CS	    144
#define TF_RFLAGS   152
#define TF_RSP	    160
#define TF_SIZE	    176
#define TF_REGS_END 120 /* bytes of general registers, before the vector */

/* struct smp_start */
#define SMP_START_CR3	 0
#define SMP_START_STACK	 8
#define SMP_START_PERCPU 16

#define VECTOR_DEBUG	  1
#define VECTOR_SYSCALL	  0x100
#define SYSCALL_FIRST	  0x1000 /* number of the first entry of syscall_table */
#define SYSCALL_COUNT	  69
#define USER_ADDRESS_BITS 47
#define BOOT_STACK_BYTES  0x5000 /* with its guard */

/* QEMU's isa-debug-exit device. */
#define DEBUG_EXIT_PORT	 0xf4
#define DEBUG_EXIT_PANIC 0x12

#endif

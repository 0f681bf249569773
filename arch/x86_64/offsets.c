/* SPDX-License-Identifier: BSD-2-Clause */
/* The numbers by which assembly knows C's structures, checked by the compiler. */
#include <stddef.h>
#include <machine/asmdefs.h>
#include <machine/param.h>
#include <machine/percpu.h>
#include <machine/start.h>
#include <machine/trap.h>
#include <machine/trapframe.h>
#include "kernel/base/sched.h"

#define CHECK_OFFSET(type, field, number) \
	_Static_assert(offsetof(struct type, field) == (number), #number " is wrong")

CHECK_OFFSET(percpu, curthread, PERCPU_CURTHREAD);
CHECK_OFFSET(percpu, kernel_stack, PERCPU_KERNEL_STACK);
CHECK_OFFSET(percpu, user_rsp, PERCPU_USER_RSP);
CHECK_OFFSET(thread, priority, THREAD_PENDING);
CHECK_OFFSET(thread, preempt_pending, THREAD_PENDING + 1);
CHECK_OFFSET(thread, killed, THREAD_PENDING + 2);
CHECK_OFFSET(thread, stop_pending, THREAD_PENDING + 3);
CHECK_OFFSET(trapframe, rcx, TF_RCX);
CHECK_OFFSET(trapframe, r11, TF_R11);
CHECK_OFFSET(trapframe, rax, TF_RAX);
CHECK_OFFSET(trapframe, vector, TF_VECTOR);
CHECK_OFFSET(trapframe, rip, TF_RIP);
CHECK_OFFSET(trapframe, cs, TF_CS);
CHECK_OFFSET(trapframe, rflags, TF_RFLAGS);
CHECK_OFFSET(trapframe, rsp, TF_RSP);

_Static_assert(TF_REGS_END == TF_VECTOR, "general registers come first");
_Static_assert(sizeof(struct trapframe) == TF_SIZE, "TF_SIZE is wrong");
_Static_assert(sizeof(struct trapframe) % 16 == 0, "the stack would be misaligned in handlers");
_Static_assert(BOOT_STACK_BYTES == sizeof(struct boot_stack), "the boot stack has another size");
_Static_assert(VECTOR_SYSCALL == TRAP_SYSCALL && VECTOR_DEBUG == TRAP_DEBUG, "vectors differ");
_Static_assert(1ul << USER_ADDRESS_BITS == VM_MAX_USER_ADDRESS + PAGE_SIZE, "user space ends here");

/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads: a stack from the kernel, a set of registers, a handle to wait on. */
#include <pagoda/memory.h>
#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

#define RFLAGS_IF 0x200 /* what user mode always runs with */

void thread_entry(void);

void
thread_regs_init(struct thread_regs *regs, void (*entry)(void *), void *arg, uint64_t stack_top)
{
	*regs = (struct thread_regs){
	    .rip = ADDR(entry),
	    .rdi = ADDR(arg),
	    .rflags = RFLAGS_IF,
	    /* As if called: 16-byte aligned before the return address was pushed. */
	    .rsp = (stack_top & ~15ul) - sizeof(uint64_t),
	};
}

static int
start_on_stack(struct user_thread *t, void (*fn)(void *), void *arg)
{
	struct thread_regs regs = {
	    .rip = ADDR(thread_entry),
	    .rdi = ADDR(fn),
	    .rsi = ADDR(arg),
	    .rflags = RFLAGS_IF,
	    .rsp = t->stack_low + t->stack_size,
	};
	int64_t handle = thread_create(HANDLE_SELF, &regs, 0);

	if (handle < 0) {
		return (int)handle;
	}
	t->handle = (handle_t)handle;
	return 0;
}

int
thread_start(struct user_thread *t, void (*fn)(void *), void *arg, uint64_t stack_size)
{
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_STACK);

	t->stack_size = page_round_up(stack_size == 0 ? THREAD_STACK_DEFAULT : stack_size);
	int64_t low = vm_map(HANDLE_SELF, 0, t->stack_size, args, 0, 0);
	if (low < 0) {
		return (int)low;
	}
	t->stack_low = low;

	int error = start_on_stack(t, fn, arg);
	if (error != 0) {
		vm_unmap(HANDLE_SELF, t->stack_low, t->stack_size);
	}
	return error;
}

int
thread_join(struct user_thread *t)
{
	int64_t error = thread_wait(t->handle, FOREVER);

	if (error != 0) {
		return (int)error;
	}
	handle_close(t->handle);
	vm_unmap(HANDLE_SELF, t->stack_low, t->stack_size);
	return 0;
}

void
sleep_ms(uint64_t ms)
{
	sleep_until(clock_now() + ms * NS_PER_MS);
}

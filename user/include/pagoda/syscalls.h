/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls as functions: one inline function a call, named as the call, with its types.
 *
 * A result is zero or positive, or -E*.  Nothing stores it anywhere: there is no errno variable, so
 * there is no thread-local storage and nothing to get wrong between threads.  Addresses are
 * uint64_t here, because half of them belong to other processes.
 */
#ifndef PAGODA_SYSCALLS_H
#define PAGODA_SYSCALLS_H

#include <stddef.h>
#include <stdint.h>

#include <pagoda/abi.h>
#include <pagoda/errno.h>

#define PAGE_SIZE 4096ul
#define PAGE_MASK (PAGE_SIZE - 1)

/* A deadline that never comes. */
#define FOREVER UINT64_MAX

/* syscall6: any call by its number; the kernel keeps all registers but rax, rcx and r11. */
static inline int64_t
syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* A pointer as a system-call argument. */
#define ADDR(p) ((uint64_t)(uintptr_t)(p))

/* ---- Memory ---- */

static inline int64_t
vm_map(handle_t proc, uint64_t addr, uint64_t length, uint64_t prot_flags, handle_t object,
       uint64_t offset)
{
	return syscall6(SYS_vm_map, proc, addr, length, prot_flags, object, offset);
}

static inline int64_t
vm_unmap(handle_t proc, uint64_t addr, uint64_t length)
{
	return syscall6(SYS_vm_unmap, proc, addr, length, 0, 0, 0);
}

/* vm_protect: set_max also lowers the most that may ever be asked for. */
static inline int64_t
vm_protect(handle_t proc, uint64_t addr, uint64_t length, uint32_t prot, uint32_t set_max)
{
	return syscall6(SYS_vm_protect, proc, addr, length, prot, set_max, 0);
}

static inline int64_t
vm_inherit(handle_t proc, uint64_t addr, uint64_t length, uint32_t inherit)
{
	return syscall6(SYS_vm_inherit, proc, addr, length, inherit, 0, 0);
}

static inline int64_t
vm_wire(handle_t proc, uint64_t addr, uint64_t length)
{
	return syscall6(SYS_vm_wire, proc, addr, length, 0, 0, 0);
}

static inline int64_t
vm_unwire(handle_t proc, uint64_t addr, uint64_t length)
{
	return syscall6(SYS_vm_unwire, proc, addr, length, 0, 0, 0);
}

/* vm_query: the region at or above addr; -ENOENT: there is none. */
static inline int64_t
vm_query(handle_t proc, uint64_t addr, struct vm_region *region)
{
	return syscall6(SYS_vm_query, proc, addr, ADDR(region), 0, 0, 0);
}

static inline int64_t
vm_read(handle_t proc, uint64_t addr, void *buffer, uint64_t length)
{
	return syscall6(SYS_vm_read, proc, addr, ADDR(buffer), length, 0, 0);
}

static inline int64_t
vm_write(handle_t proc, uint64_t addr, const void *buffer, uint64_t length)
{
	return syscall6(SYS_vm_write, proc, addr, ADDR(buffer), length, 0, 0);
}

static inline int64_t
vm_wire_future(handle_t proc, uint32_t on)
{
	return syscall6(SYS_vm_wire_future, proc, on, 0, 0, 0, 0);
}

/* vm_advise: ADVICE_*. */
static inline int64_t
vm_advise(handle_t proc, uint64_t addr, uint64_t length, uint32_t advice)
{
	return syscall6(SYS_vm_advise, proc, addr, length, advice, 0, 0);
}

/* vm_sync: changes go back to where the memory came from; length 0: of the whole region. */
static inline int64_t
vm_sync(handle_t proc, uint64_t addr, uint64_t length, uint32_t flags)
{
	return syscall6(SYS_vm_sync, proc, addr, length, flags, 0, 0);
}

/* vm_move: move, extend or shrink; where the range is then. */
static inline int64_t
vm_move(handle_t proc, uint64_t addr, uint64_t length, uint64_t new_length, uint32_t flags,
	uint64_t to)
{
	return syscall6(SYS_vm_move, proc, addr, length, new_length, flags, to);
}

/* vm_discard: private memory is zero afterwards, shared memory what its object has. */
static inline int64_t
vm_discard(handle_t proc, uint64_t addr, uint64_t length)
{
	return syscall6(SYS_vm_discard, proc, addr, length, 0, 0, 0);
}

/* vm_residency: a byte a page. */
static inline int64_t
vm_residency(handle_t proc, uint64_t addr, uint64_t length, uint8_t *pages)
{
	return syscall6(SYS_vm_residency, proc, addr, length, ADDR(pages), 0, 0);
}

static inline int64_t
object_create(uint64_t bytes)
{
	return syscall6(SYS_object_create, bytes, 0, 0, 0, 0, 0);
}

static inline int64_t
object_size(handle_t object)
{
	return syscall6(SYS_object_size, object, 0, 0, 0, 0, 0);
}

static inline int64_t
object_device(handle_t physmem, uint64_t address, uint64_t length, uint32_t type)
{
	return syscall6(SYS_object_device, physmem, address, length, type, 0, 0);
}

/* ---- Processes ---- */

static inline int64_t
proc_create(const char *name, uint32_t flags)
{
	return syscall6(SYS_proc_create, ADDR(name), flags, 0, 0, 0, 0);
}

static inline int64_t
proc_fork(handle_t proc, const handle_t *give, uint64_t count)
{
	return syscall6(SYS_proc_fork, proc, ADDR(give), count, 0, 0, 0);
}

static inline int64_t
proc_load(handle_t proc, const void *image, uint64_t length, const struct proc_args *args,
	  struct proc_entry *entry)
{
	return syscall6(SYS_proc_load, proc, ADDR(image), length, ADDR(args), ADDR(entry), 0);
}

static inline _Noreturn void
proc_exit(int32_t status)
{
	for (;;) {
		syscall6(SYS_proc_exit, status, 0, 0, 0, 0, 0);
	}
}

static inline int64_t
proc_kill(handle_t proc, int32_t status)
{
	return syscall6(SYS_proc_kill, proc, status, 0, 0, 0, 0);
}

static inline int64_t
proc_wait(handle_t proc, struct proc_status *status, uint64_t deadline_ns)
{
	return syscall6(SYS_proc_wait, proc, ADDR(status), deadline_ns, 0, 0, 0);
}

static inline int64_t
proc_id(handle_t proc)
{
	return syscall6(SYS_proc_id, proc, 0, 0, 0, 0, 0);
}

/* proc_info: the process with the least id that is not below `id`. */
static inline int64_t
proc_info(uint64_t id, struct proc_info *info)
{
	return syscall6(SYS_proc_info, id, ADDR(info), 0, 0, 0, 0);
}

static inline int64_t
proc_open(uint64_t id)
{
	return syscall6(SYS_proc_open, id, 0, 0, 0, 0, 0);
}

static inline int64_t
limit_get(handle_t proc, uint32_t which, struct limit *limit)
{
	return syscall6(SYS_limit_get, proc, which, ADDR(limit), 0, 0, 0);
}

static inline int64_t
limit_set(handle_t proc, uint32_t which, const struct limit *limit)
{
	return syscall6(SYS_limit_set, proc, which, ADDR(limit), 0, 0, 0);
}

static inline int64_t
proc_give(handle_t proc, handle_t handle, handle_t at)
{
	return syscall6(SYS_proc_give, proc, handle, at, 0, 0, 0);
}

/* ---- Threads ---- */

static inline int64_t
thread_create(handle_t proc, const struct thread_regs *regs, uint32_t flags)
{
	return syscall6(SYS_thread_create, proc, ADDR(regs), flags, 0, 0, 0);
}

static inline _Noreturn void
thread_exit(void)
{
	for (;;) {
		syscall6(SYS_thread_exit, 0, 0, 0, 0, 0, 0);
	}
}

static inline int64_t
thread_kill(handle_t thread)
{
	return syscall6(SYS_thread_kill, thread, 0, 0, 0, 0, 0);
}

static inline int64_t
thread_wait(handle_t thread, uint64_t deadline_ns)
{
	return syscall6(SYS_thread_wait, thread, deadline_ns, 0, 0, 0, 0);
}

static inline int64_t
thread_get(handle_t thread, uint32_t which, void *buffer, uint64_t size)
{
	return syscall6(SYS_thread_get, thread, which, ADDR(buffer), size, 0, 0);
}

static inline int64_t
thread_set(handle_t thread, uint32_t which, const void *buffer, uint64_t size)
{
	return syscall6(SYS_thread_set, thread, which, ADDR(buffer), size, 0, 0);
}

static inline int64_t
thread_stop(handle_t thread)
{
	return syscall6(SYS_thread_stop, thread, 0, 0, 0, 0, 0);
}

static inline int64_t
thread_resume(handle_t thread)
{
	return syscall6(SYS_thread_resume, thread, 0, 0, 0, 0, 0);
}

static inline int64_t
thread_id(handle_t thread)
{
	return syscall6(SYS_thread_id, thread, 0, 0, 0, 0, 0);
}

static inline int64_t
thread_affinity(handle_t thread, uint64_t cpus)
{
	return syscall6(SYS_thread_affinity, thread, cpus, 0, 0, 0, 0);
}

static inline int64_t
thread_cpu(handle_t thread)
{
	return syscall6(SYS_thread_cpu, thread, 0, 0, 0, 0, 0);
}

/* ---- The rest ---- */

static inline int64_t
handle_close(handle_t handle)
{
	return syscall6(SYS_handle_close, handle, 0, 0, 0, 0, 0);
}

static inline int64_t
handle_dup(handle_t handle, uint32_t rights)
{
	return syscall6(SYS_handle_dup, handle, rights, 0, 0, 0, 0);
}

static inline int64_t
handle_info(handle_t handle, struct handle_info *info)
{
	return syscall6(SYS_handle_info, handle, ADDR(info), 0, 0, 0, 0);
}

static inline int64_t
yield(void)
{
	return syscall6(SYS_yield, 0, 0, 0, 0, 0, 0);
}

static inline int64_t
sleep_until(uint64_t deadline_ns)
{
	return syscall6(SYS_sleep_until, deadline_ns, 0, 0, 0, 0, 0);
}

/* clock_now: ns since boot. */
static inline uint64_t
clock_now(void)
{
	return syscall6(SYS_clock, 0, 0, 0, 0, 0, 0);
}

static inline int64_t
kernel_log(const char *text, uint64_t length)
{
	return syscall6(SYS_log, ADDR(text), length, 0, 0, 0, 0);
}

static inline int64_t
console_write(const void *buffer, uint64_t length)
{
	return syscall6(SYS_console_write, ADDR(buffer), length, 0, 0, 0, 0);
}

static inline int64_t
console_read(void *buffer, uint64_t length)
{
	return syscall6(SYS_console_read, ADDR(buffer), length, 0, 0, 0, 0);
}

static inline int64_t
system_info(struct system_info *info)
{
	return syscall6(SYS_system_info, ADDR(info), 0, 0, 0, 0, 0);
}

static inline int64_t
system_shutdown(int32_t status)
{
	return syscall6(SYS_shutdown, status, 0, 0, 0, 0, 0);
}

static inline int64_t
futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
	return syscall6(SYS_futex_wait, ADDR(word), expected, deadline_ns, 0, 0, 0);
}

static inline int64_t
futex_wake(const uint32_t *word, uint32_t count)
{
	return syscall6(SYS_futex_wake, ADDR(word), count, 0, 0, 0, 0);
}

/* debug_call: -ENOSYS but in debug kernels. */
static inline int64_t
debug_call(uint32_t what, uint64_t a, uint64_t b)
{
	return syscall6(SYS_debug, what, a, b, 0, 0, 0);
}

#endif

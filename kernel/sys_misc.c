/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls that belong to no object: time, consoles, futexes, the machine. */
#include <machine/acpi.h>
#include <machine/console.h>
#include <machine/copy.h>
#include <machine/cpu.h>
#include <machine/fpu.h>
#include <machine/smp.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/base/clock.h"
#include "kernel/base/debug.h"
#include "kernel/base/print.h"
#include "kernel/base/sleepq.h"
#include "kernel/futex.h"
#include "kernel/proc.h"
#include "kernel/run.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "kernel/thread.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

/* ---- Time ---- */

int64_t
sys_yield(const struct trapframe *tf)
{
	(void)tf;
	sched_yield();
	return 0;
}

int64_t
sys_sleep_until(const struct trapframe *tf)
{
	enum sleepq_result result = SLEEPQ_WOKEN;

	while (result == SLEEPQ_WOKEN) {
		sleepq_prepare(tf, "sleep");
		result = sleepq_wait(ARG0(tf), SLEEPQ_KILLABLE);
	}
	return result == SLEEPQ_TIMEOUT ? 0 : -EINTR;
}

int64_t
sys_clock(const struct trapframe *tf)
{
	(void)tf;
	return (int64_t)clock_now();
}

/* ---- Consoles ---- */

#define TEXT_PIECE 256 /* bytes on their way through the kernel stack */
#define TEXT_LIMIT debug_limit(TEXT_PIECE, 3)

/* write_text: hand n bytes of the caller on, piece by piece; how many, or EFAULT. */
static int64_t
write_text(uint64_t uaddr, uint64_t n, void (*write)(const char *s, size_t n))
{
	char piece[TEXT_PIECE];
	uint64_t done;

	if (!user_range_ok((const void *)uaddr, n))
		return -EFAULT;
	for (done = 0; done < n && !curthread()->killed;) {
		size_t now = n - done < TEXT_LIMIT ? n - done : TEXT_LIMIT;

		if (!copyin((const void *)(uaddr + done), piece, now))
			break;
		write(piece, now);
		done += now;
	}
	return done == 0 && n > 0 ? -EFAULT : (int64_t)done;
}

static void
write_output(const char *s, size_t n)
{
	debugcon_write(DEBUGCON_OUTPUT, s, n);
}

int64_t
sys_log(const struct trapframe *tf)
{
	int64_t n = write_text(ARG0(tf), ARG1(tf), console_write);

	return n < 0 ? n : 0;
}

int64_t
sys_console_write(const struct trapframe *tf)
{
	bool apart = run_mode() && debugcon_is_there(DEBUGCON_OUTPUT);

	return write_text(ARG0(tf), ARG1(tf), apart ? write_output : console_write);
}

/* writable: can all of this be written?  It is faulted in, so that the answer is likely to last. */
static bool
writable(uint64_t uaddr, uint64_t size)
{
	vm_map_t map = &curproc()->vmspace->vm_map;

	for (uint64_t page = trunc_page(uaddr); page < uaddr + size; page += PAGE_SIZE)
		if (vm_fault(map, page, VM_PROT_WRITE, VM_FAULT_NORMAL) != KERN_SUCCESS)
			return false;
	return true;
}

/* A bad buffer is refused before the call waits.  One that becomes bad while it waits costs the
 * caller an error, but nobody the input. */
int64_t
sys_console_read(const struct trapframe *tf)
{
	void *uaddr = (void *)ARG0(tf);
	uint64_t size = ARG1(tf);
	char piece[TEXT_PIECE];
	bool copied;
	long n;

	if (!user_range_ok(uaddr, size))
		return -EFAULT;
	if (size == 0)
		return 0;
	if (size > TEXT_PIECE)
		size = TEXT_PIECE;
	if (!writable(ARG0(tf), size))
		return -EFAULT;
	n = console_input_peek(piece, size);
	if (n == CONSOLE_READ_KILLED)
		return -EINTR;
	copied = copyout(piece, uaddr, (size_t)n);
	console_input_taken(copied ? (size_t)n : 0);
	return copied ? n : -EFAULT;
}

/* ---- Futexes ---- */

static bool
word_aligned(uint64_t uaddr)
{
	return uaddr % sizeof(uint32_t) == 0;
}

int64_t
sys_futex_wait(const struct trapframe *tf)
{
	if (!word_aligned(ARG0(tf)) || ARG1(tf) > UINT32_MAX)
		return -EINVAL;
	return -futex_wait((const uint32_t *)ARG0(tf), (uint32_t)ARG1(tf), ARG2(tf));
}

int64_t
sys_futex_wake(const struct trapframe *tf)
{
	int64_t woken;
	int error;

	if (!word_aligned(ARG0(tf)))
		return -EINVAL;
	error = futex_wake((const uint32_t *)ARG0(tf), ARG1(tf), &woken);
	return error == 0 ? woken : -error;
}

/* ---- The machine ---- */

/* count_tables: page-table pages of the kernel and of all processes. */
static uint64_t
count_tables(void)
{
	uint64_t tables = pmap_table_count(kernel_pmap);
	struct proc *p;

	for (uint64_t id = 0; (p = proc_find(id)) != NULL; proc_unref(p)) {
		struct vmspace *vm = proc_get_space(p);

		id = p->id + 1;
		if (vm == NULL)
			continue;
		tables += pmap_table_count(vm->vm_map.pmap);
		vmspace_free(vm);
	}
	return tables;
}

int64_t
sys_system_info(const struct trapframe *tf)
{
	struct vm_page_counts pages;
	struct system_info info;

	vm_page_get_counts(&pages);
	info = (struct system_info){
	    .pages_total = pages.total,
	    .pages_free = pages.free,
	    .commit_limit = vm_charge_limit(),
	    .commit_used = vm_charge_used(),
	    .objects = vm_object_count(),
	    .map_entries = vm_map_entry_count(),
	    .page_tables = count_tables(),
	    .procs = proc_count(),
	    .threads = thread_count(),
	    .fpu_size = fpu_state_size(),
	    .stack_guard = ptoa(vm_stack_guard_pages),
	    .stack_step = vm_sgrowsiz,
	    .cpus = smp_count(),
	};
	return copyout(&info, (void *)ARG0(tf), sizeof(info)) ? 0 : -EFAULT;
}

int64_t
sys_shutdown(const struct trapframe *tf)
{
	int status = (int)ARG0(tf);

	if (!curproc()->root)
		return -EPERM;
	kprintf("pagoda: shut down, status %d\n", status);
	run_end(status, status == 0 || run_mode() ? CPU_EXIT_OK : CPU_EXIT_FAIL);
}

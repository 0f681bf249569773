/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system-call interface, shared by the kernel and user programs.
 *
 * A call is the SYSCALL instruction: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9; the
 * result is in rax: zero or positive, or -E* (pagoda/errno.h).  rcx and r11 are destroyed, all else
 * is kept.  Native numbers start at SYS_BASE; those below are Linux numbers and belong to the
 * process's personality (-ENOSYS where it has none).
 *
 * Handles are small integers that name kernel objects with rights; rights only shrink when a handle
 * is duplicated.  Structures carry no pointers into the kernel and have no padding that is not
 * named; reserved fields must be zero.
 */
#ifndef PAGODA_ABI_H
#define PAGODA_ABI_H

#include <stdint.h>

#define SYS_BASE 0x1000

/* The space and process of the caller, where a process handle is asked for. */
#define HANDLE_SELF 0

/* ---- Memory of the process `proc` ---- */
/* (proc, addr, length, prot_flags, object, offset) -> address.  prot_flags is
 * VM_MAP_ARGS(prot, max_prot, flags). */
#define SYS_vm_map	   0x1000
#define SYS_vm_unmap	   0x1001 /* (proc, addr, length) */
#define SYS_vm_protect	   0x1002 /* (proc, addr, length, prot, set_max) */
#define SYS_vm_inherit	   0x1003 /* (proc, addr, length, inherit) */
#define SYS_vm_wire	   0x1004 /* (proc, addr, length) */
#define SYS_vm_unwire	   0x1005 /* (proc, addr, length) */
#define SYS_vm_query	   0x1006 /* (proc, addr, struct vm_region *): region at or above addr; ENOENT */
#define SYS_vm_read	   0x1007 /* (proc, addr, buffer, length) -> bytes */
#define SYS_vm_write	   0x1008 /* (proc, addr, buffer, length) -> bytes */
#define SYS_vm_wire_future 0x1009 /* (proc, on): wire what is mapped from now on */
#define SYS_object_create  0x100a /* (bytes) -> handle of an anonymous memory object */
#define SYS_object_size	   0x100b /* (object) -> bytes */

/* ---- Processes ---- */
#define SYS_proc_create 0x1010 /* (name, PROC_CREATE_*) -> handle of an empty process */
/* (proc, const handle_t *give, count) -> handle of a copy without threads; the given handles of the
 * caller are installed in it at the same numbers. */
#define SYS_proc_fork	0x1011
/* (proc, image, length, const struct proc_args *, struct proc_entry *): load an ELF image into a
 * process that never had a thread: segments, main stack, arguments; what its space held before goes.
 * Threads are up to the caller. */
#define SYS_proc_load	0x1012
#define SYS_proc_exit	0x1013 /* (status): end the calling process */
#define SYS_proc_kill	0x1014 /* (proc, status) */
#define SYS_proc_wait	0x1015 /* (proc, struct proc_status *, deadline_ns): ETIMEDOUT */
#define SYS_proc_id	0x1016 /* (proc) -> id */
#define SYS_proc_info \
	0x1017 /* (id, struct proc_info *): the process with the least id >= id; ENOENT */
#define SYS_proc_open 0x1018 /* (id) -> handle (needs the root right; the init process has it) */
#define SYS_limit_get 0x1019 /* (proc, which, struct limit *) */
#define SYS_limit_set 0x101a /* (proc, which, const struct limit *) */
#define SYS_proc_give 0x101b /* (proc, handle, at) -> number there: copy a handle into a process */

/* ---- Threads ---- */
#define SYS_thread_create 0x1020 /* (proc, const struct thread_regs *, flags) -> handle */
#define SYS_thread_exit \
	0x1021 /* (): end the calling thread; the last one ends the process, status 0 */
#define SYS_thread_kill	  0x1022 /* (thread) */
#define SYS_thread_wait	  0x1023 /* (thread, deadline_ns): until it has ended */
#define SYS_thread_get	  0x1024 /* (thread, which, buffer, size) -> bytes; the thread is stopped */
#define SYS_thread_set	  0x1025 /* (thread, which, buffer, size) */
#define SYS_thread_stop	  0x1026 /* (thread): at its next return to user mode; returns when stopped */
#define SYS_thread_resume 0x1027 /* (thread) */
#define SYS_thread_id	  0x1028 /* (thread; HANDLE_SELF: caller) -> id */
#define SYS_thread_affinity \
	0x1029		      /* (thread; HANDLE_SELF: caller, processors, a bit each; 0: all) */
#define SYS_thread_cpu 0x102a /* (thread; HANDLE_SELF: caller) -> where it runs, or ran last */

/* ---- The rest ---- */
#define SYS_handle_close 0x1030 /* (handle) */
#define SYS_handle_dup	 0x1031 /* (handle, rights) -> handle with no more than these rights */
#define SYS_handle_info	 0x1032 /* (handle, struct handle_info *) */
#define SYS_yield	 0x1033 /* () */
#define SYS_sleep_until	 0x1034 /* (deadline_ns on SYS_clock's scale) */
#define SYS_clock	 0x1035 /* () -> ns since boot */
#define SYS_log		 0x1036 /* (buffer, length): to the kernel log */
#define SYS_console_write \
	0x1037			 /* (buffer, length) -> bytes: the console, or the test channel in
				    run mode (docs/running.md) */
#define SYS_console_read  0x1038 /* (buffer, length) -> bytes, at least 1; waits */
#define SYS_system_info	  0x1039 /* (struct system_info *) */
#define SYS_shutdown	  0x103a /* (status): needs the root right */
#define SYS_futex_wait	  0x103b /* (uint32_t *, expected, deadline_ns): EAGAIN, ETIMEDOUT */
#define SYS_futex_wake	  0x103c /* (uint32_t *, count) -> woken */
#define SYS_debug	  0x103d /* (DEBUG_*, ...): for tests; ENOSYS but in debug kernels */
/* (physmem, physical address, length, DEVICE_*) -> handle of an object that shows a device */
#define SYS_object_device 0x103e

/* ---- More on the memory of the process `proc` ---- */
#define SYS_vm_advise	 0x1040 /* (proc, addr, length, ADVICE_*) */
#define SYS_vm_sync	 0x1041 /* (proc, addr, length, VM_SYNC_*): length 0: the whole region */
#define SYS_vm_move	 0x1042 /* (proc, addr, length, new_length, VM_MOVE_*, to) -> address */
#define SYS_vm_discard	 0x1043 /* (proc, addr, length): the contents go */
#define SYS_vm_residency 0x1044 /* (proc, addr, length, uint8_t *): PAGE_* of each page */

typedef int32_t handle_t;

/* ---- Memory ---- */
#define PROT_NONE  0
#define PROT_READ  1
#define PROT_WRITE 2
#define PROT_EXEC  4

#define VM_MAP_ARGS(prot, max, flags) \
	((uint64_t)(prot) | (uint64_t)(max) << 8 | (uint64_t)(flags) << 16)

/* Flags of SYS_vm_map.  Default: private (copy-on-write where there is an object), first fit at or
 * above addr. */
#define VM_MAP_FLAG_FIXED    0x01 /* exactly at addr, replacing what is there */
#define VM_MAP_FLAG_EXCL     0x02 /* with FIXED: EEXIST if anything is there */
#define VM_MAP_FLAG_SHARED   0x04 /* stores are seen by all who map the object; fork shares */
#define VM_MAP_FLAG_GUARD    0x08 /* no access, ever; prot and max must be NONE */
#define VM_MAP_FLAG_STACK    0x10 /* a stack: the top part is mapped, the rest grows by faults */
#define VM_MAP_FLAG_ALIGN2M  0x20 /* 2 MiB aligned */
#define VM_MAP_FLAG_POPULATE 0x40 /* fault the pages in now */
#define VM_MAP_FLAG_OBJECT   0x80 /* `object` is a handle; else anonymous */
#define VM_MAP_FLAG_NOCORE   0x100

/* Memory types of SYS_object_device. */
#define DEVICE_UNCACHED	       0 /* registers: each access reaches the device, in order */
#define DEVICE_WRITE_COMBINING 1 /* frame buffers: writes are gathered */

#define INHERIT_SHARE 0
#define INHERIT_COPY  1
#define INHERIT_NONE  2
#define INHERIT_ZERO  3

/* Advice. */
#define ADVICE_NORMAL	  0 /* how the range will be accessed: stays with it */
#define ADVICE_RANDOM	  1
#define ADVICE_SEQUENTIAL 2
#define ADVICE_WILLNEED	  3 /* soon: what is in memory is mapped now */
#define ADVICE_DONTNEED	  4 /* not soon: it is unmapped, the contents stay */
#define ADVICE_FREE	  5 /* the contents are of no use: they may be zero from now on */
#define ADVICE_NOSYNC	  6 /* write changes back at SYS_vm_sync only: stays with the range */
#define ADVICE_AUTOSYNC	  7
#define ADVICE_NOCORE	  8 /* leave it out of core dumps: likewise */
#define ADVICE_CORE	  9

#define VM_SYNC_INVALIDATE 0x1 /* forget what was written: ask the pager again */

#define VM_MOVE_MAY   0x1 /* another place is fine if there is no room to grow: from `to` on, first */
#define VM_MOVE_FIXED 0x2 /* to `to`, which must be free */

/* What SYS_vm_residency says of a page; 0: it is not in memory. */
#define PAGE_RESIDENT 0x01
#define PAGE_MAPPED   0x02 /* in the page tables of the process */
#define PAGE_MODIFIED 0x04 /* changed since it was written back, or made */
#define PAGE_BEHIND   0x08 /* in an object that the region's own shadows: a copy is due */
#define PAGE_WIRED    0x10

struct vm_region {
	uint64_t start, end;
	uint64_t offset;	  /* in the object */
	uint64_t object;	  /* an identity: equal numbers, same object; 0: not made yet */
	uint64_t resident;	  /* pages mapped now */
	uint64_t object_resident; /* pages in the top object */
	uint32_t flags;		  /* VM_REGION_* */
	uint32_t wired;		  /* wire count */
	uint32_t object_refs;
	uint32_t chain; /* objects in the shadow chain */
	uint8_t prot, max_prot, inherit, reserved[5];
};

#define VM_REGION_COW	     0x01
#define VM_REGION_NEEDS_COPY 0x02
#define VM_REGION_GUARD	     0x04
#define VM_REGION_STACK_GAP  0x08
#define VM_REGION_STACK	     0x10
#define VM_REGION_WIRED	     0x20 /* by the user */
#define VM_REGION_NOCORE     0x40
#define VM_REGION_SEQUENTIAL 0x80 /* advice */
#define VM_REGION_RANDOM     0x100
#define VM_REGION_NOSYNC     0x200

/* ---- Limits ---- */
#define LIMIT_STACK    0
#define LIMIT_VMEM     1
#define LIMIT_MEMLOCK  2
#define LIMIT_COUNT    3
#define LIMIT_INFINITY UINT64_MAX

struct limit {
	uint64_t cur, max; /* bytes; cur <= max; max only shrinks */
};

/* ---- Processes ---- */
struct proc_args {
	uint64_t argv,
	    envp; /* arrays of addresses of strings in the caller, NULL-terminated; 0: none */
};

struct proc_entry {
	uint64_t rip, rsp; /* how the first thread starts */
};

/* The new process has the root right, which the caller must have: EPERM.  A fork has it not. */
#define PROC_CREATE_ROOT 0x1

/* How a process ended. */
#define PROC_EXITED  1 /* value: the status given */
#define PROC_KILLED  2 /* value: the status given to SYS_proc_kill */
#define PROC_FAULTED 3 /* value: the FAULT_* kind; address: where */

struct proc_status {
	uint32_t how;
	int32_t value;
	uint64_t address;
};

#define FAULT_MAPERR  1 /* nothing mapped there */
#define FAULT_ACCERR  2 /* mapped, but not with this right */
#define FAULT_OBJERR  3 /* beyond the end of the object */
#define FAULT_NOMEM   4
#define FAULT_ILLEGAL 5 /* undefined instruction */
#define FAULT_MATH    6
#define FAULT_GENERAL 7 /* general protection, alignment, segment */
#define FAULT_TRAP    8 /* breakpoint, debug */

#define PROC_NAME_MAX 32

struct proc_info {
	uint64_t id;
	uint64_t size;	     /* bytes mapped, guards not counted */
	uint64_t resident;   /* bytes */
	uint64_t wired;	     /* bytes, by the user */
	uint64_t cpu_time;   /* ns */
	uint64_t stack_size; /* bytes of the main stack mapped */
	uint64_t stack_low;  /* lowest address the main stack may reach */
	uint64_t stack_top;
	uint32_t threads, handles, entries, table_pages;
	char name[PROC_NAME_MAX];
};

/* ---- Threads ---- */
#define THREAD_REGS 0 /* struct thread_regs */
#define THREAD_FPU  1 /* the XSAVE or FXSAVE image, as large as the processor's */

struct thread_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags, fs_base, gs_base;
};

#define THREAD_CREATE_STOPPED 0x1

/* ---- Handles ---- */
#define HANDLE_TYPE_PROC    1
#define HANDLE_TYPE_THREAD  2
#define HANDLE_TYPE_OBJECT  3
#define HANDLE_TYPE_PHYSMEM 4

#define RIGHT_READ    0x01 /* look: query, info, read memory, map an object for reading */
#define RIGHT_WRITE   0x02 /* change: map, protect, write memory, set registers */
#define RIGHT_EXECUTE 0x04 /* map an object with PROT_EXEC */
#define RIGHT_WAIT    0x08
#define RIGHT_KILL    0x10
#define RIGHT_DUP     0x20 /* duplicate and give away */
#define RIGHT_ALL     0x3f

struct handle_info {
	uint32_t type, rights;
	uint64_t id; /* of a process or thread; identity of an object */
};

/* The first handles of the init process: the boot archive, as a read-only memory object; and physical
 * memory, for SYS_object_device. */
#define HANDLE_BOOT_ARCHIVE 1
#define HANDLE_BOOT_PHYSMEM 2

/* (skip, fail): of the calling thread's allocations in the kernel from now on, so many succeed, then
 * so many fail -> how many have failed since the last call of this kind */
#define DEBUG_FAIL_ALLOCS 0
#define DEBUG_COUNT	  1 /* (index, struct debug_count *): something that is in use; ENOENT */
#define DEBUG_AUDIT	  2 /* (): check free memory, the caller's map and page tables; may panic */
#define DEBUG_FAULT	  3 /* (name): do what a kernel must not do; needs the root right */

struct debug_count {
	char name[24];
	uint64_t value;
};

struct system_info {
	uint64_t pages_total, pages_free;	    /* frames */
	uint64_t commit_limit, commit_used;	    /* bytes */
	uint64_t objects, map_entries, page_tables; /* alive in the kernel */
	uint64_t procs, threads;
	uint64_t fpu_size;		  /* bytes of THREAD_FPU */
	uint64_t stack_guard, stack_step; /* bytes: the guard below stacks, the growth step */
	uint64_t cpus;
};

#endif

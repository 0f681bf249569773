/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every system call with arguments that are wrong: each gives a clean error, and the process lives.
 *
 * A table names the calls and the kinds of their arguments, one letter each.  A test takes good
 * arguments of these kinds, makes one of them bad at a time, and looks at the result.
 *
 *	p	process handle (a copy of this process without threads, which nothing can harm)
 *	d	handle of a process that has ended
 *	t	thread handle (a stopped thread of the copy)
 *	o	memory object handle
 *	m	handle of physical memory
 *	r, w	address of a buffer that the kernel reads, writes
 *	s	address of a string
 *	a	address in the copy          l	length           n	number or flags
 *	0	always 0
 *
 * Not in the table: calls that would end this process, or wait for ever, when they succeed.
 */
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>

#define MAX_ARGS 6
#define USER_END 0x00007ffffffff000ul
#define NO_CALL	 SYS_object_device + 1

/* Flags of a row. */
#define NO_RIGHT_NEEDED 0x1 /* any handle will do */
#define ONLY_BAD	0x2 /* would do harm with a good handle: numbers are not varied */
#define ONE_BYTE	0x4 /* reads or writes just one at its pointer */

static const struct call {
	uint32_t number;
	const char *name, *kinds;
	uint32_t flags;
	uint64_t length; /* what 'l' is */
	uint64_t value;	 /* what 'n' is, the first one; others are 0 */
} calls[] = {
    {SYS_vm_map, "vm_map", "paln00", 0, PAGE_SIZE, VM_MAP_ARGS(PROT_RW, PROT_RW, 0)},
    {SYS_vm_unmap, "vm_unmap", "pal", 0, PAGE_SIZE, 0},
    {SYS_vm_protect, "vm_protect", "palnn", 0, PAGE_SIZE, PROT_RW},
    {SYS_vm_inherit, "vm_inherit", "paln", 0, PAGE_SIZE, INHERIT_COPY},
    {SYS_vm_wire, "vm_wire", "pal", 0, PAGE_SIZE, 0},
    {SYS_vm_unwire, "vm_unwire", "pal", 0, PAGE_SIZE, 0},
    {SYS_vm_query, "vm_query", "paw", 0, 0, 0},
    {SYS_vm_read, "vm_read", "pawl", 0, 64, 0},
    {SYS_vm_write, "vm_write", "parl", 0, 64, 0},
    {SYS_vm_wire_future, "vm_wire_future", "pn", 0, 0, 0},
    {SYS_vm_advise, "vm_advise", "paln", 0, PAGE_SIZE, ADVICE_NOCORE},
    {SYS_vm_sync, "vm_sync", "paln", 0, PAGE_SIZE, 0},
    {SYS_vm_move, "vm_move", "palln0", 0, PAGE_SIZE, 0},
    {SYS_vm_discard, "vm_discard", "pal", 0, PAGE_SIZE, 0},
    {SYS_vm_residency, "vm_residency", "palw", ONE_BYTE, PAGE_SIZE, 0},
    {SYS_object_create, "object_create", "n", 0, 0, PAGE_SIZE},
    {SYS_object_size, "object_size", "o", 0, 0, 0},
    {SYS_proc_create, "proc_create", "sn", 0, 0, 0},
    {SYS_proc_fork, "proc_fork", "prn", 0, 0, 1},
    {SYS_proc_kill, "proc_kill", "p0", ONLY_BAD, 0, 0},
    {SYS_proc_wait, "proc_wait", "dw0", 0, 0, 0},
    {SYS_proc_id, "proc_id", "p", 0, 0, 0},
    {SYS_proc_info, "proc_info", "nw", 0, 0, 0},
    {SYS_proc_open, "proc_open", "n", 0, 0, 0},
    {SYS_limit_get, "limit_get", "pnw", 0, 0, LIMIT_STACK},
    {SYS_limit_set, "limit_set", "pnr", 0, 0, LIMIT_STACK},
    {SYS_proc_give, "proc_give", "pon", 0, 0, 500},
    {SYS_thread_create, "thread_create", "pr0", ONLY_BAD, 0, 0},
    {SYS_thread_kill, "thread_kill", "t", ONLY_BAD, 0, 0},
    {SYS_thread_wait, "thread_wait", "t0", 0, 0, 0},
    {SYS_thread_get, "thread_get", "tnwl", 0, sizeof(struct thread_regs), THREAD_REGS},
    {SYS_thread_set, "thread_set", "tnrl", ONLY_BAD, sizeof(struct thread_regs), THREAD_REGS},
    {SYS_thread_stop, "thread_stop", "t", ONLY_BAD, 0, 0},
    {SYS_thread_resume, "thread_resume", "t", ONLY_BAD, 0, 0},
    {SYS_thread_id, "thread_id", "t", 0, 0, 0},
    {SYS_handle_close, "handle_close", "o", NO_RIGHT_NEEDED | ONLY_BAD, 0, 0},
    {SYS_handle_dup, "handle_dup", "on", 0, 0, RIGHT_READ},
    {SYS_handle_info, "handle_info", "ow", NO_RIGHT_NEEDED, 0, 0},
    {SYS_yield, "yield", "", 0, 0, 0},
    {SYS_clock, "clock", "", 0, 0, 0},
    {SYS_log, "log", "rl", ONLY_BAD, 1, 0},
    {SYS_console_write, "console_write", "rl", ONLY_BAD, 1, 0},
    {SYS_system_info, "system_info", "w", 0, 0, 0},
    {SYS_object_device, "object_device", "mnl0", 0, PAGE_SIZE, 0xfed00000},
    {SYS_futex_wait, "futex_wait", "rn0", 0, 0, 1},
};

#define CALLS (sizeof calls / sizeof calls[0])

/* What good arguments are made of. */
static handle_t copy, dead, thread, object;
static uint64_t buffer;	  /* a page of zeroes; a guard follows */
static uint64_t data;	  /* a page that the copy has, too */
static uint64_t strings;  /* "x" at the start, no end of a string in the rest; a guard follows */
static uint64_t readable; /* a page that cannot be written; a guard follows */
static uint64_t unmapped, guarded, inaccessible;

static uint64_t
guarded_page(void)
{
	uint64_t page = ADDR(map_pages(2 * PAGE_SIZE, PROT_RW));
	uint64_t args = VM_MAP_ARGS(PROT_NONE, PROT_NONE, VM_MAP_FLAG_GUARD | VM_MAP_FLAG_FIXED);

	REQUIRE(page != 0);
	REQUIRE(vm_map(HANDLE_SELF, page + PAGE_SIZE, PAGE_SIZE, args, 0, 0) > 0);
	return page;
}

static void
do_nothing(void *arg)
{
	(void)arg;
}

static void
make_memory(void)
{
	buffer = guarded_page();
	data = guarded_page();
	readable = guarded_page();
	strings = guarded_page();
	guarded = strings + PAGE_SIZE;
	inaccessible = guarded_page();
	unmapped = guarded_page();
	memset((void *)strings, 'x', PAGE_SIZE);
	((char *)strings)[1] = '\0';
	unmap_pages((void *)unmapped, PAGE_SIZE);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, readable, PAGE_SIZE, PROT_READ, 0), 0);
	REQUIRE_EQ(vm_protect(HANDLE_SELF, inaccessible, PAGE_SIZE, PROT_NONE, 0), 0);
}

static void
set_up(void)
{
	struct thread_regs regs = {.rflags = 0x200};

	make_memory();
	object = (handle_t)object_create(PAGE_SIZE);
	REQUIRE(object > 0);
	dead = tap_start(do_nothing, NULL);
	REQUIRE(dead > 0);
	REQUIRE_EQ(proc_wait(dead, (struct proc_status *)buffer, FOREVER), 0);
	copy = (handle_t)proc_fork(HANDLE_SELF, NULL, 0);
	REQUIRE(copy > 0);
	thread = (handle_t)thread_create(copy, &regs, THREAD_CREATE_STOPPED);
	REQUIRE(thread > 0);
	memset((void *)buffer, 0, PAGE_SIZE);
	*(handle_t *)buffer = object; /* what proc_fork gives on */
}

static uint64_t
good_value(const struct call *call, size_t i)
{
	const char *first_n = strchr(call->kinds, 'n');

	switch (call->kinds[i]) {
	case 'p':
		return copy;
	case 'd':
		return dead;
	case 't':
		return thread;
	case 'm':
		return HANDLE_BOOT_PHYSMEM;
	case 'o':
		return object;
	case 'r':
	case 'w':
		return buffer;
	case 's':
		return strings;
	case 'a':
		return data;
	case 'l':
		return call->length;
	case 'n':
		return first_n == call->kinds + i ? call->value : 0;
	default:
		return 0;
	}
}

static int64_t
call_with(const struct call *call, size_t bad, uint64_t value)
{
	uint64_t a[MAX_ARGS] = {0};

	for (size_t i = 0; call->kinds[i] != '\0'; i++) {
		a[i] = i == bad ? value : good_value(call, i);
	}
	return syscall6(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Is it an error number there is? */
static bool
clean_error(int64_t result)
{
	return result < 0 && strcmp(strerror(result), "unknown error") != 0;
}

static void
expect_error(const struct call *call, size_t bad, uint64_t value, int64_t error)
{
	int64_t result = call_with(call, bad, value);
	char what[64];

	/* An address that is no multiple of its alignment may be refused as such. */
	if (error == -EFAULT && call->number == SYS_futex_wait && result == -EINVAL) {
		return;
	}
	snprintf(what, sizeof what, "%s with %#lx as argument %zu", call->name, value, bad);
	tap_check_equal(result, error, what, __FILE__, __LINE__);
}

/* ---- Handles ---- */

static void
bad_handles_of(const struct call *call, size_t i)
{
	static const uint64_t numbers[] = {
	    -1ul, 999, 1023, 1024, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 32, 1ul << 63,
	};
	handle_t closed = (handle_t)object_create(PAGE_SIZE);

	REQUIRE(closed > 0);
	handle_close(closed);
	expect_error(call, i, closed, -EBADF);
	for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
		expect_error(call, i, numbers[k], -EBADF);
	}
	if (call->number != SYS_handle_dup && call->number != SYS_handle_info &&
	    call->number != SYS_handle_close && call->number != SYS_proc_give) {
		expect_error(call, i, call->kinds[i] == 'o' ? thread : object, -EBADF);
		expect_error(call, i, call->kinds[i] == 't' ? copy : thread, -EBADF);
	}
}

static void
bad_handles(void)
{
	set_up();
	for (size_t c = 0; c < CALLS; c++) {
		for (size_t i = 0; calls[c].kinds[i] != '\0'; i++) {
			if (strchr("pdtom", calls[c].kinds[i]) != NULL) {
				bad_handles_of(&calls[c], i);
			}
		}
	}
}

static void
no_rights(void)
{
	set_up();
	for (size_t c = 0; c < CALLS; c++) {
		if (strchr("pdtom", calls[c].kinds[0]) == NULL || calls[c].kinds[0] == '\0' ||
		    calls[c].flags & NO_RIGHT_NEEDED) {
			continue;
		}
		int64_t handle = handle_dup((handle_t)good_value(&calls[c], 0), 0);

		REQUIRE(handle > 0);
		expect_error(&calls[c], 0, handle, -EACCES);
		handle_close((handle_t)handle);
	}
}

static void
rights_shrink(void)
{
	struct handle_info info;

	set_up();
	int64_t few = handle_dup(object, RIGHT_READ | RIGHT_DUP);
	REQUIRE(few > 0);
	int64_t more = handle_dup((handle_t)few, RIGHT_ALL);
	if (more > 0) {
		REQUIRE_EQ(handle_info((handle_t)more, &info), 0);
		EXPECT_EQ(info.rights & ~(uint32_t)(RIGHT_READ | RIGHT_DUP), 0);
	} else {
		EXPECT(clean_error(more));
	}
	int64_t none = handle_dup(object, RIGHT_READ);
	REQUIRE(none > 0);
	EXPECT_EQ(handle_dup((handle_t)none, RIGHT_READ), -EACCES);
	EXPECT_EQ(proc_give(copy, (handle_t)none, 0), -EACCES);
}

static void
object_rights(void)
{
	struct vm_region region;
	uint64_t read = VM_MAP_ARGS(PROT_READ, PROT_READ, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);
	uint64_t write = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);
	uint64_t more = VM_MAP_ARGS(PROT_READ, PROT_ALL, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);
	uint64_t execute = VM_MAP_ARGS(PROT_RX, PROT_RX, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);

	set_up();
	handle_t r = (handle_t)handle_dup(object, RIGHT_READ);
	REQUIRE(r > 0);
	EXPECT(vm_map(HANDLE_SELF, 0, PAGE_SIZE, read, r, 0) > 0);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, PAGE_SIZE, write, r, 0), -EACCES);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, PAGE_SIZE, execute, r, 0), -EACCES);
	int64_t addr = vm_map(HANDLE_SELF, 0, PAGE_SIZE, more, r, 0);
	REQUIRE(addr > 0);
	REQUIRE(region_at(addr, &region));
	EXPECT_EQ(region.max_prot, PROT_READ);
}

/* ---- Pointers ---- */

/* How much is read or written there, at least: a buffer of 1 byte cannot straddle a page's end. */
static bool
straddles(const struct call *call)
{
	return call->length != 1 && !(call->flags & ONE_BYTE);
}

static void
bad_pointers_of(const struct call *call, size_t i)
{
	const uint64_t places[] = {
	    0,
	    1,
	    unmapped,
	    guarded,
	    inaccessible,
	    USER_END,
	    0x0000800000000000ul,
	    0x8000000000000000ul,
	    0xffff7ffffffffff8ul,
	    0xffff800000000000ul,
	    0xffffffff80000000ul,
	    -PAGE_SIZE,
	    -8ul,
	    -1ul,
	};

	for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
		expect_error(call, i, places[k], -EFAULT);
	}
	if (call->kinds[i] == 'w') {
		expect_error(call, i, readable, -EFAULT);
		expect_error(call, i, ADDR(calls), -EFAULT); /* constants */
	}
	if (straddles(call)) {
		uint64_t page = call->kinds[i] == 's' ? strings : buffer;

		expect_error(call, i, page + PAGE_SIZE - 1, -EFAULT);
	}
	if (straddles(call) && call->kinds[i] != 's') {
		/* The last byte is the program's: the end of its last string. */
		expect_error(call, i, USER_END - 1, -EFAULT);
	}
}

static void
bad_pointers(void)
{
	set_up();
	for (size_t c = 0; c < CALLS; c++) {
		for (size_t i = 0; calls[c].kinds[i] != '\0'; i++) {
			if (strchr("rws", calls[c].kinds[i]) != NULL) {
				bad_pointers_of(&calls[c], i);
			}
		}
	}
}

/* ---- Numbers ---- */

static const uint64_t odd_numbers[] = {
    0,
    1,
    7,
    0xfff,
    0x1001,
    0x1fff,
    1ul << 31,
    1ul << 32,
    0xffffffff00ul,
    1ul << 46,
    (1ul << 47) - 0x1000,
    1ul << 47,
    1ul << 62,
    -(1ul << 63),
    -0x1000ul,
    -0xffful,
    -2ul,
    -1ul,
};

/* Whatever the call says to it, it must be an answer, and this process must go on. */
static void
odd_numbers_of(const struct call *call, size_t i)
{
	char what[64];

	for (size_t k = 0; k < sizeof odd_numbers / sizeof odd_numbers[0]; k++) {
		int64_t result = call_with(call, i, odd_numbers[k]);

		snprintf(what, sizeof what, "%s with %#lx as argument %zu gives %ld", call->name,
			 odd_numbers[k], i, result);
		tap_check(result >= 0 || clean_error(result), what, __FILE__, __LINE__);
		if (result > 0 && strchr("paln00", call->kinds[0]) == NULL) {
			handle_close((handle_t)result);
		}
	}
}

static void
odd_numbers_everywhere(void)
{
	set_up();
	for (size_t c = 0; c < CALLS; c++) {
		for (size_t i = 0; calls[c].kinds[i] != '\0'; i++) {
			if (strchr("aln", calls[c].kinds[i]) != NULL &&
			    !(calls[c].flags & ONLY_BAD)) {
				odd_numbers_of(&calls[c], i);
			}
		}
	}
	EXPECT_EQ(proc_id(HANDLE_SELF) > 0, true);
}

static void
unknown_numbers(void)
{
	static const uint64_t numbers[] = {
	    0,
	    1,
	    60,
	    SYS_BASE - 1,
	    0x100c,
	    0x100f,
	    0x101f,
	    NO_CALL,
	    0x103f,
	    SYS_vm_residency + 1,
	    0x10ff,
	    0x2000,
	    0xffffffff,
	    1ul << 32,
	    1ul << 63,
	    -1ul,
	    0x100001000ul,
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		EXPECT_EQ(syscall6(numbers[i], 0, 0, 0, 0, 0, 0), -ENOSYS);
	}
}

/* ---- What the table cannot say ---- */

static void
bad_map_flags(void)
{
	uint64_t rw = PROT_RW;

	set_up();
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(8, 15, 0), 0, 0), -EINVAL);
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, PROT_READ, 0), 0, 0), -EINVAL);
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, rw, 0x8000), 0, 0), -EINVAL);
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, rw, 0) | 1ul << 63, 0, 0), -EINVAL);
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, rw, VM_MAP_FLAG_EXCL), 0, 0), -EINVAL);
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, rw, VM_MAP_FLAG_OBJECT), -1, 0), -EBADF);
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, rw, VM_MAP_FLAG_OBJECT), thread, 0),
		  -EBADF);
	EXPECT_EQ(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, rw, VM_MAP_FLAG_OBJECT), object, 1),
		  -EINVAL);
	EXPECT(vm_map(0, 0, PAGE_SIZE, VM_MAP_ARGS(rw, rw, VM_MAP_FLAG_OBJECT), object,
		      -PAGE_SIZE) < 0);
	EXPECT_EQ(vm_protect(0, data, PAGE_SIZE, 8, 0), -EINVAL);
	EXPECT_EQ(vm_protect(0, data + 1, PAGE_SIZE, PROT_RW, 0), -EINVAL);
}

static void
bad_thread_arguments(void)
{
	struct thread_regs regs = {.rflags = 0x200};

	set_up();
	EXPECT_EQ(thread_create(copy, &regs, 0x80000000), -EINVAL);
	regs.rip = 0xffffffff80000000ul;
	EXPECT_EQ(thread_create(copy, &regs, THREAD_CREATE_STOPPED), -EINVAL);
	EXPECT_EQ(thread_set(thread, THREAD_REGS, &regs, sizeof regs), -EINVAL);
	regs.rip = 0x0000800000000000ul;
	EXPECT_EQ(thread_create(copy, &regs, THREAD_CREATE_STOPPED), -EINVAL);
	regs.rip = 0;
	regs.fs_base = 0x8000000000000000ul;
	EXPECT_EQ(thread_create(copy, &regs, THREAD_CREATE_STOPPED), -EINVAL);
	EXPECT_EQ(thread_get(thread, 99, (void *)buffer, PAGE_SIZE), -EINVAL);
	EXPECT(clean_error(thread_get(thread, THREAD_REGS, (void *)buffer, 8)));
	EXPECT(clean_error(thread_set(thread, THREAD_FPU, (void *)buffer, 8)));
}

static void
only_root(void)
{
	EXPECT_EQ(system_shutdown(0), -EPERM);
	EXPECT_EQ(proc_open(proc_id(HANDLE_SELF)), -EPERM);
}

static void
bad_limits(void)
{
	struct limit limit;

	REQUIRE_EQ(limit_get(HANDLE_SELF, LIMIT_VMEM, &limit), 0);
	limit.cur = limit.max = 1ul << 40;
	EXPECT_EQ(limit_set(HANDLE_SELF, LIMIT_VMEM, &limit), 0);
	limit.cur = limit.max + 1;
	EXPECT_EQ(limit_set(HANDLE_SELF, LIMIT_VMEM, &limit), -EINVAL);
	limit.cur = 0;
	limit.max++;
	EXPECT_EQ(limit_set(HANDLE_SELF, LIMIT_VMEM, &limit), -EPERM);
	EXPECT_EQ(limit_get(HANDLE_SELF, LIMIT_COUNT, &limit), -EINVAL);
	EXPECT_EQ(limit_get(HANDLE_SELF, -1u, &limit), -EINVAL);
}

static void
bad_load(void)
{
	struct proc_entry entry;
	int64_t proc = proc_create("bad", 0);

	set_up();
	REQUIRE(proc > 0);
	EXPECT(clean_error(proc_load((handle_t)proc, NULL, PAGE_SIZE, NULL, &entry)));
	EXPECT(clean_error(proc_load((handle_t)proc, (void *)-8ul, PAGE_SIZE, NULL, &entry)));
	EXPECT(clean_error(proc_load((handle_t)proc, (void *)buffer, 0, NULL, &entry)));
	EXPECT(clean_error(proc_load((handle_t)proc, (void *)buffer, -1ul, NULL, &entry)));
	EXPECT(clean_error(
	    proc_load((handle_t)proc, (void *)buffer, PAGE_SIZE, (void *)unmapped, &entry)));
	EXPECT(clean_error(proc_load(HANDLE_SELF, (void *)buffer, PAGE_SIZE, NULL, &entry)));
	EXPECT(clean_error(proc_load(copy, (void *)buffer, PAGE_SIZE, NULL, &entry)));
	EXPECT(clean_error(proc_load(object, (void *)buffer, PAGE_SIZE, NULL, &entry)));
}

/* Judged before it waits: there is no input here, so a call that went on would never end. */
static void
bad_console_read(void)
{
	EXPECT_EQ(console_read((void *)0xffff800000000000ul, 1), -EFAULT);
	EXPECT_EQ(console_read((void *)0x00007ffffffff000ul, 1), -EFAULT);
	EXPECT_EQ(console_read((void *)-8ul, 16), -EFAULT);
	EXPECT_EQ(console_read((void *)buffer, -1ul), -EFAULT);
	EXPECT_EQ(console_read(NULL, 0), 0);
	set_up();
	EXPECT_EQ(console_read(NULL, 1), -EFAULT);
	EXPECT_EQ(console_read((void *)unmapped, 1), -EFAULT);
	EXPECT_EQ(console_read((void *)guarded, 1), -EFAULT);
	EXPECT_EQ(console_read((void *)readable, 1), -EFAULT);
	EXPECT_EQ(console_read((void *)inaccessible, 1), -EFAULT);
	EXPECT_EQ(console_read((void *)(buffer + PAGE_SIZE - 1), 2), -EFAULT);
}

static const struct tap_test tests[] = {
    {"every call refuses handles that are closed, foreign or no numbers", bad_handles},
    {"every call refuses a handle without rights", no_rights},
    {"rights only shrink when a handle is duplicated", rights_shrink},
    {"an object is mapped with the rights of its handle and no more", object_rights},
    {"every call refuses pointers to what is not the caller's", bad_pointers},
    {"every call answers odd numbers", odd_numbers_everywhere},
    {"numbers that are no call are refused", unknown_numbers},
    {"ARG-01: vm_map and vm_protect refuse unknown and contrary flags", bad_map_flags},
    {"threads are not given registers they may not have", bad_thread_arguments},
    {"without the root right the machine goes on", only_root},
    {"limits are kept in order and only shrink", bad_limits},
    {"proc_load refuses bad images, arguments and processes", bad_load},
    {"console_read refuses what cannot be written before it waits", bad_console_read},
};

TAP_MAIN(tests)

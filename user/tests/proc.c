/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes: how they start, what they are told, how they end, and that killing leaves nothing. */
#include <pagoda/archive.h>
#include <pagoda/auxv.h>
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define SELF   "tests/proc"
#define SLACK  64
#define STATUS 77

/* ---- The program as its own child ---- */

#define CHILD_MARK "--child"

static const char *const child_argv[] = {
    "proc", CHILD_MARK, "", "two words", "\xc3\xa4\t'\"\\", NULL,
};
static const char *const child_envp[] = {"PAGODA=storeys", "EMPTY=", NULL};

static bool
same_strings(char **got, const char *const expected[])
{
	size_t i;

	for (i = 0; expected[i] != NULL; i++) {
		if (got[i] == NULL || strcmp(got[i], expected[i]) != 0) {
			return false;
		}
	}
	return got[i] == NULL;
}

static bool
auxv_right(void)
{
	const uint8_t *random = (const uint8_t *)getauxval(AT_RANDOM);
	const uint8_t *header = (const uint8_t *)getauxval(AT_PHDR) - 64;
	const char *name = (const char *)getauxval(AT_EXECFN);

	return getauxval(AT_PAGESZ) == PAGE_SIZE && getauxval(AT_PHENT) == 56 &&
	       getauxval(AT_PHNUM) > 0 && memcmp(header, "\177ELF", 4) == 0 && random != NULL &&
	       random[0] + random[15] >= 0 && name != NULL && name[0] != '\0';
}

/* What the child finds wrong, as its exit status. */
static int
child_main(int argc, char **argv, char **envp)
{
	uint64_t stack = ADDR(argv) - sizeof(uint64_t);

	if (argc != 5 || !same_strings(argv, child_argv)) {
		return 1;
	}
	if (!same_strings(envp, child_envp) || strcmp(getenv("PAGODA"), "storeys") != 0) {
		return 2;
	}
	if (stack % 16 != 0 || *(uint64_t *)stack != (uint64_t)argc) {
		return 3;
	}
	return auxv_right() ? STATUS : 4;
}

static void
expect_end(handle_t proc, uint32_t how, int32_t value)
{
	struct proc_status status = {0};

	REQUIRE(proc > 0);
	REQUIRE_EQ(wait_for(proc, &status), 0);
	EXPECT_EQ(status.how, how);
	EXPECT_EQ(status.value, value);
}

static void
spawn_tells(void)
{
	expect_end(spawn(SELF, child_argv, child_envp), PROC_EXITED, STATUS);
}

static void
spawn_many_arguments(void)
{
	static const char *argv[1002];

	for (int i = 0; i < 1000; i++) {
		argv[i] = "argument";
	}
	argv[0] = "faults";
	expect_end(spawn("bin/faults", argv, NULL), PROC_EXITED, 2);
}

static void
spawn_too_many(void)
{
	static char large[32 * 1024];
	static const char *argv[64];
	struct system_info before = {0};

	memset(large, 'x', sizeof large - 1);
	for (int i = 0; i < 63; i++) {
		argv[i] = large;
	}
	EXPECT_EQ(spawn("bin/hello", argv, NULL), -E2BIG);
	tap_counts(&before);
	EXPECT_EQ(spawn("bin/hello", argv, NULL), -E2BIG);
	tap_no_leak(&before, SLACK);
}

static void
spawn_nothing(void)
{
	const char *const argv[] = {"nothing", NULL};

	EXPECT_EQ(spawn("bin/nothing", argv, NULL), -ENOENT);
	EXPECT_EQ(spawn("", argv, NULL), -ENOENT);
	EXPECT_EQ(spawn("nothing", argv, NULL), -ENOENT);
}

static void
spawn_pie(void)
{
	const char *const argv[] = {"proc_pie", NULL};
	struct thread_regs regs;
	handle_t proc = spawn_stopped("bin/hello_pie", argv, NULL, 0, &regs);

	REQUIRE(proc > 0);
	EXPECT(regs.rip > 0x100000);
	handle_close(proc);
}

/* ---- Ends ---- */

static void
exit_with(void *arg)
{
	proc_exit((int32_t)ADDR(arg));
}

static void
exit_status(void)
{
	static const int32_t values[] = {0, 1, 255, 256, INT32_MAX, -1, INT32_MIN};

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct proc_status status = tap_run(exit_with, (void *)(int64_t)values[i]);

		EXPECT_EQ(status.how, PROC_EXITED);
		EXPECT_EQ(status.value, values[i]);
	}
}

static void
end_thread(void *arg)
{
	(void)arg;
	thread_exit();
}

static void
last_thread(void)
{
	struct proc_status status = tap_run(end_thread, NULL);

	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 0);
}

static void
divide(void *arg)
{
	__asm__ volatile("idivl %0" : : "r"(0), "a"(1), "d"(0) : "cc");
	(void)arg;
}

static void
undefined(void *arg)
{
	(void)arg;
	__builtin_trap();
}

static void
privileged(void *arg)
{
	(void)arg;
	__asm__ volatile("cli");
}

static void
breakpoint(void *arg)
{
	(void)arg;
	__asm__ volatile("int3");
}

static void
wild_jump(void *arg)
{
	((void (*)(void))arg)();
}

static void
not_canonical(void *arg)
{
	touch(ADDR(arg));
}

static void
expect_fault_kind(void (*fn)(void *), void *arg, int32_t kind)
{
	struct proc_status status = tap_run(fn, arg);

	EXPECT_EQ(status.how, PROC_FAULTED);
	EXPECT_EQ(status.value, kind);
}

static void
exceptions(void)
{
	expect_fault_kind(divide, NULL, FAULT_MATH);
	expect_fault_kind(undefined, NULL, FAULT_ILLEGAL);
	expect_fault_kind(privileged, NULL, FAULT_GENERAL);
	expect_fault_kind(breakpoint, NULL, FAULT_TRAP);
	expect_fault_kind(not_canonical, (void *)0x8000000000000000ul, FAULT_GENERAL);
}

static void
wild_addresses(void)
{
	EXPECT_FAULT(wild_jump, 0x10, FAULT_MAPERR, 0x10);
	EXPECT_FAULT(not_canonical, 0x00007ffffffff000ul, FAULT_MAPERR, 0x00007ffffffff000ul);
	expect_fault_kind(wild_jump, (void *)0xffffffff80000000ul, FAULT_MAPERR);
	expect_fault_kind(not_canonical, (void *)0xffff800000000000ul, FAULT_MAPERR);
}

/* ---- Being killed, wherever one is ---- */

static void
spin(void *arg)
{
	(void)arg;
	for (;;) {
		__asm__ volatile("pause");
	}
}

static void
sleeping(void *arg)
{
	(void)arg;
	sleep_until(FOREVER);
}

static void
in_futex(void *arg)
{
	uint32_t word = 0;

	(void)arg;
	futex_wait(&word, 0, FOREVER);
}

static void
reading(void *arg)
{
	char c;

	(void)arg;
	for (;;) {
		console_read(&c, 1);
	}
}

static void
faulting(void *arg)
{
	(void)arg;
	for (;;) {
		char *p = map_pages(64 * PAGE_SIZE, PROT_RW);

		for (uint64_t at = 0; p != NULL && at < 64 * PAGE_SIZE; at += PAGE_SIZE) {
			touch(ADDR(p) + at);
		}
		unmap_pages(p, 64 * PAGE_SIZE);
	}
}

static void
wiring(void *arg)
{
	char *p = map_pages(8 * PAGE_SIZE, PROT_RW);

	(void)arg;
	for (;;) {
		vm_wire(HANDLE_SELF, ADDR(p), 8 * PAGE_SIZE);
		vm_unwire(HANDLE_SELF, ADDR(p), 8 * PAGE_SIZE);
	}
}

static void
forking(void *arg)
{
	(void)arg;
	for (;;) {
		int64_t copy = proc_fork(HANDLE_SELF, NULL, 0);

		if (copy > 0) {
			handle_close((handle_t)copy);
		}
	}
}

static void
waiting(void *arg)
{
	struct proc_status status;
	int64_t copy = proc_fork(HANDLE_SELF, NULL, 0);

	(void)arg;
	proc_wait((handle_t)copy, &status, FOREVER);
}

static void
threading(void *arg)
{
	struct user_thread thread;

	for (;;) {
		if (thread_start(&thread, end_thread, arg, 0) == 0) {
			thread_join(&thread);
		}
	}
}

static void
spawning(void *arg)
{
	const char *const argv[] = {"hello", NULL};
	struct thread_regs regs;

	(void)arg;
	for (;;) {
		handle_t proc = spawn_stopped("bin/hello", argv, NULL, 0, &regs);

		if (proc > 0) {
			handle_close(proc);
		}
	}
}

#define KILLS 12

/* Kill it after a time that differs from run to run; nothing in the result depends on it. */
static void
expect_killable(void (*fn)(void *))
{
	struct system_info before = {0};
	uint64_t random = clock_now() | 1;

	for (int i = 0; i < KILLS; i++) {
		if (i == 2) {
			tap_counts(&before); /* the first ones warm up the kernel's slabs */
		}
		handle_t child = tap_start(fn, NULL);
		sleep_until(clock_now() + random_next(&random) % (4 * NS_PER_MS));
		EXPECT_EQ(proc_kill(child, STATUS), 0);
		expect_end(child, PROC_KILLED, STATUS);
	}
	tap_no_leak(&before, SLACK);
}

static void
kill_spinning(void)
{
	expect_killable(spin);
}

static void
kill_sleeping(void)
{
	expect_killable(sleeping);
	expect_killable(in_futex);
	expect_killable(waiting);
}

static void
kill_reading(void)
{
	expect_killable(reading);
}

static void
kill_in_memory_calls(void)
{
	expect_killable(faulting);
	expect_killable(wiring);
}

static void
kill_in_process_calls(void)
{
	expect_killable(forking);
	expect_killable(threading);
	expect_killable(spawning);
}

static void
kill_twice(void)
{
	handle_t child = tap_start(sleeping, NULL);
	struct proc_status status;

	EXPECT_EQ(proc_kill(child, 1), 0);
	proc_kill(child, 2);
	REQUIRE_EQ(proc_wait(child, &status, FOREVER), 0);
	EXPECT_EQ(status.value, 1);
	REQUIRE_EQ(proc_wait(child, &status, FOREVER), 0);
	EXPECT_EQ(status.value, 1);
	EXPECT(proc_fork(child, NULL, 0) < 0);
	EXPECT_EQ(vm_unmap(child, 0x10000, PAGE_SIZE), -ESRCH);
	EXPECT_EQ(handle_close(child), 0);
}

static void
kill_stopped(void)
{
	struct thread_regs regs = {.rflags = 0x200};
	struct proc_status status;
	int64_t copy = proc_fork(HANDLE_SELF, NULL, 0);

	REQUIRE(copy > 0);
	REQUIRE(thread_create((handle_t)copy, &regs, THREAD_CREATE_STOPPED) > 0);
	EXPECT_EQ(proc_wait((handle_t)copy, &status, clock_now() + NS_PER_MS), -ETIMEDOUT);
	EXPECT_EQ(proc_kill((handle_t)copy, STATUS), 0);
	expect_end((handle_t)copy, PROC_KILLED, STATUS);
}

static void
kill_oneself(void *arg)
{
	(void)arg;
	proc_kill(HANDLE_SELF, STATUS);
	for (;;) {
		yield();
	}
}

static void
kill_self(void)
{
	struct proc_status status = tap_run(kill_oneself, NULL);

	EXPECT_EQ(status.how, PROC_KILLED);
	EXPECT_EQ(status.value, STATUS);
}

static void
wait_times_out(void)
{
	handle_t child = tap_start(sleeping, NULL);
	struct proc_status status;
	uint64_t deadline = clock_now() + 5 * NS_PER_MS;

	EXPECT_EQ(proc_wait(child, &status, 0), -ETIMEDOUT);
	EXPECT_EQ(proc_wait(child, &status, deadline), -ETIMEDOUT);
	EXPECT(clock_now() >= deadline);
	EXPECT_EQ(proc_kill(child, STATUS), 0);
	expect_end(child, PROC_KILLED, STATUS);
}

static void
handle_closed_first(void)
{
	struct system_info before = {0};

	for (int i = 0; i < 4; i++) {
		if (i == 1) {
			tap_counts(&before); /* the first round warms up the kernel's slabs */
		}
		handle_t child = tap_start(spin, NULL);
		handle_t again = (handle_t)handle_dup(child, RIGHT_ALL);
		EXPECT_EQ(handle_close(child), 0);
		EXPECT_EQ(handle_close(child), -EBADF);
		EXPECT_EQ(proc_kill(again, STATUS), 0);
		EXPECT_EQ(handle_close(again), 0); /* nobody waits */
	}
	tap_no_leak(&before, SLACK);
}

static void
look_for_handles(void *arg)
{
	struct handle_info info;

	for (handle_t h = 1; h < 64; h++) {
		bool given = h == HANDLE_BOOT_ARCHIVE || h == (handle_t)ADDR(arg);

		EXPECT_EQ(handle_info(h, &info) == 0, given);
	}
}

static void
handles_given(void)
{
	handle_t object = (handle_t)object_create(PAGE_SIZE);
	handle_t other = (handle_t)object_create(PAGE_SIZE);
	handle_t give[] = {HANDLE_BOOT_ARCHIVE, object};

	REQUIRE(object > 0 && other > 0);
	handle_t child = fork_giving(give, 2);
	if (child == HANDLE_SELF) {
		look_for_handles((void *)(int64_t)object);
		tap_end_test();
	}
	expect_end(child, PROC_EXITED, 0);
}

static void
listed(void)
{
	handle_t child = tap_start(sleeping, NULL);
	uint64_t id = proc_id(child), last = 0;
	struct proc_info info;
	bool found = false;

	for (uint64_t at = 0; proc_info(at, &info) == 0; at = info.id + 1) {
		EXPECT(info.id >= at);
		EXPECT(last == 0 || info.id > last);
		found |= info.id == id && info.threads == 1;
		last = info.id;
	}
	EXPECT(found);
	proc_kill(child, STATUS);
	expect_end(child, PROC_KILLED, STATUS);
	EXPECT(proc_info(id, &info) != 0 || info.id != id);
}

/* ---- A thread and an image at once ---- */

#define MEETINGS 300

static struct {
	uint32_t round; /* the loader works on `child` of this round */
	uint32_t done;	/* ... and has finished it with `result` */
	handle_t child;
	int64_t result;
} meeting;

static void
load_each_round(void *arg)
{
	const struct archive_file *file = arg;
	const char *const argv[] = {"proc", NULL};
	struct proc_args args = {ADDR(argv), ADDR(argv + 1)};
	struct proc_entry entry;

	for (uint32_t i = 1; i <= MEETINGS; i++) {
		while (__atomic_load_n(&meeting.round, __ATOMIC_SEQ_CST) != i) {
			yield();
		}
		meeting.result = proc_load(meeting.child, file->data, file->size, &args, &entry);
		__atomic_store_n(&meeting.done, i, __ATOMIC_SEQ_CST);
	}
}

static void
pause_for(uint64_t turns)
{
	for (volatile uint64_t i = 0; i < turns; i++) {
	}
}

/* meet: a copy of this process, whose space must go when it is loaded, is loaded by one thread while
 * another one gives it a thread. */
static void
meet(uint32_t round, uint64_t turns)
{
	struct thread_regs regs = {.rip = ADDR(spin), .rsp = ADDR(&regs), .rflags = 0x200};
	int64_t thread, child = proc_fork(HANDLE_SELF, NULL, 0);

	REQUIRE(child > 0);
	meeting.child = (handle_t)child;
	__atomic_store_n(&meeting.round, round, __ATOMIC_SEQ_CST);
	pause_for(turns);
	thread = thread_create((handle_t)child, &regs, THREAD_CREATE_STOPPED);
	while (__atomic_load_n(&meeting.done, __ATOMIC_SEQ_CST) != round) {
		yield();
	}
	if (thread < 0) {
		EXPECT_EQ(thread, -EBUSY);
		EXPECT_EQ(meeting.result, 0);
	} else {
		EXPECT(meeting.result == 0 || meeting.result == -EBUSY);
		handle_close((handle_t)thread);
	}
	EXPECT_EQ(proc_kill((handle_t)child, STATUS), 0);
	expect_end((handle_t)child, PROC_KILLED, STATUS);
}

static void
thread_meets_load(void)
{
	uint64_t random = clock_now() | 1;
	struct archive_file file;
	struct user_thread loader;

	REQUIRE(archive_find("bin/hello", &file));
	REQUIRE_EQ(thread_start(&loader, load_each_round, &file, 0), 0);
	for (uint32_t i = 1; i <= MEETINGS; i++) {
		meet(i, random_next(&random) % 2000);
	}
	REQUIRE_EQ(thread_join(&loader), 0);
}

static const struct tap_test tests[] = {
    {"a program is told its arguments, environment and auxiliary vector", spawn_tells},
    {"a thousand arguments arrive", spawn_many_arguments},
    {"too many arguments are refused and nothing is lost", spawn_too_many},
    {"what is not in the archive is not started", spawn_nothing},
    {"a position-independent program is loaded", spawn_pie},
    {"the exit status arrives whole", exit_status},
    {"the end of the last thread ends the process with status 0", last_thread},
    {"exceptions end a process with their kind", exceptions},
    {"wild addresses end a process with the address", wild_addresses},
    {"a spinning process is killed", kill_spinning},
    {"a sleeping or waiting process is killed", kill_sleeping},
    {"a process that reads the console is killed", kill_reading},
    {"a process is killed in the midst of faults and wiring", kill_in_memory_calls},
    {"a process is killed in the midst of forks, threads and loads", kill_in_process_calls},
    {"a process that is being loaded gets no thread, and one that has a thread is not loaded",
     thread_meets_load},
    {"a process is killed once, and can be asked about it", kill_twice},
    {"a process whose thread never ran is killed", kill_stopped},
    {"a process kills itself", kill_self},
    {"waiting for a process ends at the deadline", wait_times_out},
    {"a process outlives its handle and leaves nothing", handle_closed_first},
    {"the child of a fork has the handles given to it and no others", handles_given},
    {"processes are listed by ascending id until they end", listed},
};

int
main(int argc, char **argv, char **envp)
{
	if (argc > 1 && strcmp(argv[1], CHILD_MARK) == 0) {
		return child_main(argc, argv, envp);
	}
	return tap_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}

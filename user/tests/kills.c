/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of one space that are killed in the midst of what the kernel does for them, and threads that
 * change the same range at once.  Nothing may be lost by either.
 *
 * A victim does one thing for ever: faults, growth, forks, waits ...  Several of them do so at once, each
 * with an area of its own; a killer ends one of them after a time that differs each time, waits for its
 * end, takes its area away and starts it again.  What the victim was doing when it died is left to
 * chance; with as many kills as here each step of it has its turn.  Nothing is expected of time: a slow
 * machine only kills at other places.
 *
 * Children that a victim had started live on for a moment, and end by themselves.
 */
#include <pagoda/archive.h>
#include <pagoda/memory.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define VICTIMS	    3
#define KILLS	    12
#define ROUNDS	    3
#define SLACK	    64
#define PATIENCE_MS 60000

#define AREA_BASE  0x600000000000ul /* where first fit puts nothing */
#define AREA_BYTES (1ul << 21)
#define PAGES	   16
#define BYTES	   (PAGES * PAGE_SIZE)
#define STACK	   (1ul << 20)

#define TIMER		0xfed00000ul /* high-precision event timer: a device that nobody drives */
#define TIMER_VENDOR	0x8086
#define TIMER_ID_VENDOR 16

struct victim {
	struct user_thread thread;
	uint64_t area, random;
	void (*step)(struct victim *v);
};

static struct victim victims[VICTIMS];
static handle_t device;
static struct archive_file program;

static uint64_t
choose(struct victim *v, uint64_t n)
{
	return (random_next(&v->random) >> 16) % n;
}

static void
map_at(uint64_t addr, uint64_t bytes, uint64_t flags)
{
	REQUIRE_EQ(vm_map(HANDLE_SELF, addr, bytes,
			  VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED | flags), 0, 0),
		   addr);
}

static void
touch_pages(uint64_t addr, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++) {
		touch(addr + i * PAGE_SIZE);
	}
}

/* ---- What victims do ---- */

static void
fault(struct victim *v)
{
	map_at(v->area, BYTES, 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		EXPECT_EQ(peek(v->area + i * PAGE_SIZE), 0);
		touch(v->area + i * PAGE_SIZE);
	}
	REQUIRE_EQ(vm_protect(HANDLE_SELF, v->area, BYTES, PROT_READ, 0), 0);
	EXPECT_EQ(peek(v->area), 1);
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, v->area, BYTES), 0);
}

/* Down to the guard, by steps of all sizes. */
static void
grow(struct victim *v)
{
	uint64_t low = v->area + STACK / 4, at = v->area + STACK - PAGE_SIZE;

	map_at(v->area, STACK, VM_MAP_FLAG_STACK);
	while (at > low) {
		touch(at);
		at -= PAGE_SIZE * (1 + choose(v, 48));
	}
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, v->area, STACK), 0);
}

/* A copy that never runs, and is written to from here. */
static void
copy(struct victim *v)
{
	uint64_t word = 7;
	int64_t child;

	map_at(v->area, BYTES, 0);
	touch_pages(v->area, PAGES);
	child = proc_fork(HANDLE_SELF, NULL, 0);
	if (child < 0) {
		return; /* no handle left: those of the killed stay until the end */
	}
	touch_pages(v->area, PAGES / 2);
	EXPECT_EQ(vm_write((handle_t)child, v->area, &word, sizeof(word)), sizeof(word));
	EXPECT_EQ(vm_read((handle_t)child, v->area, &word, sizeof(word)), sizeof(word));
	EXPECT_EQ(word, 7);
	handle_close((handle_t)child);
}

static void
child_main(void *arg)
{
	const struct victim *v = arg;

	touch_pages(v->area, PAGES);
	proc_exit(0);
}

/* A copy that runs: on its copy of the victim's stack, whose contents it does not need. */
static void
fork_and_run(struct victim *v)
{
	struct proc_status status;
	struct thread_regs regs;
	int64_t child, thread;

	map_at(v->area, BYTES, 0);
	touch_pages(v->area, PAGES);
	child = proc_fork(HANDLE_SELF, NULL, 0);
	if (child < 0) {
		return;
	}
	thread_regs_init(&regs, child_main, v, v->thread.stack_low + v->thread.stack_size);
	thread = thread_create((handle_t)child, &regs, 0);
	if (thread > 0) {
		handle_close((handle_t)thread);
		touch_pages(v->area, PAGES);
		REQUIRE_EQ(proc_wait((handle_t)child, &status, UINT64_MAX), 0);
		EXPECT_EQ(status.how, PROC_EXITED);
		EXPECT_EQ(status.value, 0);
	}
	handle_close((handle_t)child);
}

/* A copy whose space is exchanged for a program's. */
static void
fork_and_load(struct victim *v)
{
	const char *const argv[] = {"hello", NULL};
	struct proc_args args = {ADDR(argv), ADDR(argv + 1)};
	int64_t child = proc_fork(HANDLE_SELF, NULL, 0);
	struct proc_entry entry;

	(void)v;
	if (child < 0) {
		return;
	}
	EXPECT_EQ(proc_load((handle_t)child, program.data, program.size, &args, &entry), 0);
	handle_close((handle_t)child);
}

/* Half of them with a deadline, half until the end; now and then somebody is woken. */
static void
wait_on_word(struct victim *v)
{
	static uint32_t word;

	if (choose(v, 4) == 0) {
		(void)futex_wake(&word, 1 + choose(v, 2));
	} else {
		(void)futex_wait(&word, 0,
				 choose(v, 2) == 0 ? UINT64_MAX : (uint64_t)clock_now() + 100000);
	}
}

static void
wire(struct victim *v)
{
	map_at(v->area, BYTES, 0);
	/* Together they may be over the limit: then it is refused. */
	if (vm_wire(HANDLE_SELF, v->area, BYTES) == 0) {
		touch_pages(v->area, PAGES);
		REQUIRE_EQ(vm_unwire(HANDLE_SELF, v->area, BYTES / 2), 0);
	}
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, v->area, BYTES), 0);
}

/* All that changes a range and keeps its contents, or a part of them. */
static void
change(struct victim *v)
{
	uint64_t to = v->area + AREA_BYTES / 2;
	uint8_t pages[PAGES];

	map_at(v->area, BYTES, 0);
	touch_pages(v->area, PAGES);
	for (uint32_t advice = ADVICE_NORMAL; advice <= ADVICE_DONTNEED; advice++) {
		REQUIRE_EQ(vm_advise(HANDLE_SELF, v->area + PAGE_SIZE, 4 * PAGE_SIZE, advice), 0);
	}
	REQUIRE_EQ(vm_sync(HANDLE_SELF, v->area, BYTES, VM_SYNC_INVALIDATE), 0);
	REQUIRE_EQ(vm_advise(HANDLE_SELF, v->area, BYTES, ADVICE_NORMAL), 0);
	REQUIRE_EQ(vm_move(HANDLE_SELF, v->area, BYTES, BYTES + PAGE_SIZE, VM_MOVE_FIXED, to), to);
	EXPECT_EQ(peek(to), 1);
	REQUIRE_EQ(vm_discard(HANDLE_SELF, to, BYTES / 2), 0);
	EXPECT_EQ(peek(to), 0);
	REQUIRE_EQ(vm_residency(HANDLE_SELF, to, BYTES, pages), 0);
	EXPECT((pages[PAGES - 1] & PAGE_RESIDENT) != 0);
	REQUIRE_EQ(vm_advise(HANDLE_SELF, to, BYTES, ADVICE_FREE), 0);
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, to, BYTES + PAGE_SIZE), 0);
}

/* Shared memory with copies of copies. */
static void
share(struct victim *v)
{
	int64_t object = object_create(BYTES), child;

	if (object < 0) {
		return;
	}
	REQUIRE_EQ(vm_map(HANDLE_SELF, v->area, BYTES,
			  VM_MAP_ARGS(PROT_RW, PROT_RW,
				      VM_MAP_FLAG_FIXED | VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED),
			  (handle_t)object, 0),
		   v->area);
	handle_close((handle_t)object);
	map_at(v->area + BYTES, BYTES, 0);
	touch_pages(v->area, 2 * PAGES);
	REQUIRE_EQ(vm_inherit(HANDLE_SELF, v->area + BYTES, BYTES / 2, INHERIT_SHARE), 0);
	child = proc_fork(HANDLE_SELF, NULL, 0);
	touch_pages(v->area, 2 * PAGES);
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, v->area, 2 * BYTES), 0);
	if (child > 0) {
		handle_close((handle_t)child);
	}
}

static void
use_device(struct victim *v)
{
	volatile uint64_t *id = (volatile uint64_t *)v->area;

	REQUIRE_EQ(vm_map(HANDLE_SELF, v->area, PAGE_SIZE,
			  VM_MAP_ARGS(PROT_RW, PROT_RW,
				      VM_MAP_FLAG_FIXED | VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED),
			  device, 0),
		   v->area);
	EXPECT_EQ(*id >> TIMER_ID_VENDOR & 0xffff, TIMER_VENDOR);
	if (vm_wire(HANDLE_SELF, v->area, PAGE_SIZE) == 0) {
		REQUIRE_EQ(vm_unwire(HANDLE_SELF, v->area, PAGE_SIZE), 0);
	}
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, v->area, PAGE_SIZE), 0);
}

/* They all lie on the same stack, where each stores the same. */
static uint8_t sleepers_stack[PAGE_SIZE] __attribute__((aligned(16)));

static void
sleeper(void *arg)
{
	static uint32_t never;

	(void)arg;
	for (;;) {
		(void)futex_wait(&never, 0, UINT64_MAX);
	}
}

/* A thread that is made, stopped, looked at, changed and killed by one that is itself. */
static void
handle_thread(struct victim *v)
{
	struct thread_regs regs;
	handle_t thread;
	int64_t result;

	(void)v;
	thread_regs_init(&regs, sleeper, NULL, ADDR(sleepers_stack + PAGE_SIZE));
	result = thread_create(HANDLE_SELF, &regs, THREAD_CREATE_STOPPED);
	if (result < 0) {
		return;
	}
	thread = (handle_t)result;
	REQUIRE_EQ(thread_get(thread, THREAD_REGS, &regs, sizeof(regs)), sizeof(regs));
	REQUIRE_EQ(thread_set(thread, THREAD_REGS, &regs, sizeof(regs)), 0);
	REQUIRE_EQ(thread_resume(thread), 0);
	REQUIRE_EQ(thread_stop(thread), 0);
	REQUIRE_EQ(thread_get(thread, THREAD_REGS, &regs, sizeof(regs)), sizeof(regs));
	REQUIRE_EQ(thread_resume(thread), 0);
	REQUIRE_EQ(thread_kill(thread), 0);
	REQUIRE_EQ(thread_wait(thread, UINT64_MAX), 0);
	handle_close(thread);
}

/* ---- Killing them ---- */

static void
live(void *arg)
{
	struct victim *v = arg;

	for (;;) {
		v->step(v);
	}
}

static void
start_victim(struct victim *v)
{
	REQUIRE_EQ(thread_start(&v->thread, live, v, 0), 0);
}

/* wait_a_little: from nothing to some milliseconds. */
static void
wait_a_little(uint64_t random)
{
	if (random % 4 == 0) {
		sleep_ms(random / 4 % 3);
	}
	for (volatile uint64_t i = random >> 8 & ((1ul << (random >> 4) % 14) - 1); i > 0; i--) {
	}
}

static void
arena(void *arg)
{
	uint64_t random = (uint64_t)clock_now() | 1;
	int64_t object = object_device(HANDLE_BOOT_PHYSMEM, TIMER, PAGE_SIZE, DEVICE_UNCACHED);

	REQUIRE(object > 0);
	device = (handle_t)object;
	for (uint64_t i = 0; i < VICTIMS; i++) {
		victims[i].area = AREA_BASE + i * AREA_BYTES;
		victims[i].random = random_next(&random) | 1;
		victims[i].step = (void (*)(struct victim *))arg;
		start_victim(&victims[i]);
	}
	for (unsigned i = 0; i < KILLS; i++) {
		struct victim *v = &victims[random_next(&random) % VICTIMS];

		wait_a_little(random_next(&random) >> 8);
		REQUIRE_EQ(thread_kill(v->thread.handle), 0);
		REQUIRE_EQ(thread_join(&v->thread), 0);
		REQUIRE_EQ(vm_unmap(HANDLE_SELF, v->area, AREA_BYTES), 0);
		start_victim(v);
	}
}

/* await_children: of victims that were killed before they had waited for them.  Without any there are
 * `procs` processes. */
static void
await_children(uint64_t procs)
{
	struct system_info now;

	for (unsigned i = 0; i < PATIENCE_MS; i++) {
		REQUIRE_EQ(system_info(&now), 0);
		if (now.procs <= procs) {
			break;
		}
		sleep_ms(1);
	}
}

static void
kill_in(void (*step)(struct victim *v))
{
	struct system_info before;

	REQUIRE_EQ(system_info(&before), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		EXPECT_SURVIVES(arena, step);
		await_children(before.procs);
		if (i == 0) {
			tap_counts(&before); /* the first one warms up the kernel's caches */
		}
	}
	tap_no_leak(&before, SLACK);
}

/* ---- The same range ---- */

#define HANDS	    4
#define QUARRELS    200
#define RANGE_PAGES 24ul
#define HERE	    (AREA_BASE + VICTIMS * AREA_BYTES)
#define THERE	    (HERE + AREA_BYTES)

/* A part of the range, here or where it is moved to. */
struct part {
	uint64_t addr, bytes, other; /* other: the same part of the other place */
};

static struct part
choose_part(struct victim *v)
{
	uint64_t first = choose(v, RANGE_PAGES), pages = 1 + choose(v, RANGE_PAGES - first);
	uint64_t offset = first * PAGE_SIZE, here = HERE + offset, there = THERE + offset;

	return choose(v, 4) == 0 ? (struct part){there, pages * PAGE_SIZE, here}
				 : (struct part){here, pages * PAGE_SIZE, there};
}

/* fork_looking: a copy of all this, from which the part is read. */
static int64_t
fork_looking(const struct part *p)
{
	int64_t child = proc_fork(HANDLE_SELF, NULL, 0);
	uint64_t word;

	if (child > 0) {
		(void)vm_read((handle_t)child, p->addr, &word, sizeof(word));
		(void)vm_write((handle_t)child, p->addr, &word, sizeof(word));
		handle_close((handle_t)child);
	}
	return child;
}

static int64_t
replace_part(struct victim *v, const struct part *p)
{
	uint64_t flags = VM_MAP_FLAG_FIXED | (choose(v, 2) == 0 ? VM_MAP_FLAG_POPULATE : 0);

	return vm_map(HANDLE_SELF, p->addr, p->bytes, VM_MAP_ARGS(PROT_RW, PROT_RW, flags), 0, 0);
}

/* quarrel_once: one call on a part of the range.  It may be refused: the others are at it, too. */
static int64_t
quarrel_once(struct victim *v)
{
	static const uint32_t prots[] = {PROT_RW, PROT_READ, 0};
	struct part p = choose_part(v);
	uint8_t pages[RANGE_PAGES];
	uint64_t words[4];

	switch (choose(v, 14)) {
	case 0:
	case 1:
		return replace_part(v, &p);
	case 2:
		return vm_unmap(HANDLE_SELF, p.addr, p.bytes);
	case 3:
		return vm_protect(HANDLE_SELF, p.addr, p.bytes, prots[choose(v, 3)], 0);
	case 4:
		return vm_advise(HANDLE_SELF, p.addr, p.bytes,
				 (uint32_t)choose(v, ADVICE_CORE + 1));
	case 5:
		return vm_discard(HANDLE_SELF, p.addr, p.bytes);
	case 6:
		return vm_move(HANDLE_SELF, p.addr, p.bytes, p.bytes, VM_MOVE_FIXED, p.other);
	case 7:
		return vm_sync(HANDLE_SELF, p.addr, p.bytes, VM_SYNC_INVALIDATE);
	case 8:
		return vm_residency(HANDLE_SELF, p.addr, p.bytes, pages);
	case 9:
		return choose(v, 3) != 0 ? vm_wire(HANDLE_SELF, p.addr, p.bytes)
					 : vm_unwire(HANDLE_SELF, p.addr, p.bytes);
	case 10:
		return vm_inherit(HANDLE_SELF, p.addr, p.bytes,
				  (uint32_t)choose(v, INHERIT_ZERO + 1));
	case 11:
		return fork_looking(&p);
	case 12: /* through the page table, by the kernel, which takes a fault for an answer */
		return limit_get(HANDLE_SELF, LIMIT_STACK, (struct limit *)p.addr);
	default: /* ... and through the direct map */
		memset(words, 0x5a, sizeof(words));
		return choose(v, 2) == 0 ? vm_write(HANDLE_SELF, p.addr, words, sizeof(words))
					 : vm_read(HANDLE_SELF, p.addr, words, sizeof(words));
	}
}

static void
quarrel(void *arg)
{
	struct victim *v = arg;
	int64_t result;

	for (unsigned i = 0; i < QUARRELS; i++) {
		result = quarrel_once(v);
		EXPECT(result != -EBADF && result != -EINTR && result != -ESRCH);
	}
}

/* quarrel_over: several threads at once, and then nothing is left of the range. */
static void
quarrel_over(uint64_t random)
{
	struct victim hand[HANDS];
	struct proc_info info;

	for (unsigned i = 0; i < HANDS; i++) {
		hand[i].random = random_next(&random) | 1;
		REQUIRE_EQ(thread_start(&hand[i].thread, quarrel, &hand[i], 0), 0);
	}
	for (unsigned i = 0; i < HANDS; i++) {
		REQUIRE_EQ(thread_join(&hand[i].thread), 0);
	}
	REQUIRE_EQ(vm_unmap(HANDLE_SELF, HERE, THERE + AREA_BYTES - HERE), 0);
	REQUIRE_EQ(proc_info((uint64_t)proc_id(HANDLE_SELF), &info), 0);
	EXPECT_EQ(info.wired, 0);
}

static void
one_range(void)
{
	uint64_t random = (uint64_t)clock_now() | 1;
	struct system_info before = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		quarrel_over(random_next(&random));
		if (i == 0) {
			tap_counts(&before);
		}
	}
	tap_no_leak(&before, SLACK);
}

static void
killed_in_faults(void)
{
	kill_in(fault);
}

static void
killed_in_growth(void)
{
	kill_in(grow);
}

static void
killed_in_forks(void)
{
	kill_in(copy);
	kill_in(fork_and_run);
}

static void
killed_in_loads(void)
{
	REQUIRE(archive_find("bin/hello", &program));
	kill_in(fork_and_load);
}

static void
killed_in_futex(void)
{
	kill_in(wait_on_word);
}

static void
killed_in_wiring(void)
{
	kill_in(wire);
}

static void
killed_in_changes(void)
{
	kill_in(change);
}

static void
killed_in_sharing(void)
{
	kill_in(share);
}

static void
killed_over_device(void)
{
	kill_in(use_device);
}

static void
killed_over_threads(void)
{
	kill_in(handle_thread);
}

static const struct tap_test tests[] = {
    {"killed in faults, protect and unmap, threads leave nothing", killed_in_faults},
    {"killed while their stacks grow, threads leave nothing", killed_in_growth},
    {"killed in forks, threads leave nothing", killed_in_forks},
    {"killed while they load a program, threads leave nothing", killed_in_loads},
    {"killed while they wait for a word, threads leave nothing", killed_in_futex},
    {"killed while they wire memory, threads leave nothing", killed_in_wiring},
    {"killed in advice, sync, move and discard, threads leave nothing", killed_in_changes},
    {"killed while they share memory, threads leave nothing", killed_in_sharing},
    {"killed over a device, threads leave nothing", killed_over_device},
    {"killed while they make, stop and kill threads, threads leave nothing", killed_over_threads},
    {"several threads change one range at once, and nothing of it is left in the end", one_range},
};
TAP_MAIN(tests)

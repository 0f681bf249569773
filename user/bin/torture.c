/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * torture: many threads of one space do what the kernel offers, and kill each other.
 *
 *	torture [SECONDS [SEED]]	10 seconds, seed from the clock
 *
 * The program runs arenas, one after the other: a process with workers, each of which does what its
 * random numbers say to an area of its own, knows what every page of it must hold, and looks.  They also
 * stop and kill one another, wherever the other one is; who has killed takes the victim's area and stack
 * away and starts it anew.  In the end the arena leaves with all its workers at work.  Afterwards nothing
 * may be lost: processes, threads, objects, page tables, charges are as before.
 *
 * Who kills may be killed.  Before A lays hand on B it says so in A.holds, and then claims B (B.holder).
 * Whoever has killed A finds B in A.holds, and if the claim is A's, does to B what A had begun: each step
 * of a replacement may be done twice.  A worker claims only those behind it in an order, which differs
 * from arena to arena, so there is always one who goes on.  Handles of threads are never closed: if their
 * numbers were used again, the wrong thread would die.
 *
 * The seed is printed: the same one makes the same arenas of the same operations; how processors take
 * turns is not in it.  Status 0: nothing was wrong; 1: a page or a count was.
 */
#include <pagoda/stdio.h>
#include <pagoda/string.h>

#include "torture/torture.h"

#define AREA_BASE   0x600000000000ul /* where first fit puts nothing */
#define STACK_BASE  0x610000000000ul
#define ARENA_MS    400
#define ARENA_KILLS 250 /* each may cost three handles, of a thousand */
#define ORPHANS_MS  60000
#define FREE_SLACK  512 /* pages in caches of objects, whatever arenas did before */

#define OPERATIONS_MAX 32

static struct worker workers[WORKERS]; /* numbered from 1 */
static uint32_t first;		       /* the order of claims begins here */
static uint32_t kills_left;
static uint32_t words[4]; /* to wait for */

/* Shared by all arenas. */
static struct account {
	uint64_t done;			 /* operations begun */
	uint64_t killed[OPERATIONS_MAX]; /* how many were killed while they did what */
} * account;

/* ---- Help ---- */

uint64_t
choose(struct worker *w, uint64_t n)
{
	return (random_next(&w->random) >> 16) % n;
}

static uint32_t
number(const struct worker *w)
{
	return (uint32_t)(w - workers) + 1;
}

/* fail: the output's lock may be that of a killed thread, so the line goes out at once. */
_Noreturn void
fail(const struct worker *w, const char *what, uint64_t addr, int64_t result)
{
	char line[160];

	snprintf(line, sizeof(line), "torture: worker %u: %s at %#lx: %ld\n", number(w), what, addr,
		 (long)result);
	stdout_flush();
	console_write(line, strlen(line));
	proc_exit(1);
}

void
must(const struct worker *w, int64_t result, const char *what, uint64_t addr)
{
	if (result < 0) {
		fail(w, what, addr, result);
	}
}

/* ---- Stacks and words ---- */

static uint64_t
recurse(uint64_t depth)
{
	volatile uint8_t frame[2000];

	frame[0] = (uint8_t)depth;
	if (depth > 0) {
		(void)recurse(depth - 1);
	}
	return frame[0] == (uint8_t)depth ? 0 : 1;
}

static void
grow(struct worker *w, struct slot *s)
{
	(void)s;
	if (recurse(choose(w, 200)) != 0) {
		fail(w, "a stack frame has changed", 0, 0);
	}
}

static void
wait_or_wake(struct worker *w, struct slot *s)
{
	uint32_t *word = &words[choose(w, sizeof(words) / sizeof(words[0]))];
	uint32_t now = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	int64_t result;

	(void)s;
	if (choose(w, 2) == 0) {
		__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
		must(w, futex_wake(word, 1 + choose(w, 2)), "wake", 0);
		return;
	}
	result = futex_wait(word, now, (uint64_t)clock_now() + choose(w, 2 * NS_PER_MS));
	if (result != -EAGAIN && result != -ETIMEDOUT) {
		must(w, result, "wait for a word", 0);
	}
}

/* ---- Each other ---- */

static void start(struct worker *w);
static void work(void *arg);

/* replace: w, which is held, ends wherever it is, and what it had goes; it begins anew. */
static void
replace(struct worker *w)
{
	struct worker *v;

	if (w->thread != 0) {
		must(w, thread_kill(w->thread), "kill", 0);
		must(w, thread_wait(w->thread, UINT64_MAX), "wait", 0);
		__atomic_fetch_add(&account->killed[w->doing], 1, __ATOMIC_RELAXED);
	}
	v = w->holds == 0 ? NULL : &workers[w->holds - 1];
	if (v != NULL && v->holder == number(w)) {
		replace(v);
		__atomic_store_n(&v->holder, 0, __ATOMIC_SEQ_CST);
	}
	w->holds = 0;
	start(w);
}

/* start: w, which has no thread, gets a fresh area, a fresh stack, and a thread.  That runs only when its
 * handle is known: if we die before, it never does. */
static void
start(struct worker *w)
{
	struct thread_regs regs;

	must(w, vm_unmap(HANDLE_SELF, w->area, AREA_BYTES), "unmap the area", w->area);
	must(w, vm_unmap(HANDLE_SELF, w->stack, STACK_BYTES), "unmap the stack", w->stack);
	must(w,
	     vm_map(HANDLE_SELF, w->stack, STACK_BYTES,
		    VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_STACK | VM_MAP_FLAG_FIXED), 0, 0),
	     "map a stack", w->stack);
	memset(w->slot, 0, sizeof(w->slot));
	thread_regs_init(&regs, work, w, w->stack + STACK_BYTES);
	w->thread = 0;
	w->thread = (handle_t)thread_create(HANDLE_SELF, &regs, THREAD_CREATE_STOPPED);
	must(w, w->thread, "create", 0);
	must(w, thread_resume(w->thread), "resume", 0);
}

/* position: where w is in the order of claims. */
static uint32_t
position(const struct worker *w)
{
	return (number(w) - 1 + WORKERS - first) % WORKERS;
}

/* claim_other: some other worker, to be killed or stopped; NULL: not this time. */
static struct worker *
claim_other(struct worker *w)
{
	struct worker *v = &workers[choose(w, WORKERS)];
	uint32_t nobody = 0;

	if (position(v) <= position(w)) {
		return NULL;
	}
	__atomic_store_n(&w->holds, number(v), __ATOMIC_SEQ_CST);
	if (__atomic_compare_exchange_n(&v->holder, &nobody, number(w), false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST)) {
		return v;
	}
	__atomic_store_n(&w->holds, 0, __ATOMIC_SEQ_CST);
	return NULL;
}

static void
let_go(struct worker *w, struct worker *v)
{
	__atomic_store_n(&v->holder, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&w->holds, 0, __ATOMIC_SEQ_CST);
}

static bool
may_kill(void)
{
	return (int32_t)__atomic_fetch_sub(&kills_left, 1, __ATOMIC_RELAXED) > 0;
}

static void
kill_other(struct worker *w, struct slot *s)
{
	struct worker *v = claim_other(w);

	(void)s;
	if (v != NULL && may_kill()) {
		replace(v);
	}
	if (v != NULL) {
		let_go(w, v);
	}
}

/* stop_other: its registers are looked at and put back, while it stands still.  That it wakes from a call
 * just then is no mistake (EBUSY). */
static void
stop_other(struct worker *w, struct slot *s)
{
	struct worker *v = claim_other(w);
	struct thread_regs regs;
	int64_t result;

	(void)s;
	if (v == NULL) {
		return;
	}
	must(w, thread_stop(v->thread), "stop", 0);
	result = thread_get(v->thread, THREAD_REGS, &regs, sizeof(regs));
	if (result != -EBUSY) {
		must(w, result, "get registers", 0);
		result = thread_set(v->thread, THREAD_REGS, &regs, sizeof(regs));
	}
	if (result != -EBUSY) {
		must(w, result, "set registers", 0);
	}
	must(w, thread_resume(v->thread), "resume", 0);
	let_go(w, v);
}

/* ---- The arena ---- */

static const struct operation {
	operation *run;
	uint32_t weight;
	const char *name;
} operations[] = {
    {map_slot, 12, "map"},
    {write_slot, 20, "write"},
    {check_slot, 8, "check"},
    {shrink_slot, 8, "unmap"},
    {protect_slot, 8, "protect"},
    {advise_slot, 6, "advise"},
    {discard_slot, 4, "discard"},
    {move_slot, 6, "move"},
    {sync_slot, 4, "sync"},
    {share_slot, 2, "share"},
    {wire_slot, 6, "wire"},
    {use_device, 4, "device"},
    {grow, 6, "grow"},
    {wait_or_wake, 6, "wait"},
    {fork_worker, 3, "fork"},
    {load_program, 1, "load"},
    {kill_other, 8, "kill"},
    {stop_other, 3, "stop"},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))
_Static_assert(OPERATIONS <= OPERATIONS_MAX, "the account has no room for all");

static uint32_t
choose_operation(struct worker *w)
{
	uint64_t all = 0, at;
	uint32_t i = 0;

	for (uint32_t k = 0; k < OPERATIONS; k++) {
		all += operations[k].weight;
	}
	for (at = choose(w, all); at >= operations[i].weight; i++) {
		at -= operations[i].weight;
	}
	return i;
}

static void
work(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		w->doing = choose_operation(w);
		__atomic_fetch_add(&account->done, 1, __ATOMIC_RELAXED);
		operations[w->doing].run(w, &w->slot[choose(w, SLOTS)]);
	}
}

/* The arena's first thread, which nobody kills, is before all others in the order. */
#define FIRST_THREAD (WORKERS + 1)

static void
start_all(uint64_t *random)
{
	first = (uint32_t)(random_next(random) >> 16) % WORKERS;
	kills_left = ARENA_KILLS;
	for (uint64_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){
		    .holder = FIRST_THREAD,
		    .area = AREA_BASE + i * AREA_BYTES,
		    .stack = STACK_BASE + i * 2 * STACK_BYTES,
		    .random = random_next(random) | 1,
		};
	}
	for (uint64_t i = 0; i < WORKERS; i++) {
		start(&workers[i]);
		__atomic_store_n(&workers[i].holder, 0, __ATOMIC_SEQ_CST);
	}
}

static void
arena(void *arg)
{
	uint64_t random = (uint64_t)arg, end = (uint64_t)clock_now() + ARENA_MS * NS_PER_MS;
	int64_t object = object_device(HANDLE_BOOT_PHYSMEM, TIMER, PAGE_SIZE, DEVICE_UNCACHED);

	must(&workers[0], object, "make a device", TIMER);
	torture_device = (handle_t)object;
	start_all(&random);
	while ((uint64_t)clock_now() < end) {
		struct worker *v = &workers[(random_next(&random) >> 16) % WORKERS];
		uint32_t nobody = 0;

		sleep_ms((random_next(&random) >> 16) % 20);
		if (__atomic_compare_exchange_n(&v->holder, &nobody, FIRST_THREAD, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			if (may_kill()) {
				replace(v);
			}
			__atomic_store_n(&v->holder, 0, __ATOMIC_SEQ_CST);
		}
	}
	proc_exit(0);
}

/* await_orphans: copies whose worker was killed end by themselves. */
static void
await_orphans(void)
{
	struct system_info now = {.procs = 2};

	for (int i = 0; i < ORPHANS_MS && system_info(&now) == 0 && now.procs > 1; i++) {
		sleep_ms(1);
	}
}

static void
print_account(uint64_t arenas)
{
	uint64_t kills = 0;

	for (uint32_t i = 0; i < OPERATIONS; i++) {
		kills += account->killed[i];
	}
	printf("torture: %lu arenas, %lu operations, %lu killed:", arenas, account->done, kills);
	for (uint32_t i = 0; i < OPERATIONS; i++) {
		printf(" %s %lu", operations[i].name, account->killed[i]);
	}
	printf("\n");
}

/* run: arenas for so many seconds; true: nothing was wrong. */
static bool
run(uint64_t seconds, uint64_t seed)
{
	uint64_t random = seed * 2 + 1, end = (uint64_t)clock_now() + seconds * NS_PER_SEC,
		 arenas = 0;
	struct system_info before = {0};

	while ((uint64_t)clock_now() < end) {
		struct proc_status status = tap_run(arena, (void *)(random_next(&random) | 1));

		arenas++;
		if (status.how != PROC_EXITED || status.value != 0) {
			printf("torture: arena %lu ended badly\n", arenas);
			return false;
		}
		await_orphans();
		if (arenas == 5) {
			tap_counts(&before);
		}
		if (arenas > 5 && !tap_no_leak(&before, FREE_SLACK)) {
			printf("torture: arena %lu left something behind\n", arenas);
			return false;
		}
	}
	print_account(arenas);
	return true;
}

int
main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
	uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (uint64_t)clock_now() % 1000000;

	if (argc > 1 && strcmp(argv[1], END_MARK) == 0) {
		return 0;
	}
	account = map_shared(sizeof(*account));
	if (account == NULL || !archive_find("bin/torture", &torture_image)) {
		printf("torture: no memory, or no archive\n");
		return 1;
	}
	printf("torture: %lu seconds, seed %lu\n", seconds, seed);
	if (!run(seconds, seed)) {
		return 1;
	}
	printf("torture: nothing was wrong\n");
	return 0;
}

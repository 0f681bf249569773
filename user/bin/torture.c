/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * torture: many threads map, fault, grow, protect, wire, unmap, fork and are killed, in one space.
 *
 *	torture [SECONDS [SEED]]	10 seconds, seed from the clock
 *
 * The program runs arenas, one after the other: a process with workers, each of which does what its
 * random numbers say to an area of its own, knows what every page of it must hold, and looks.  The
 * arena's first thread kills a worker now and then, wherever it is, takes its area away and starts
 * another one.  In the end the arena leaves with all its workers at work.  Afterwards nothing may be
 * lost: processes, threads, objects, page tables, charges are as before.
 *
 * The seed is printed: the same one makes the same arenas of the same operations; how processors take
 * turns is not in it.  Status 0: nothing was wrong; 1: a page or a count was.
 */
#include <pagoda/memory.h>
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define WORKERS	   6
#define SLOTS	   8
#define SLOT_PAGES 16
#define SLOT_BYTES (SLOT_PAGES * PAGE_SIZE)
#define AREA_BYTES (SLOTS * SLOT_BYTES)
#define AREA_BASE  0x600000000000ul /* where first fit puts nothing: stacks come lower */
#define ARENA_MS   400
#define ORPHANS_MS 20000
#define FREE_SLACK 512 /* pages in caches of objects, whatever arenas did before */

/* What a worker knows of a slot. */
struct slot {
	uint64_t seed; /* of its first page */
	uint8_t pages; /* mapped, 0: none */
	uint8_t written;
	bool readonly;
};

struct worker {
	struct user_thread thread;
	uint64_t area, random;
	struct slot slot[SLOTS];
};

static struct worker workers[WORKERS];

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dull >> 16;
}

static uint64_t
choose(struct worker *w, uint64_t n)
{
	return next_random(&w->random) % n;
}

static _Noreturn void
fail(const struct worker *w, const char *what, uint64_t addr, int64_t result)
{
	printf("torture: worker %ld: %s at %#lx: %ld\n", (long)(w - workers), what, addr,
	       (long)result);
	proc_exit(1);
}

static void
must(const struct worker *w, int64_t result, const char *what, uint64_t addr)
{
	if (result < 0) {
		fail(w, what, addr, result);
	}
}

static uint64_t
slot_addr(const struct worker *w, const struct slot *s)
{
	return w->area + (uint64_t)(s - w->slot) * SLOT_BYTES;
}

static void
check_slot(const struct worker *w, const struct slot *s)
{
	uint64_t addr = slot_addr(w, s);

	for (uint64_t i = 0; i < s->pages; i++, addr += PAGE_SIZE) {
		if (i < s->written ? !page_holds(addr, s->seed + i) : !page_is_zero(addr)) {
			fail(w, "a page does not hold what was stored", addr, (int64_t)i);
		}
	}
}

static void
map_slot(struct worker *w, struct slot *s)
{
	uint64_t addr = slot_addr(w, s), pages = 1 + choose(w, SLOT_PAGES);

	must(w,
	     vm_map(HANDLE_SELF, addr, pages * PAGE_SIZE,
		    VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_FIXED), 0, 0),
	     "map", addr);
	*s = (struct slot){.pages = (uint8_t)pages, .seed = next_random(&w->random)};
}

static void
write_slot(struct worker *w, struct slot *s)
{
	if (s->readonly || s->written == s->pages) {
		return;
	}
	for (uint64_t n = 1 + choose(w, 4); n > 0 && s->written < s->pages; n--) {
		fill_page(slot_addr(w, s) + s->written * PAGE_SIZE, s->seed + s->written);
		s->written++;
	}
}

static void
protect_slot(struct worker *w, struct slot *s)
{
	uint64_t addr = slot_addr(w, s);

	if (s->pages == 0) {
		return;
	}
	s->readonly = !s->readonly;
	must(w,
	     vm_protect(HANDLE_SELF, addr, s->pages * PAGE_SIZE, s->readonly ? PROT_READ : PROT_RW,
			0),
	     "protect", addr);
}

static void
shrink_slot(struct worker *w, struct slot *s)
{
	uint64_t keep = choose(w, s->pages + 1ul), addr = slot_addr(w, s) + keep * PAGE_SIZE;

	if (keep == s->pages) {
		return;
	}
	must(w, vm_unmap(HANDLE_SELF, addr, (s->pages - keep) * PAGE_SIZE), "unmap", addr);
	s->pages = (uint8_t)keep;
	s->written = s->written < keep ? s->written : (uint8_t)keep;
}

static void
wire_slot(struct worker *w, struct slot *s)
{
	uint64_t addr = slot_addr(w, s), bytes = s->pages * PAGE_SIZE;

	/* Several workers may be over the limit together: then it is refused. */
	if (s->pages == 0 || vm_wire(HANDLE_SELF, addr, bytes) != 0) {
		return;
	}
	check_slot(w, s);
	must(w, vm_unwire(HANDLE_SELF, addr, bytes), "unwire", addr);
}

static void
check_all(const struct worker *w)
{
	for (uint64_t i = 0; i < SLOTS; i++) {
		check_slot(w, &w->slot[i]);
	}
}

/* A copy sees what was there at the fork, and what it stores is its own. */
static void
fork_worker(struct worker *w)
{
	handle_t child = fork();

	if (child == 0) {
		check_all(w);
		for (uint64_t i = 0; i < SLOTS; i++) {
			write_slot(w, &w->slot[i]);
		}
		check_all(w);
		proc_exit(0);
	}
	if (child < 0) {
		return; /* too many at once, or no memory */
	}
	struct proc_status status;

	must(w, proc_wait(child, &status, UINT64_MAX), "wait", 0);
	handle_close(child);
	if (status.how != PROC_EXITED || status.value != 0) {
		fail(w, "a copy ended badly", (uint64_t)status.how, status.value);
	}
}

static uint64_t
grow(uint64_t depth)
{
	volatile uint8_t frame[2000];

	frame[0] = (uint8_t)depth;
	if (depth > 0) {
		(void)grow(depth - 1);
	}
	return frame[0] == (uint8_t)depth ? 0 : 1;
}

static void
work(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		struct slot *s = &w->slot[choose(w, SLOTS)];

		switch (choose(w, 16)) {
		case 0:
		case 1:
		case 2:
			map_slot(w, s);
			break;
		case 3:
		case 4:
			shrink_slot(w, s);
			break;
		case 5:
		case 6:
			protect_slot(w, s);
			break;
		case 7:
			wire_slot(w, s);
			break;
		case 8:
			if (choose(w, 4) == 0) {
				fork_worker(w);
			}
			break;
		case 9:
			if (grow(choose(w, 200)) != 0) {
				fail(w, "a stack frame has changed", 0, 0);
			}
			break;
		case 10:
		case 11:
			check_slot(w, s);
			break;
		default:
			write_slot(w, s);
		}
	}
}

static void
start_worker(struct worker *w, uint64_t seed)
{
	w->random = seed | 1;
	for (uint64_t i = 0; i < SLOTS; i++) {
		w->slot[i] = (struct slot){0};
	}
	must(w, thread_start(&w->thread, work, w, 0), "start", 0);
}

/* replace_worker: kill it, wherever it is; what it had is taken away. */
static void
replace_worker(struct worker *w, uint64_t seed)
{
	must(w, thread_kill(w->thread.handle), "kill", 0);
	must(w, thread_join(&w->thread), "join", 0);
	must(w, vm_unmap(HANDLE_SELF, w->area, AREA_BYTES), "unmap the area", w->area);
	start_worker(w, seed);
}

static void
arena(void *arg)
{
	uint64_t random = (uint64_t)arg, end = (uint64_t)clock_now() + ARENA_MS * NS_PER_MS;

	for (uint64_t i = 0; i < WORKERS; i++) {
		workers[i].area = AREA_BASE + i * AREA_BYTES;
		start_worker(&workers[i], next_random(&random));
	}
	while ((uint64_t)clock_now() < end) {
		sleep_ms(next_random(&random) % 20);
		replace_worker(&workers[next_random(&random) % WORKERS], next_random(&random));
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

int
main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
	uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (uint64_t)clock_now() % 1000000;
	uint64_t random = seed * 2 + 1, end = (uint64_t)clock_now() + seconds * NS_PER_SEC,
		 arenas = 0;
	struct system_info before = {0};

	printf("torture: %lu seconds, seed %lu\n", seconds, seed);
	while ((uint64_t)clock_now() < end) {
		struct proc_status status = tap_run(arena, (void *)(next_random(&random) | 1));

		arenas++;
		if (status.how != PROC_EXITED || status.value != 0) {
			printf("torture: arena %lu ended badly\n", arenas);
			return 1;
		}
		await_orphans();
		if (arenas == 5) {
			tap_counts(&before);
		}
		if (arenas > 5 && !tap_no_leak(&before, FREE_SLACK)) {
			printf("torture: arena %lu left something behind\n", arenas);
			return 1;
		}
	}
	printf("torture: %lu arenas, nothing was wrong\n", arenas);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * benchsmp: what a second processor is worth, by wall-clock time (`make bench G=smp`, docs/measuring.md).
 *
 * The same work by one thread and by two of one space, each bound to a processor of its own, and that
 * eight times in turn; the least time of each counts.  Scaling is the work done in a second by two over
 * that by one: 2.00 is the best there can be.  The control does nothing but compute: its scaling is what
 * the host gives two processors at all.
 *
 *	benchsmp [WORK...]	all, or those named
 *
 *	smp.WORK.wall1, .wall2	us, one thread and two
 *	smp.WORK_scaling	per cent; of faults: smp.fault_scaling_threads, and _procs: by two processes,
 *				which share nothing but the machine's frames
 *	smp.map_unmap_far_scaling	as smp.map_unmap_scaling, at places of their own instead of side by side
 *	smp.one_lock_scaling	of work of which 45 in 100 parts are done with one lock, in user mode
 *	smp.fault_rate_1thread, _2threads	faults in a second
 *	smp.shootdown		ns that a right taken away costs more if another processor has the space
 */
#include <pagoda/memory.h>
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/thread.h>

#define THREADS	     2
#define REPETITIONS  8
#define ROUNDS	     20	  /* of a region mapped, touched and unmapped */
#define REGION_PAGES 2048 /* 8 MiB */
#define MAPPINGS     20000
#define CALLS	     1000000
#define COMPUTATIONS 40000000
#define SEQUENCES    8
#define PROTECTIONS  2000

#define NS_PER_US 1000

static bool
failed(const char *what, int64_t result)
{
	if (result < 0)
		printf("# benchsmp: %s: %ld\n", what, (long)result);
	return result < 0;
}

/* ---- The work ---- */

static void
compute(unsigned turns)
{
	volatile uint64_t sink;
	uint64_t x = 1;

	for (unsigned i = 0; i < turns; i++)
		x = x * 6364136223846793005ull + 1442695040888963407ull;
	sink = x;
	(void)sink;
}

/* compute_long: eight sequences side by side, so that it needs the whole of a processor's core: where two
 * processors of the host are halves of one, it says so. */
static void
compute_long(void)
{
	volatile uint64_t sink[SEQUENCES];
	uint64_t x[SEQUENCES] = {0};

	for (unsigned i = 0; i < COMPUTATIONS / SEQUENCES; i++) {
		for (unsigned j = 0; j < SEQUENCES; j++)
			x[j] = x[j] * 6364136223846793005ull + 1442695040888963407ull;
	}
	for (unsigned j = 0; j < SEQUENCES; j++)
		sink[j] = x[j];
	(void)sink;
}

static void
touch_regions(void)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		volatile char *p = map_pages(REGION_PAGES * PAGE_SIZE, PROT_RW);

		if (p == NULL)
			exit(1);
		for (unsigned i = 0; i < REGION_PAGES; i++)
			p[i * PAGE_SIZE] = 1;
		unmap_pages((void *)p, REGION_PAGES * PAGE_SIZE);
	}
}

static void
map_and_unmap(void)
{
	for (unsigned n = 0; n < MAPPINGS; n++)
		unmap_pages(map_pages(PAGE_SIZE, PROT_RW), PAGE_SIZE);
}

#define FAR_BASE  (1ul << 40)
#define FAR_APART (1ul << 36)

/* map_far: at a place of its own; each thread has its own processor. */
static void
map_far(void)
{
	uint64_t place = FAR_BASE + (uint64_t)thread_cpu(HANDLE_SELF) * FAR_APART;

	for (unsigned n = 0; n < MAPPINGS; n++) {
		if (vm_map(HANDLE_SELF, place, PAGE_SIZE,
			   VM_MAP_ARGS(PROT_RW, PROT_ALL, VM_MAP_FLAG_FIXED), 0, 0) < 0)
			exit(1);
		unmap_pages((void *)place, PAGE_SIZE);
	}
}

static void
map_touch_unmap(void)
{
	for (unsigned n = 0; n < MAPPINGS; n++) {
		volatile char *p = map_pages(PAGE_SIZE, PROT_RW);

		if (p == NULL)
			exit(1);
		*p = 1;
		unmap_pages((void *)p, PAGE_SIZE);
	}
}

static void
call(void)
{
	for (unsigned n = 0; n < CALLS; n++)
		proc_id(HANDLE_SELF);
}

#define LOCKED	 95 /* of which a thread has the lock, as of mapping and unmapping */
#define UNLOCKED 115

static void
share_a_lock(void)
{
	static uint32_t lock;

	for (unsigned n = 0; n < 2 * MAPPINGS; n++) {
		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE) != 0)
			while (__atomic_load_n(&lock, __ATOMIC_RELAXED) != 0)
				;
		compute(LOCKED);
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
		compute(UNLOCKED);
	}
}

static const struct work {
	const char *name, *scaling;
	void (*fn)(void);
	bool processes; /* each thread in a process of its own */
} works[] = {
    {"control_loop", "control_loop_scaling", compute_long, false},
    {"fault", "fault_scaling_threads", touch_regions, false},
    {"fault_procs", "fault_scaling_procs", touch_regions, true},
    {"map_unmap", "map_unmap_scaling", map_and_unmap, false},
    {"map_unmap_far", "map_unmap_far_scaling", map_far, false},
    {"map_touch", "map_touch_scaling", map_touch_unmap, false},
    {"one_lock", "one_lock_scaling", share_a_lock, false},
    {"null_call", "null_call_scaling", call, false},
};

#define WORKS (sizeof(works) / sizeof(works[0]))

/* ---- One thread, and two ---- */

static const struct work *now_measured;
static struct {
	uint32_t ready, go;
} * start; /* shared with other processes */

static void
worker(void *arg)
{
	if (failed("thread_affinity", thread_affinity(HANDLE_SELF, 1ul << (uint64_t)arg)))
		exit(1);
	yield(); /* to that processor */
	__atomic_add_fetch(&start->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&start->go, __ATOMIC_SEQ_CST) == 0)
		;
	now_measured->fn();
}

/* One that works: a thread of this process, or the only one of another. */
union party {
	struct user_thread thread;
	handle_t proc;
};

static void
begin(union party *p, uint64_t cpu)
{
	if (!now_measured->processes) {
		if (failed("thread_start", thread_start(&p->thread, worker, (void *)cpu, 0)))
			exit(1);
		return;
	}
	p->proc = fork();
	if (failed("fork", p->proc))
		exit(1);
	if (p->proc == HANDLE_SELF) {
		worker((void *)cpu);
		exit(0);
	}
}

static void
await(union party *p)
{
	struct proc_status status;

	if (!now_measured->processes)
		thread_join(&p->thread);
	else if (failed("wait_for", wait_for(p->proc, &status)) || status.value != 0)
		exit(1);
}

/* run: how many ns n parties take, each for the whole work. */
static uint64_t
run(const struct work *w, unsigned n)
{
	union party party[THREADS];
	uint64_t from;

	now_measured = w;
	start->ready = start->go = 0;
	for (unsigned i = 0; i < n; i++)
		begin(&party[i], i);
	while (__atomic_load_n(&start->ready, __ATOMIC_SEQ_CST) < n)
		yield();
	from = clock_now();
	__atomic_store_n(&start->go, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < n; i++)
		await(&party[i]);
	return clock_now() - from;
}

static void
repeat(const struct work *w, uint64_t *best)
{
	for (unsigned i = 0; i < THREADS; i++) {
		uint64_t took = run(w, i + 1);

		if (took < best[i])
			best[i] = took;
	}
}

static void
print_fault_rates(const uint64_t *ns)
{
	const uint64_t faults = (uint64_t)ROUNDS * REGION_PAGES * NS_PER_SEC;

	printf("smp.fault_rate_1thread %lu faults/s\n", faults / ns[0]);
	printf("smp.fault_rate_2threads %lu faults/s\n", 2 * faults / ns[1]);
}

/* measure_scaling: of the works whose bit is set. */
static void
measure_scaling(unsigned wanted)
{
	uint64_t best[WORKS][THREADS];

	for (unsigned w = 0; w < WORKS; w++)
		best[w][0] = best[w][1] = UINT64_MAX;
	for (unsigned n = 0; n < REPETITIONS; n++) {
		for (unsigned w = 0; w < WORKS; w++) {
			if (wanted >> w & 1)
				repeat(&works[w], best[w]);
		}
	}
	for (unsigned w = 0; w < WORKS; w++) {
		const char *name = works[w].name;

		if ((wanted >> w & 1) == 0)
			continue;
		printf("smp.%s.wall1 %lu us\n", name, best[w][0] / NS_PER_US);
		printf("smp.%s.wall2 %lu us\n", name, best[w][1] / NS_PER_US);
		printf("smp.%s %lu percent\n", works[w].scaling, 200 * best[w][0] / best[w][1]);
		if (works[w].fn == touch_regions && !works[w].processes)
			print_fault_rates(best[w]);
	}
}

/* ---- A shootdown ---- */

static bool spin_ends;

static void
spin(void *arg)
{
	(void)thread_affinity(HANDLE_SELF, 2);
	yield();
	__atomic_store_n((uint32_t *)arg, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&spin_ends, __ATOMIC_RELAXED))
		;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* median_protect: ns to make a page read-only that is mapped writable. */
static uint64_t
median_protect(volatile char *page)
{
	static uint64_t took[PROTECTIONS];

	for (unsigned i = 0; i < PROTECTIONS; i++) {
		uint64_t from;

		vm_protect(HANDLE_SELF, ADDR(page), PAGE_SIZE, PROT_RW, 0);
		*page = 1;
		from = clock_now();
		vm_protect(HANDLE_SELF, ADDR(page), PAGE_SIZE, PROT_READ, 0);
		took[i] = clock_now() - from;
	}
	qsort(took, PROTECTIONS, sizeof(took[0]), compare);
	return took[PROTECTIONS / 2];
}

static void
measure_shootdown(void)
{
	volatile char *page = map_pages(PAGE_SIZE, PROT_RW);
	struct user_thread spinner;
	uint32_t spins = 0;
	uint64_t alone, with;

	if (page == NULL || failed("thread_affinity", thread_affinity(HANDLE_SELF, 1)))
		exit(1);
	yield();
	alone = median_protect(page);
	if (failed("thread_start", thread_start(&spinner, spin, &spins, 0)))
		exit(1);
	while (__atomic_load_n(&spins, __ATOMIC_SEQ_CST) == 0)
		yield();
	with = median_protect(page);
	__atomic_store_n(&spin_ends, true, __ATOMIC_SEQ_CST);
	thread_join(&spinner);
	printf("smp.protect_alone %lu ns\nsmp.protect_shared %lu ns\n", alone, with);
	printf("smp.shootdown %lu ns\n", with > alone ? with - alone : 0);
}

int
main(int argc, char **argv)
{
	unsigned wanted = argc > 1 ? 0 : (1u << WORKS) - 1;
	struct system_info info;

	if (system_info(&info) != 0 || info.cpus < THREADS) {
		printf("# benchsmp: two processors are needed\n");
		return 1;
	}
	for (int i = 1; i < argc; i++) {
		for (unsigned w = 0; w < WORKS; w++)
			wanted |= (unsigned)(strcmp(argv[i], works[w].name) == 0) << w;
	}
	start = map_shared(PAGE_SIZE);
	if (start == NULL)
		return 1;
	measure_scaling(wanted);
	if (argc <= 1)
		measure_shootdown();
	return 0;
}

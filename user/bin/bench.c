/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench: what the primitives cost, one operation at a time, read from the time-stamp counter.
 *
 * Under `-icount shift=0` the counter counts instructions, so a value is the number of guest
 * instructions of one operation and the same in every run (`make bench`, docs/measuring.md).
 *
 *	bench [NAME...]		all groups, or those named
 *
 * Prints a line for each measure: the larger of median and average, so that a target met holds for
 * both; then the three of them with .min, .med and .avg.
 */
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

#define PAGE	    4096ul
#define RW	    (PROT_READ | PROT_WRITE)
#define ANON	    VM_MAP_ARGS(RW, RW | PROT_EXEC, 0)
#define ANON_RO	    VM_MAP_ARGS(PROT_READ, RW | PROT_EXEC, 0)
#define MAX_SAMPLES 4096
#define ZEROING	    516 /* instructions of `rep stosq` over a page, and its set-up */

static uint64_t samples[MAX_SAMPLES];
static unsigned count;
static uint64_t overhead;

static inline uint64_t
now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void
sample(uint64_t from, uint64_t to)
{
	if (count < MAX_SAMPLES)
		samples[count++] = to - from;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
fail(const char *what, int64_t result)
{
	printf("# bench: %s: %ld\n", what, (long)result);
	exit(1);
}

/* print_measure: the samples, less what measuring itself costs, less `less`, by `divisor`. */
static void
print_measure(const char *name, uint64_t divisor, uint64_t less)
{
	uint64_t sum = 0, median, average;

	if (count == 0)
		fail(name, 0);
	for (unsigned i = 0; i < count; i++) {
		samples[i] -= samples[i] > overhead ? overhead : samples[i];
		sum += samples[i];
	}
	qsort(samples, count, sizeof(samples[0]), compare);
	median = samples[count / 2] / divisor - less;
	average = sum / count / divisor - less;
	printf("native.%s %lu insn\n", name, median > average ? median : average);
	printf("native.%s.min %lu insn\n", name, samples[0] / divisor - less);
	printf("native.%s.med %lu insn\n", name, median);
	printf("native.%s.avg %lu insn\n", name, average);
	count = 0;
}

static volatile char *
map_pages(uint64_t pages)
{
	int64_t at = vm_map(HANDLE_SELF, 0, pages * PAGE, ANON, 0, 0);

	if (at < 0)
		fail("vm_map", at);
	return (volatile char *)at;
}

static void
unmap_pages(volatile char *p, uint64_t pages)
{
	vm_unmap(HANDLE_SELF, ADDR(p), pages * PAGE);
}

/* touch: store to n pages from p on, one sample each. */
static __attribute__((noinline)) void
touch(volatile char *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t t0 = now();

		p[i * PAGE] = 1;
		sample(t0, now());
	}
}

static void
bench_null(void)
{
	for (unsigned i = 0; i < 2048; i++) {
		uint64_t t0 = now();

		proc_id(HANDLE_SELF);
		sample(t0, now());
	}
	print_measure("null_syscall", 1, 0);
}

static void
bench_fault(void)
{
	volatile char *p = map_pages(2049);
	uint64_t kept[2048];

	p[2048 * PAGE] = 1; /* make the object */
	touch(p, 2048);
	memcpy(kept, samples, sizeof(kept));
	print_measure("zero_fill_fault", 1, 0);
	memcpy(samples, kept, sizeof(kept));
	count = 2048;
	print_measure("zero_fill_fault_less_zeroing", 1, ZEROING);
	unmap_pages(p, 2049);
}

/*
 * A stack of its own is grown by 4 MiB, page by page, with rsp at the touched page.  A page of the
 * step that a growth has just mapped is an ordinary fault; the first page below it grows.
 */
static void
bench_stack(void)
{
	struct system_info info;
	uint64_t steps[MAX_SAMPLES], pages = 1024, reserve = 8ul << 20;
	int64_t base = vm_map(HANDLE_SELF, 0, reserve,
			      VM_MAP_ARGS(RW, RW | PROT_EXEC, VM_MAP_FLAG_STACK), 0, 0);
	unsigned growths = 0, per_step;
	char *top = (char *)base + reserve;

	if (base < 0)
		fail("vm_map of a stack", base);
	system_info(&info);
	per_step = info.stack_step / PAGE;
	top[-1] = 1;
	for (unsigned i = 1; i < pages + per_step; i++) {
		uint64_t t0, t1;
		char *at = top - (i + 1) * PAGE + PAGE / 2;

		__asm__ volatile("mov %%rsp, %%r15\n\t"
				 "mov %2, %%rsp\n\t"
				 "rdtsc\n\t"
				 "mov %%eax, %%r8d\n\t"
				 "mov %%edx, %%r9d\n\t"
				 "movb $1, (%%rsp)\n\t"
				 "rdtsc\n\t"
				 "mov %%r15, %%rsp\n\t"
				 "shl $32, %%rdx\n\t"
				 "or %%rdx, %%rax\n\t"
				 "shl $32, %%r9\n\t"
				 "or %%r9, %%r8\n\t"
				 "mov %%r8, %0\n\t"
				 "mov %%rax, %1\n\t"
				 : "=&rm"(t0), "=&rm"(t1)
				 : "rm"(at)
				 : "rax", "rdx", "r8", "r9", "r15", "memory");
		if (i < per_step)
			continue; /* mapped since the stack was made */
		if (i % per_step == 0)
			steps[growths++] = t1 - t0;
		sample(t0, t1);
	}
	print_measure("stack_growth_fault", 1, 0);
	memcpy(samples, steps, growths * sizeof(steps[0]));
	count = growths;
	print_measure("stack_growth_step", 1, 0);
	unmap_pages((volatile char *)base, reserve / PAGE);
}

static void
bench_cow(void)
{
	volatile char *p = map_pages(2048);
	int64_t copy;

	for (unsigned i = 0; i < 2048; i++)
		p[i * PAGE] = 1;
	copy = proc_fork(HANDLE_SELF, NULL, 0);
	if (copy < 0)
		fail("proc_fork", copy);
	touch(p, 2048);
	print_measure("cow_fault", 1, 0);
	handle_close((handle_t)copy);
	unmap_pages(p, 2048);
}

static void
bench_map(void)
{
	for (unsigned i = 0; i < 2048; i++) {
		uint64_t t0 = now();

		unmap_pages(map_pages(1), 1);
		sample(t0, now());
	}
	print_measure("map_unmap_untouched", 1, 0);
	for (unsigned i = 0; i < 2048; i++) {
		uint64_t t0 = now();
		volatile char *p = map_pages(1);

		*p = 1;
		unmap_pages(p, 1);
		sample(t0, now());
	}
	print_measure("map_touch_unmap", 1, 0);
}

static void
bench_protect(void)
{
	volatile char *p = map_pages(1);

	*p = 1;
	for (unsigned i = 0; i < 2048; i++) {
		uint64_t t0 = now();

		vm_protect(HANDLE_SELF, ADDR(p), PAGE, i % 2 == 0 ? PROT_READ : RW, false);
		sample(t0, now());
	}
	print_measure("protect_1page", 1, 0);
	unmap_pages(p, 1);
}

static void
fork_loop(const char *name, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		struct proc_status status;
		uint64_t t0 = now();
		handle_t child = fork();

		if (child == 0)
			proc_exit(0);
		if (child < 0)
			fail("fork", child);
		wait_for(child, &status);
		sample(t0, now());
	}
	print_measure(name, 1, 0);
}

static void
bench_fork(void)
{
	volatile char *p;

	fork_loop("fork_exit_wait_small", 2048);
	p = map_pages(1000);
	for (unsigned i = 0; i < 1000; i++)
		p[i * PAGE] = 1;
	fork_loop("fork_exit_wait_1k_pages", 2048);
	unmap_pages(p, 1000);
}

/* ---- many entries ---- */

static uint64_t *places; /* addresses of single pages, alternately read-only and writable */
static unsigned placed;

static void
place_up_to(unsigned n)
{
	for (; placed < n; placed++) {
		int64_t at = vm_map(HANDLE_SELF, 0, PAGE, placed % 2 == 0 ? ANON_RO : ANON, 0, 0);

		if (at < 0)
			fail("vm_map", at);
		places[placed] = (uint64_t)at;
	}
}

/* nth_writable: the address of the i-th writable entry from the middle of n entries on. */
static uint64_t
nth_writable(unsigned n, unsigned i)
{
	unsigned writable = n / 2;

	return places[(writable / 2 + i) % writable * 2 + 1];
}

/* fault_at: first touches of single-page entries, from the middle on, each an entry of its own.  When
 * all are touched, or enough, they are made anew. */
static void
fault_at(unsigned n)
{
	char name[32];

	while (count < 2048) {
		unsigned touched = 0;

		for (; touched < n / 2 && count < 2048; touched++) {
			uint64_t at = nth_writable(n, touched), t0 = now();

			*(volatile char *)at = 1;
			sample(t0, now());
		}
		for (unsigned i = 0; i < touched; i++)
			vm_map(HANDLE_SELF, nth_writable(n, i), PAGE,
			       VM_MAP_ARGS(RW, RW | PROT_EXEC, VM_MAP_FLAG_FIXED), 0, 0);
	}
	snprintf(name, sizeof(name), "fault_at_%u", n);
	print_measure(name, 1, 0);
}

static void
map_unmap_at(unsigned n)
{
	char name[32];

	for (unsigned i = 0; i < 2048; i++) {
		uint64_t t0 = now();

		unmap_pages((volatile char *)vm_map(HANDLE_SELF, 0, PAGE, ANON_RO, 0, 0), 1);
		sample(t0, now());
	}
	snprintf(name, sizeof(name), "map_unmap_at_%u", n);
	print_measure(name, 1, 0);
}

static void
bench_many(void)
{
	static const unsigned sizes[] = {10, 100, 1000, 10000, 100000};

	places = malloc(100000 * sizeof(places[0]));
	if (places == NULL)
		fail("malloc", 0);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		place_up_to(sizes[i]);
		fault_at(sizes[i]);
		map_unmap_at(sizes[i]);
	}
	for (unsigned i = 0; i < placed; i++)
		unmap_pages((volatile char *)places[i], 1);
	free(places);
}

static const struct group {
	const char *name;
	void (*fn)(void);
} groups[] = {
    {"null", bench_null}, {"fault", bench_fault},     {"stack", bench_stack}, {"cow", bench_cow},
    {"map", bench_map},	  {"protect", bench_protect}, {"fork", bench_fork},   {"many", bench_many},
};

static bool
wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc <= 1;
}

/* measure_overhead: what the two readings of a sample cost. */
static void
measure_overhead(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < 16; i++) {
		uint64_t t0 = now(), t = now() - t0;

		if (t < least)
			least = t;
	}
	overhead = least;
}

int
main(int argc, char **argv)
{
	measure_overhead();
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (wanted(groups[i].name, argc, argv))
			groups[i].fn();
	return 0;
}

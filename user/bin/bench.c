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
 * both; then the three of them with .min, .med and .avg.  Faults that fill or copy a page are
 * printed once more without that work.
 *
 * Every measure that has a target has at least 2,048 samples.  So the at most 64 pages that the
 * kernel has zeroed in advance move no median, and an average hardly.
 */
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

#define PAGE		4096ul
#define RW		(PROT_READ | PROT_WRITE)
#define ANON		VM_MAP_ARGS(RW, RW | PROT_EXEC, 0)
#define ANON_RO		VM_MAP_ARGS(PROT_READ, RW | PROT_EXEC, 0)
#define SAMPLES		2048
#define SAMPLES_SLOW	256
#define FORK_PAGES	1000
#define PAGES_PER_TABLE 512
#define MAX_SAMPLES	65536
#define PAGE_WORK	516 /* instructions of `rep stosq` or `rep movsq` over a page, and its set-up */

/* Of a stack measure. */
#define STACKS	       64
#define STACK_PAGES    1024
#define STACK_RESERVE  (8ul << 20)
#define STACK_STEP_MIN 32 /* pages: the sample arrays are made for steps of at least this size */
#define MAX_GROWTHS    (STACKS * STACK_PAGES / STACK_STEP_MIN)

/* A loop of its own for each measure, so that `make profile F=...` can count what happens in it. */
#define MEASURED static __attribute__((noinline)) void

static uint64_t samples[MAX_SAMPLES];
static unsigned count;
static uint64_t overhead;

/* Where the program begins: what the counter says then is the time since the machine was switched
 * on.  rsp is left alone, and nothing is in the other registers. */
uint64_t first_counter;
__asm__(".section .text.bench_entry, \"ax\", @progbits\n"
	".globl bench_entry\n"
	".type bench_entry, @function\n"
	"bench_entry:\n\t"
	"rdtsc\n\t"
	"movl %eax, first_counter(%rip)\n\t"
	"movl %edx, first_counter + 4(%rip)\n\t"
	"jmp _start\n\t"
	".size bench_entry, . - bench_entry\n\t"
	".text");

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
	samples[count++ % MAX_SAMPLES] = to - from;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static _Noreturn void
fail(const char *what, int64_t result)
{
	printf("# bench: %s: %ld\n", what, (long)result);
	exit(1);
}

/* settle: take what measuring itself costs from the samples, and sort them. */
static void
settle(const char *name)
{
	if (count > MAX_SAMPLES)
		fail(name, count);
	for (unsigned i = 0; i < count; i++)
		samples[i] -= samples[i] > overhead ? overhead : samples[i];
	qsort(samples, count, sizeof(samples[0]), compare);
}

/* print_settled: the samples, each less `less`. */
static void
print_settled(const char *name, uint64_t less)
{
	uint64_t sum = 0, median = samples[count / 2] - less, average;

	if (count == 0)
		fail(name, 0);
	for (unsigned i = 0; i < count; i++)
		sum += samples[i];
	average = sum / count - less;
	printf("native.%s %lu insn\n", name, median > average ? median : average);
	printf("native.%s.min %lu insn\n", name, samples[0] - less);
	printf("native.%s.med %lu insn\n", name, median);
	printf("native.%s.avg %lu insn\n", name, average);
}

static void
print_measure(const char *name)
{
	settle(name);
	print_settled(name, 0);
	count = 0;
}

/* print_fault: a measure of faults that each fill or copy a page; `work` is the word for it. */
static void
print_fault(const char *name, const char *work)
{
	char less[64];

	snprintf(less, sizeof(less), "%s_less_%s", name, work);
	settle(name);
	print_settled(name, 0);
	print_settled(less, PAGE_WORK);
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
MEASURED
touch(volatile char *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t t0 = now();

		p[i * PAGE] = 1;
		sample(t0, now());
	}
}

/* bench_method: does the counter count instructions?  One to set up the loop and two a turn. */
static void
bench_method(void)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t t0 = now();

		__asm__ volatile("mov $1000, %%ecx\n1:\tdec %%ecx\n\tjnz 1b" : : : "ecx", "cc");
		sample(t0, now());
	}
	print_measure("check_loop_2001");
}

static void
bench_boot(void)
{
	printf("native.first_user_insn %lu ns\n", first_counter);
}

MEASURED
null_calls(void)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t t0 = now();

		proc_id(HANDLE_SELF);
		sample(t0, now());
	}
}

static void
bench_null(void)
{
	null_calls();
	print_measure("null_syscall");
}

static void
bench_fault(void)
{
	volatile char *p = map_pages(SAMPLES + 1);

	p[SAMPLES * PAGE] = 1; /* make the object */
	touch(p, SAMPLES);
	print_fault("zero_fill_fault", "zeroing");
	unmap_pages(p, SAMPLES + 1);
}

/* push_at: store with rsp at `at`; what it cost, measuring included. */
static uint64_t
push_at(char *at)
{
	uint64_t t0, t1;

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
	return t1 - t0;
}

/*
 * grow_stack: a new stack is grown by 4 MiB, page by page, with rsp at the touched page.  A page of
 * the step that a growth has just mapped is an ordinary fault; the first page below it grows, and
 * what that costs is also kept in steps[].  Returns how many grew.
 */
static unsigned
grow_stack(uint64_t *steps, unsigned per_step)
{
	int64_t base = vm_map(HANDLE_SELF, 0, STACK_RESERVE,
			      VM_MAP_ARGS(RW, RW | PROT_EXEC, VM_MAP_FLAG_STACK), 0, 0);
	char *top = (char *)base + STACK_RESERVE;
	unsigned growths = 0;

	if (base < 0)
		fail("vm_map of a stack", base);
	if (per_step < STACK_STEP_MIN)
		fail("stacks grow in small steps", per_step);
	for (unsigned i = 0; i < per_step; i++) /* mapped since the stack was made */
		push_at(top - (i + 1) * PAGE + PAGE / 2);
	for (unsigned i = per_step; i < per_step + STACK_PAGES; i++) {
		uint64_t cost = push_at(top - (i + 1) * PAGE + PAGE / 2);

		if (i % per_step == 0)
			steps[growths++] = cost;
		sample(0, cost);
	}
	unmap_pages((volatile char *)base, STACK_RESERVE / PAGE);
	return growths;
}

static void
bench_stack(void)
{
	static uint64_t steps[MAX_GROWTHS];
	struct system_info info;
	unsigned growths = 0;

	system_info(&info);
	for (unsigned i = 0; i < STACKS; i++)
		growths += grow_stack(steps + growths, info.stack_step / PAGE);
	print_fault("stack_growth_fault", "zeroing");
	memcpy(samples, steps, growths * sizeof(steps[0]));
	count = growths;
	print_fault("stack_growth_step", "zeroing");
}

static void
store_to_all(volatile char *p, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		p[i * PAGE] = 1;
}

static void
bench_cow(void)
{
	volatile char *p = map_pages(SAMPLES);
	int64_t copy;

	store_to_all(p, SAMPLES);
	copy = proc_fork(HANDLE_SELF, NULL, 0);
	if (copy < 0)
		fail("proc_fork", copy);
	touch(p, SAMPLES);
	print_fault("cow_fault", "copying");
	handle_close((handle_t)copy);
	unmap_pages(p, SAMPLES);
}

MEASURED
map_unmap(uint64_t args)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t t0 = now();

		unmap_pages((volatile char *)vm_map(HANDLE_SELF, 0, PAGE, args, 0, 0), 1);
		sample(t0, now());
	}
}

MEASURED
map_touch_unmap(void)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t t0 = now();
		volatile char *p = map_pages(1);

		*p = 1;
		unmap_pages(p, 1);
		sample(t0, now());
	}
}

static void
bench_map(void)
{
	map_unmap(ANON);
	print_measure("map_unmap_untouched");
	map_touch_unmap();
	print_measure("map_touch_unmap");
}

MEASURED
protect_page(volatile char *p)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t t0 = now();

		vm_protect(HANDLE_SELF, ADDR(p), PAGE, i % 2 == 0 ? PROT_READ : RW, false);
		sample(t0, now());
	}
}

static void
bench_protect(void)
{
	volatile char *p = map_pages(1);

	*p = 1;
	protect_page(p);
	print_measure("protect_1page");
	unmap_pages(p, 1);
}

/* fork_loop: pages from p on are stored to before each fork, outside of the measure. */
MEASURED
fork_loop(unsigned times, volatile char *p, unsigned pages)
{
	for (unsigned i = 0; i < times; i++) {
		struct proc_status status;
		uint64_t t0;
		handle_t child;

		store_to_all(p, pages);
		t0 = now();
		child = fork();
		if (child == 0)
			proc_exit(0);
		if (child < 0)
			fail("fork", child);
		wait_for(child, &status);
		sample(t0, now());
	}
}

static void
bench_fork(void)
{
	volatile char *p;

	fork_loop(SAMPLES, NULL, 0);
	print_measure("fork_exit_wait_small");
	p = map_pages(FORK_PAGES);
	store_to_all(p, FORK_PAGES);
	fork_loop(SAMPLES, NULL, 0);
	print_measure("fork_exit_wait_1k_pages");
	fork_loop(SAMPLES_SLOW, p, FORK_PAGES);
	print_measure("fork_exit_wait_1k_pages_written");
	unmap_pages(p, FORK_PAGES);
}

/* ---- many entries ---- */

static uint64_t *places; /* addresses of single pages, alternately read-only and writable */
static unsigned placed;

/* place_up_to: until there are n.  A page in each page table is used, so that page tables do not
 * come and go with the pages that are measured. */
static void
place_up_to(unsigned n)
{
	for (; placed < n; placed++) {
		int64_t at = vm_map(HANDLE_SELF, 0, PAGE, placed % 2 == 0 ? ANON_RO : ANON, 0, 0);

		if (at < 0)
			fail("vm_map", at);
		places[placed] = (uint64_t)at;
		if (placed % PAGES_PER_TABLE == 0)
			(void)*(volatile char *)at; /* keeps the page table */
	}
}

/* nth_writable: the address of the i-th writable entry from the middle of n entries on. */
static uint64_t
nth_writable(unsigned n, unsigned i)
{
	unsigned writable = n / 2;

	return places[(writable / 2 + i) % writable * 2 + 1];
}

static void
make_anew(uint64_t at)
{
	vm_map(HANDLE_SELF, at, PAGE, VM_MAP_ARGS(RW, RW | PROT_EXEC, VM_MAP_FLAG_FIXED), 0, 0);
}

/* touch_in_order: first touches of single-page entries, from the middle on, each an entry of its
 * own.  When all are touched, or enough, they are made anew. */
MEASURED
touch_in_order(unsigned n)
{
	while (count < SAMPLES) {
		unsigned touched = 0;

		for (; touched < n / 2 && count < SAMPLES; touched++) {
			uint64_t at = nth_writable(n, touched), t0 = now();

			*(volatile char *)at = 1;
			sample(t0, now());
		}
		for (unsigned i = 0; i < touched; i++)
			make_anew(nth_writable(n, i));
	}
}

/* touch_scattered: the same, each entry far from the one before. */
MEASURED
touch_scattered(unsigned n)
{
	uint32_t x = 12345;

	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t t0, at;

		x = x * 1664525u + 1013904223u;
		at = nth_writable(n, (uint64_t)(x >> 8) * (n / 2) >> 24);
		t0 = now();
		*(volatile char *)at = 1;
		sample(t0, now());
		make_anew(at);
	}
}

static void
print_measure_at(const char *what, unsigned n)
{
	char name[48];

	snprintf(name, sizeof(name), "%s_at_%u", what, n);
	print_measure(name);
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
		touch_in_order(sizes[i]);
		print_measure_at("fault", sizes[i]);
		touch_scattered(sizes[i]);
		print_measure_at("fault_scattered", sizes[i]);
		map_unmap(ANON_RO);
		print_measure_at("map_unmap", sizes[i]);
	}
	for (unsigned i = 0; i < placed; i++)
		unmap_pages((volatile char *)places[i], 1);
	free(places);
}

static const struct group {
	const char *name;
	void (*fn)(void);
} groups[] = {
    {"method", bench_method}, {"boot", bench_boot},	  {"null", bench_null},
    {"fault", bench_fault},   {"stack", bench_stack},	  {"cow", bench_cow},
    {"map", bench_map},	      {"protect", bench_protect}, {"fork", bench_fork},
    {"many", bench_many},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static void
run_group(const char *name)
{
	for (unsigned i = 0; i < GROUPS; i++) {
		if (strcmp(groups[i].name, name) == 0) {
			groups[i].fn();
			return;
		}
	}
	printf("# bench: there is no group %s\n", name);
	exit(1);
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
	for (int i = 1; i < argc; i++)
		run_group(argv[i]);
	for (unsigned i = 0; argc <= 1 && i < GROUPS; i++)
		groups[i].fn();
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What operations on a map cost as it gets more entries.
 *
 *	bench_map		do the costs grow as they should?  TAP, for prove
 *	bench_map FILE		from 10 to 1,000,000 entries, as a table; FILE gets it for plot.gp
 *
 * The unit is a step: a basic block of vm/ that was executed, counted by the compiler's coverage
 * hooks in code that is optimised like the release kernel.  Unlike time it is the same in each run
 * and on each machine, so that a test can insist on it; unlike a count of tree nodes it sees all that
 * an operation does.  The table also has nanoseconds, for an impression.
 *
 * The map: entries of three pages with a page free behind each.
 *
 *	| entry 0 | entry 0 | entry 0 |  gap  | entry 1 | entry 1 | entry 1 |  gap  | ...
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench/ground.h"
#include "vm/vm_map.h"
#include "vm/vmspace.h"

#define BASE	     ((vm_offset_t)1 << 30)
#define TOP	     ((vm_offset_t)1 << 40)
#define ENTRY_PAGES  3
#define STRIDE	     ptoa(ENTRY_PAGES + 1)
#define SAMPLES	     1000
#define FORK_ENTRIES 20000 /* a fork is repeated until so many entries were copied */
#define SMALL	     100
#define LARGE	     100000
#define LARGEST	     1000000
#define MOST_GROWTH  3 /* from SMALL to LARGE; the logarithm grows by 2.5 */

/* The map under measurement. */
struct scene {
	struct vmspace *vm;
	vm_map_t map;
	size_t entries;
};

struct cost {
	double steps, ns;
};

static uint64_t random_state;

/* random_below: xorshift64*, the same numbers in each run. */
static uint64_t
random_below(uint64_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dull >> 32) % n;
}

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_map: %s\n", what);
	exit(EXIT_FAILURE);
}

static vm_offset_t
entry_start(size_t i)
{
	return BASE + i * STRIDE;
}

static vm_offset_t
random_entry(const struct scene *s)
{
	return entry_start(random_below(s->entries));
}

static vm_offset_t
random_gap(const struct scene *s)
{
	return random_entry(s) + ptoa(ENTRY_PAGES);
}

static void
scene_make(struct scene *s, size_t entries)
{
	kern_return_t kr = KERN_SUCCESS;

	random_state = entries;
	s->entries = entries;
	s->vm = vmspace_alloc(BASE, TOP);
	must(s->vm != NULL, "no memory for a space");
	s->map = &s->vm->vm_map;
	vm_map_lock(s->map);
	for (size_t i = 0; i < entries && kr == KERN_SUCCESS; i++)
		kr = vm_map_insert(s->map, NULL, 0, entry_start(i),
				   entry_start(i) + ptoa(ENTRY_PAGES), VM_PROT_RW, VM_PROT_ALL, 0);
	vm_map_unlock(s->map);
	must(kr == KERN_SUCCESS && s->map->nentries == entries, "the entries cannot be made");
}

/* ---- the operations; each looks at the result, too ---- */

static void
lookup_hit(const struct scene *s)
{
	vm_offset_t addr = random_entry(s) + ptoa(random_below(ENTRY_PAGES));
	vm_map_entry_t e;

	vm_map_lock_read(s->map);
	must(vm_map_lookup_entry(s->map, addr, &e) && e->start <= addr && addr < e->end, "no hit");
	vm_map_unlock_read(s->map);
}

static void
lookup_miss(const struct scene *s)
{
	vm_offset_t addr = random_gap(s);
	vm_map_entry_t e;

	vm_map_lock_read(s->map);
	must(!vm_map_lookup_entry(s->map, addr, &e) && e->end == addr, "no miss");
	vm_map_unlock_read(s->map);
}

/* Before first fit: an entry anywhere loses its last page, so that there is room for two, once; the
 * one before gets its page back. */
static vm_offset_t room;

static void
make_room(const struct scene *s)
{
	kern_return_t kr = KERN_SUCCESS;

	vm_map_lock(s->map);
	if (room != 0)
		kr = vm_map_insert(s->map, NULL, 0, room, room + PAGE_SIZE, VM_PROT_RW, VM_PROT_ALL,
				   0);
	room = random_gap(s) - PAGE_SIZE;
	must(kr == KERN_SUCCESS && s->map->nentries == s->entries, "the page is not given back");
	must(vm_map_delete(s->map, room, room + PAGE_SIZE) == KERN_SUCCESS, "no room");
	vm_map_unlock(s->map);
}

static void
first_fit(const struct scene *s)
{
	vm_map_lock(s->map);
	must(vm_map_findspace(s->map, BASE, ptoa(2)) == room, "not the first fit");
	vm_map_unlock(s->map);
}

static void
insert_delete(const struct scene *s)
{
	vm_offset_t addr = random_gap(s);

	vm_map_lock(s->map);
	must(vm_map_insert(s->map, NULL, 0, addr, addr + PAGE_SIZE, VM_PROT_READ, VM_PROT_ALL, 0) ==
		 KERN_SUCCESS,
	     "not inserted");
	must(vm_map_delete(s->map, addr, addr + PAGE_SIZE) == KERN_SUCCESS, "not deleted");
	vm_map_unlock(s->map);
}

/* The middle page is cut out by other rights, and merged again by the same. */
static void
clip_merge(const struct scene *s)
{
	vm_offset_t middle = random_entry(s) + PAGE_SIZE;

	must(vm_map_protect(s->map, middle, middle + PAGE_SIZE, VM_PROT_READ, FALSE) ==
		 KERN_SUCCESS,
	     "not cut");
	must(vm_map_protect(s->map, middle, middle + PAGE_SIZE, VM_PROT_RW, FALSE) == KERN_SUCCESS,
	     "not merged");
	must(s->map->nentries == s->entries, "entries were not merged");
}

static void
fork_exit(const struct scene *s)
{
	struct vmspace *child;

	must(vmspace_fork(s->vm, &child) == KERN_SUCCESS && child->vm_map.nentries == s->entries,
	     "no fork");
	vmspace_free(child);
}

static const struct operation {
	const char *name;
	void (*run)(const struct scene *s);
	void (*before)(const struct scene *s); /* not measured */
	bool per_entry;			       /* the cost of each entry, not of the operation */
} operations[] = {
    {"lookup hit", lookup_hit, NULL, false},	{"lookup miss", lookup_miss, NULL, false},
    {"first fit", first_fit, make_room, false}, {"insert+delete", insert_delete, NULL, false},
    {"clip+merge", clip_merge, NULL, false},	{"fork/entry", fork_exit, NULL, true},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ---- measuring ---- */

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct cost
measure(const struct scene *s, const struct operation *op)
{
	size_t samples = SAMPLES, divisor;
	struct cost c = {0, 0};
	uint64_t steps;
	double ns;

	if (op->per_entry)
		samples = 1 + FORK_ENTRIES / s->entries;
	for (size_t i = 0; i < samples; i++) {
		if (op->before != NULL)
			op->before(s);
		ns = now_ns();
		steps = ground_steps;
		op->run(s);
		c.steps += (double)(ground_steps - steps);
		c.ns += now_ns() - ns;
	}
	divisor = samples * (op->per_entry ? s->entries : 1);
	return (struct cost){c.steps / (double)divisor, c.ns / (double)divisor};
}

/* measure_all: every operation, in order, on a map of its own making.  In a process of its own: what
 * was measured before has left no trace in the zones. */
static const struct cost *
measure_all(size_t entries)
{
	struct cost *costs = mmap(NULL, sizeof(*costs) * OPERATIONS, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct scene s;
	int status;
	pid_t pid;

	must(costs != MAP_FAILED, "no memory for results");
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "no process");
	if (pid == 0) {
		scene_make(&s, entries);
		for (size_t i = 0; i < OPERATIONS; i++)
			costs[i] = measure(&s, &operations[i]);
		_exit(EXIT_SUCCESS);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0, "the measuring process failed");
	return costs;
}

/* ---- what is printed ---- */

/* print_table: to the terminal, and without nanoseconds to a file that gnuplot reads. */
static void
print_table(const char *path)
{
	FILE *data = fopen(path, "w");
	const struct cost *costs;

	must(data != NULL, "the file for the plot cannot be written");
	printf("steps (basic blocks of vm/ and its locks) an operation, and nanoseconds\n%9s",
	       "entries");
	fprintf(data, "entries");
	for (size_t i = 0; i < OPERATIONS; i++) {
		printf("%18s", operations[i].name);
		fprintf(data, " \"%s\"", operations[i].name);
	}
	for (size_t n = 10; n <= LARGEST; n *= 10) {
		printf("\n%9zu", n);
		fprintf(data, "\n%zu", n);
		costs = measure_all(n);
		for (size_t i = 0; i < OPERATIONS; i++) {
			printf("%9.1f%6.0f ns", costs[i].steps, costs[i].ns);
			fprintf(data, " %.2f", costs[i].steps);
		}
	}
	printf("\n");
	fprintf(data, "\n");
	must(fclose(data) == 0, "the file for the plot cannot be written");
}

/* ---- the test ---- */

static int number, failed;

static void
result(bool good, const char *what, const char *name)
{
	printf("%s %d - %s: %s\n", good ? "ok" : "not ok", ++number, name, what);
	failed += !good;
}

static int
check(void)
{
	const struct cost *small = measure_all(SMALL), *again = measure_all(SMALL);
	const struct cost *large = measure_all(LARGE);

	for (size_t i = 0; i < OPERATIONS; i++) {
		const char *name = operations[i].name;

		result(small[i].steps > 0 && small[i].steps == again[i].steps,
		       "a second measurement gives the same steps", name);
		if (small[i].steps != again[i].steps)
			fprintf(stderr, "# %f and %f\n", small[i].steps, again[i].steps);
		result(large[i].steps <= MOST_GROWTH * small[i].steps,
		       "at 100,000 entries at most 3 times the steps at 100", name);
		if (large[i].steps > MOST_GROWTH * small[i].steps)
			fprintf(stderr, "# %.1f steps at %d entries, %.1f at %d\n", small[i].steps,
				SMALL, large[i].steps, LARGE);
	}
	printf("1..%d\n", number);
	return failed != 0;
}

int
main(int argc, char **argv)
{
	const char *only = getenv("T");

	ground_init();
	if (argc > 1)
		print_table(argv[1]);
	else if (only != NULL && *only != '\0' && strstr("bench_map", only) == NULL)
		printf("1..0 # SKIP no test has \"%s\" in its name\n", only);
	else
		return check();
	return 0;
}

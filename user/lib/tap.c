/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running tests and reporting them; see pagoda/tap.h.
 *
 * A failure sets `failed` in the process where it happens; a test's process exits with that, and so
 * does each copy made for a part of a test, so failures travel up as exit statuses.
 */
#include <stdarg.h>

#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define STATUS_PASSED 0
#define STATUS_FAILED 1

#define STATUS_TEXT 96

static bool failed;

static const char *
base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash != NULL ? slash + 1 : file;
}

void
tap_note(const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	printf("# %s\n", line);
}

bool
tap_check(bool held, const char *what, const char *file, int line)
{
	if (!held) {
		failed = true;
		tap_note("%s:%d: expected %s, got the contrary", base_name(file), line, what);
	}
	return held;
}

/* The value, and the error it may stand for. */
static void
describe_value(int64_t value, char *text, size_t size)
{
	if (value < 0 && value > -200) {
		snprintf(text, size, "%ld (%s)", value, strerror(value));
	} else {
		snprintf(text, size, "%ld (%#lx)", value, (uint64_t)value);
	}
}

bool
tap_check_equal(int64_t got, int64_t expected, const char *what, const char *file, int line)
{
	char got_text[STATUS_TEXT], expected_text[STATUS_TEXT];

	if (got == expected) {
		return true;
	}
	failed = true;
	describe_value(got, got_text, sizeof got_text);
	describe_value(expected, expected_text, sizeof expected_text);
	tap_note("%s:%d: %s: expected %s got %s", base_name(file), line, what, expected_text,
		 got_text);
	return false;
}

_Noreturn void
tap_end_test(void)
{
	exit(failed ? STATUS_FAILED : STATUS_PASSED);
}

/* fork_as_booted: the copy has what the first program is given at boot, as far as this one has it. */
static handle_t
fork_as_booted(void)
{
	static const handle_t boot[] = {HANDLE_BOOT_ARCHIVE, HANDLE_BOOT_PHYSMEM};
	static const uint32_t types[] = {HANDLE_TYPE_OBJECT, HANDLE_TYPE_PHYSMEM};
	handle_t give[sizeof boot / sizeof boot[0]];
	struct handle_info info;
	size_t count = 0;

	for (size_t i = 0; i < sizeof boot / sizeof boot[0]; i++) {
		if (handle_info(boot[i], &info) == 0 && info.type == types[i]) {
			give[count++] = boot[i];
		}
	}
	return fork_giving(give, count);
}

handle_t
tap_start(void (*fn)(void *), void *arg)
{
	handle_t child = fork_as_booted();

	if (child == HANDLE_SELF) {
		failed = false;
		fn(arg);
		tap_end_test();
	}
	if (child < 0) {
		failed = true;
		tap_note("fork: expected a handle got %d (%s)", child, strerror(child));
	}
	return child;
}

struct proc_status
tap_run(void (*fn)(void *), void *arg)
{
	struct proc_status status = {0};
	handle_t child = tap_start(fn, arg);

	if (child > 0 && wait_for(child, &status) != 0) {
		failed = true;
		tap_note("wait: the copy cannot be waited for");
	}
	return status;
}

bool
tap_check_fault(void (*fn)(void *), void *arg, int32_t kind, uint64_t addr, const char *file,
		int line)
{
	struct proc_status status = tap_run(fn, arg);
	char text[STATUS_TEXT];

	if (status.how == PROC_FAULTED && status.value == kind && status.address == addr) {
		return true;
	}
	failed = true;
	describe_status(&status, text, sizeof text);
	tap_note("%s:%d: expected fault: %s at %#lx got %s", base_name(file), line,
		 fault_name(kind), addr, text);
	return false;
}

bool
tap_check_survives(void (*fn)(void *), void *arg, const char *file, int line)
{
	struct proc_status status = tap_run(fn, arg);
	char text[STATUS_TEXT];

	if (status.how == PROC_EXITED && status.value == STATUS_PASSED) {
		return true;
	}
	failed = true;
	describe_status(&status, text, sizeof text);
	tap_note("%s:%d: expected exit with status 0 got %s", base_name(file), line, text);
	return false;
}

static void
call_test(void *test)
{
	((const struct tap_test *)test)->run();
}

static bool
run_one(const struct tap_test *test, bool in_place)
{
	char text[STATUS_TEXT];

	failed = false;
	if (in_place) {
		test->run();
		return !failed;
	}
	struct proc_status status = tap_run(call_test, (void *)(uintptr_t)test);
	if (!failed && status.how == PROC_EXITED && status.value <= STATUS_FAILED) {
		return status.value == STATUS_PASSED;
	}
	describe_status(&status, text, sizeof text);
	tap_note("the test itself: %s", text);
	return false;
}

/* Is the test asked for by the arguments?  Without a word, all are. */
static bool
chosen(const struct tap_test *test, int argc, char **argv)
{
	bool any = false;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			continue;
		}
		if (strstr(test->name, argv[i]) != NULL) {
			return true;
		}
		any = true;
	}
	return !any;
}

int
tap_main(int argc, char **argv, const struct tap_test *tests, size_t count)
{
	bool in_place = argc > 1 && strcmp(argv[1], "-n") == 0;
	unsigned number = 0, planned = 0, failures = 0;

	for (size_t i = 0; i < count; i++) {
		planned += chosen(&tests[i], argc, argv);
	}
	printf("1..%u\n", planned);
	for (size_t i = 0; i < count; i++) {
		if (!chosen(&tests[i], argc, argv)) {
			continue;
		}
		bool passed = run_one(&tests[i], in_place);

		failures += !passed;
		printf("%s %u - %s\n", passed ? "ok" : "not ok", ++number, tests[i].name);
	}
	return failures == 0 ? STATUS_PASSED : STATUS_FAILED;
}

/* What was waited for is gone, but a process or thread that nobody waits for takes its time: take
 * the counts when they have stood still for a while. */
#define SETTLE_TRIES 200
#define SETTLE_MS    5

void
tap_counts(struct system_info *info)
{
	struct system_info now;

	system_info(info);
	for (int i = 0, quiet = 0; i < SETTLE_TRIES && quiet < 3; i++) {
		sleep_ms(SETTLE_MS);
		system_info(&now);
		quiet = memcmp(&now, info, sizeof now) == 0 ? quiet + 1 : 0;
		*info = now;
	}
}

static bool
near(uint64_t before, uint64_t after, uint64_t slack, const char *what)
{
	if (after <= before + slack && before <= after + slack) {
		return true;
	}
	failed = true;
	tap_note("%s: expected %lu as before got %lu", what, before, after);
	return false;
}

/* The kernel's heap has entries of its own, which part and merge with what is in use. */
#define KERNEL_ENTRIES 16
/* What a processor keeps in its caches of objects is of slabs that others use too, so with several the
 * number of slabs depends on who freed what, and the kernel's tables on where they lie. */
#define CPU_PAGES      32

bool
tap_no_leak(const struct system_info *before, uint64_t slack)
{
	struct system_info after;

	tap_counts(&after);
	bool held = near(before->procs, after.procs, 0, "processes");
	held &= near(before->threads, after.threads, 0, "threads");
	held &= near(before->objects, after.objects, 0, "objects");
	held &= near(before->map_entries, after.map_entries, KERNEL_ENTRIES, "map entries");
	held &= near(before->page_tables, after.page_tables, after.cpus - 1, "page tables");
	held &= near(before->commit_used, after.commit_used, 0, "commit charge");
	slack += (after.cpus - 1) * CPU_PAGES;
	held &= near(before->pages_free, after.pages_free, slack, "free pages");
	return held;
}

/* What word i of a page made from seed holds. */
static uint64_t
pattern(uint64_t seed, uint64_t i)
{
	return (seed + 1) * 0x9e3779b97f4a7c15ull + i;
}

void
fill_page(uint64_t addr, uint64_t seed)
{
	volatile uint64_t *words = (volatile uint64_t *)addr;

	for (uint64_t i = 0; i < PAGE_SIZE / sizeof *words; i++) {
		words[i] = pattern(seed, i);
	}
}

bool
page_holds(uint64_t addr, uint64_t seed)
{
	volatile uint64_t *words = (volatile uint64_t *)addr;

	for (uint64_t i = 0; i < PAGE_SIZE / sizeof *words; i++) {
		if (words[i] != pattern(seed, i)) {
			tap_note("word %lu of the page at %#lx: expected %#lx got %#lx", i, addr,
				 pattern(seed, i), words[i]);
			return false;
		}
	}
	return true;
}

bool
page_is_zero(uint64_t addr)
{
	volatile uint64_t *words = (volatile uint64_t *)addr;

	for (uint64_t i = 0; i < PAGE_SIZE / sizeof *words; i++) {
		if (words[i] != 0) {
			tap_note("word %lu of the page at %#lx: expected 0 got %#lx", i, addr,
				 words[i]);
			return false;
		}
	}
	return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All host tests in one program, which does what tools/mutate tells it to, line by line:
 *
 *	list				the tests: a line "program<tab>name" each, then an empty line
 *	pass TEST			run it without a fault: "STATUS MICROSECONDS", then two lines
 *					with the numbers of the faults it comes by: itself, and while
 *					its fixture is set up
 *	try FAULT TEST LIMIT ...	run tests with this fault until one fails: "TEST STATUS", or
 *					"-1 0" if none does; LIMIT: processor time in milliseconds
 *
 * A test is the number of its line in the list.  STATUS is 0, 1 for a failure, or 1000 + signal.
 * Each runs in a child, so a fault hurts nobody else.
 *
 * The tests' main functions are renamed by the compiler's command line and called from the table
 * below, which the build makes; host_run(), which they call, is this file's (--wrap).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include "model/harness.h"
#include "mutant.h"

#define TESTS_MAX    4096
#define LINE_LENGTH  65536
#define PASS_LIMIT   60000 /* milliseconds */
#define WALL_LIMIT   10	   /* times that of real time: it may wait for ever, or share a processor */
#define MEMORY_LIMIT (1ul << 30) /* bytes of private memory */
#define BY_SIGNAL    1000

unsigned mutant_awake;
unsigned char mutant_passed[MUTANTS_MAX] __attribute__((aligned(4096)));

struct program {
	const char *name;
	int (*main)(void);
};

static const struct program programs[] = {
#include "programs.h"
};

static struct listed_test {
	const char *program;
	const struct host_fixture *fixture;
	const struct host_test *test;
} tests[TESTS_MAX];
static size_t ntests;
static const char *listing;
static int null_output;

/* Of the test that runs: its fixture's setup, and what that comes by. */
static int (*real_setup)(void **state);
static unsigned char *passed_in_setup;

int __wrap_host_run(const struct host_fixture *fixture, const struct host_test *list, size_t n);

int
__wrap_host_run(const struct host_fixture *fixture, const struct host_test *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ntests == TESTS_MAX)
			abort();
		tests[ntests++] = (struct listed_test){listing, fixture, &list[i]};
	}
	return 0;
}

static void
limit_resources(unsigned ms)
{
	struct itimerval cpu = {.it_value = {ms / 1000, (ms % 1000) * 1000}};
	struct rlimit memory = {MEMORY_LIMIT, MEMORY_LIMIT}, none = {0, 0};

#ifndef __SANITIZE_ADDRESS__
	setrlimit(RLIMIT_DATA, &memory);
#else
	(void)memory;
#endif
	setrlimit(RLIMIT_CORE, &none);
	setitimer(ITIMER_PROF, &cpu, NULL);
	alarm(1 + WALL_LIMIT * ms / 1000);
}

static int
setup(void **state)
{
	int result = real_setup != NULL ? real_setup(state) : 0;

	memcpy(passed_in_setup, mutant_passed, MUTANTS_MAX);
	memset(mutant_passed, 0, MUTANTS_MAX);
	return result;
}

_Noreturn static void
child(const struct listed_test *t, unsigned ms)
{
	const struct CMUnitTest test = {
	    .name = t->test->name,
	    .test_func = t->test->fn,
	    .setup_func = setup,
	    .teardown_func = t->fixture->teardown,
	};

	setpgid(0, 0);
	if (getenv("MUTATE_SHOW") == NULL) {
		dup2(null_output, STDOUT_FILENO);
		dup2(null_output, STDERR_FILENO);
	}
	real_setup = t->fixture->setup;
	limit_resources(ms);
	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	_exit(_cmocka_run_group_tests("test", &test, 1, NULL, NULL) != 0);
}

static int
run(size_t test, unsigned ms)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(&tests[test], ms);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	kill(-pid, SIGKILL); /* processes that the test has made have no limit of their own */
	return WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

static size_t
parse_test(const char *word)
{
	size_t test = word != NULL ? strtoul(word, NULL, 10) : TESTS_MAX;

	if (test >= ntests)
		abort();
	return test;
}

static void
command_list(void)
{
	for (size_t i = 0; i < ntests; i++)
		printf("%s\t%s\n", tests[i].program, tests[i].test->name);
	printf("\n");
}

static void
print_passed(const unsigned char *passed)
{
	for (unsigned i = 0; i < MUTANTS_MAX; i++)
		if (passed[i])
			printf("%u ", i);
	printf("\n");
}

static void
command_pass(void)
{
	size_t test = parse_test(strtok(NULL, " "));
	struct timespec begin, end;
	int status;

	memset(mutant_passed, 0, sizeof(mutant_passed));
	mutant_awake = 0;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	status = run(test, PASS_LIMIT);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%d %ld\n", status,
	       (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000);
	print_passed(mutant_passed);
	print_passed(passed_in_setup);
}

static void
command_try(void)
{
	const char *word = strtok(NULL, " ");

	mutant_awake = word != NULL ? (unsigned)strtoul(word, NULL, 10) : 0;
	while ((word = strtok(NULL, " ")) != NULL) {
		size_t test = parse_test(word);
		int status;

		word = strtok(NULL, " ");
		status = run(test, word != NULL ? (unsigned)strtoul(word, NULL, 10) : PASS_LIMIT);
		if (status != 0) {
			printf("%zu %d\n", test, status);
			return;
		}
	}
	printf("-1 0\n");
}

/* share_passed: what a child comes by, its parent shall see. */
static void
share_passed(void)
{
	void *at = mmap(mutant_passed, sizeof(mutant_passed), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	passed_in_setup =
	    mmap(NULL, MUTANTS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at != mutant_passed || passed_in_setup == MAP_FAILED)
		abort();
}

int
main(void)
{
	static char line[LINE_LENGTH];

	share_passed();
	null_output = open("/dev/null", O_WRONLY);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		listing = programs[i].name;
		programs[i].main();
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		const char *command = strtok(line, " \n");

		line[strcspn(line, "\n")] = '\0';
		if (command == NULL)
			continue;
		if (strcmp(command, "list") == 0)
			command_list();
		else if (strcmp(command, "pass") == 0)
			command_pass();
		else if (strcmp(command, "try") == 0)
			command_try();
		fflush(stdout);
	}
	return 0;
}

#ifndef __SANITIZE_ADDRESS__

/* The model prints backtraces by the sanitizers' runtime. */
void __sanitizer_print_stack_trace(void);
void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size);

void
__sanitizer_print_stack_trace(void)
{
}

void
__sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size)
{
	(void)format;
	snprintf(out, size, "%p", pc);
}

#endif

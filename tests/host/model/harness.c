/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runner: for each test cmocka (in the parent, speaking TAP) calls run_forked(), whose child
 * runs the test under a cmocka of its own, between setup and teardown, and writes to a pipe.  Of a
 * failed test the parent shows what came out of that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "model/harness.h"
#ifdef HOST_COVERAGE
#include <gcov.h>
#endif

#define DEFAULT_TIMEOUT 120 /* seconds */
#define OUTPUT_STEP	4096

static const struct host_fixture *the_fixture;
static uint64_t random_state = 0x9e3779b97f4a7c15ull;

/* Options of the sanitizers: crashes are theirs to report, not cmocka's; frames and objects are
 * counted by the fixtures. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "handle_segv=2:handle_sigbus=2:handle_sigill=2:detect_leaks=0:print_legend=0:"
	       "detect_stack_use_after_return=0:allocator_may_return_null=1";
}

static const char *
kr_name(int kr)
{
	static const char *const names[] = {
	    "KERN_SUCCESS",	      "KERN_INVALID_ADDRESS",  "KERN_PROTECTION_FAILURE",
	    "KERN_NO_SPACE",	      "KERN_INVALID_ARGUMENT", "KERN_FAILURE",
	    "KERN_RESOURCE_SHORTAGE", "KERN_NOT_RECEIVER",     "KERN_NO_ACCESS",
	    "KERN_OUT_OF_BOUNDS",     "KERN_RESTART",	       "KERN_ABORTED",
	};

	return kr >= 0 && (size_t)kr < ARRAY_SIZE(names) ? names[kr] : "no kern_return_t";
}

void
host_check_kr(int expected, int got, const char *what, const char *file, int line)
{
	if (expected == got)
		return;
	print_error("%s: expected %s, got %s (%d)\n", what, kr_name(expected), kr_name(got), got);
	_fail(file, line);
}

void
host_check_u64(uint64_t expected, uint64_t got, const char *what, const char *file, int line)
{
	if (expected == got)
		return;
	print_error("%s: expected %#lx, got %#lx\n", what, (unsigned long)expected,
		    (unsigned long)got);
	_fail(file, line);
}

void
host_random_seed(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ull | 1;
}

/* xorshift64*. */
uint64_t
host_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dull;
}

uint64_t
host_random_below(uint64_t n)
{
	return host_random() % n;
}

/* child: run one test to its end; does not return. */
_Noreturn static void
child(const struct host_test *t, int out)
{
	const char *seconds = getenv("HOST_TIMEOUT");
	const struct CMUnitTest test = {
	    .name = t->name,
	    .test_func = t->fn,
	    .setup_func = the_fixture->setup,
	    .teardown_func = the_fixture->teardown,
	};
	int failed;

	alarm(seconds != NULL ? (unsigned)atoi(seconds) : DEFAULT_TIMEOUT);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	failed = _cmocka_run_group_tests("test", &test, 1, NULL, NULL);
	fflush(NULL);
#ifdef HOST_COVERAGE
	__gcov_dump(); /* as _exit() does not */
#endif
	_exit(failed != 0);
}

/* read_all: everything up to the end of file, as a string. */
static char *
read_all(int in)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	do {
		text = realloc(text, size + OUTPUT_STEP + 1);
		n = read(in, text + size, OUTPUT_STEP);
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	text[size] = '\0';
	return text;
}

/* show: the child's output as TAP comments. */
static void
show(char *text)
{
	char *rest = text, *line;

	fflush(stdout);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] != '\0')
			fprintf(stderr, "# %s\n", line);
	}
}

static void
run_forked(void **state)
{
	const struct host_test *t = *state;
	int ends[2], status;
	char *text;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(t, ends[1]);
	close(ends[1]);
	text = read_all(ends[0]);
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (status != 0 || getenv("HOST_VERBOSE") != NULL)
		show(text);
	free(text);
	if (WIFSIGNALED(status))
		fail_msg("ended by signal %d%s", WTERMSIG(status),
			 WTERMSIG(status) == SIGALRM ? ": time is up" : "");
	if (status != 0)
		fail_msg("exit status %d", WEXITSTATUS(status));
}

int
host_run(const struct host_fixture *fixture, const struct host_test *tests, size_t n)
{
	struct CMUnitTest *list = calloc(n, sizeof(*list));
	const char *only = getenv("T");
	size_t chosen = 0;
	int failed;

	the_fixture = fixture;
	for (size_t i = 0; i < n; i++) {
		if (only != NULL && strstr(tests[i].name, only) == NULL)
			continue;
		list[chosen++] = (struct CMUnitTest){
		    .name = tests[i].name,
		    .test_func = run_forked,
		    .initial_state = (void *)(uintptr_t)&tests[i],
		};
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (chosen == 0) {
		printf("1..0 # SKIP no test has \"%s\" in its name\n", only);
		free(list);
		return 0;
	}
	failed = _cmocka_run_group_tests("tests", list, chosen, NULL, NULL);
	free(list);
	return failed != 0;
}

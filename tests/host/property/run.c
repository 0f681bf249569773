/* SPDX-License-Identifier: BSD-2-Clause */
/* Children that run operations, and what is said of those that fail. */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "model/harness.h"
#include "model/kernel.h"
#include "property/episode.h"
#include "property/run.h"
#include "property/shrink.h"

#define RUN_SECONDS 20	 /* for one episode */
#define QUESTIONS   3000 /* of the shrinker */

/* The child writes here where it is, the parent reads it when the child is gone. */
static struct shared {
	struct run_result result;
	struct op_counts counts;
} * shared;

static void
last_words(const char *message)
{
	snprintf(shared->result.message, sizeof(shared->result.message), "%s", message);
}

/* child_begins: in a child that is only asked whether it fails nothing is printed. */
static void
child_begins(bool quiet)
{
	int null;

	model_last_words = last_words;
	world_counts = &shared->counts;
	if (quiet) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	world_boot();
}

static void
run_episode(const struct op *ops, size_t n)
{
	alarm(RUN_SECONDS);
	world_begin();
	for (shared->result.step = 0; shared->result.step < n; shared->result.step++)
		world_step(&ops[shared->result.step]);
	world_end();
}

static pid_t
start_child(void)
{
	if (shared == NULL)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared->result = (struct run_result){0};
	fflush(NULL);
	return fork();
}

/* await_child: how did it end? */
static void
await_child(pid_t pid, struct run_result *result)
{
	int status = 0;

	waitpid(pid, &status, 0);
	*result = shared->result;
	result->failed = status != 0;
	if (!result->failed || result->message[0] != '\0')
		return;
	if (WIFSIGNALED(status))
		snprintf(result->message, sizeof(result->message), "ended by signal %d%s",
			 WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": time is up" : "");
	else
		snprintf(result->message, sizeof(result->message),
			 "ended with status %d (a sanitizer's report?)", WEXITSTATUS(status));
}

static void
run_child(const struct op *ops, size_t n, bool quiet, struct run_result *result)
{
	pid_t pid = start_child();

	if (pid == 0) {
		child_begins(quiet);
		run_episode(ops, n);
		_exit(EXIT_SUCCESS);
	}
	await_child(pid, result);
}

void
run_ops(const struct op *ops, size_t n, struct run_result *result)
{
	run_child(ops, n, true, result);
}

void
episode_ops(uint64_t seed, uint64_t episode, struct op ops[EPISODE_STEPS])
{
	host_random_seed(seed * 1000003 + episode);
	for (int i = 0; i < 8; i++) /* neighbouring seeds begin alike */
		host_random();
	for (size_t i = 0; i < EPISODE_STEPS; i++)
		op_random(&ops[i], i > 0 ? &ops[i - 1] : &(struct op){0}, host_random);
}

void
run_random(uint64_t seed, uint64_t first, uint64_t count, struct run_result *result)
{
	struct op ops[EPISODE_STEPS];
	pid_t pid = start_child();

	if (pid == 0) {
		child_begins(true);
		for (uint64_t i = first; i < first + count; i++) {
			shared->result.episode = i;
			episode_ops(seed, i, ops);
			run_episode(ops, EPISODE_STEPS);
		}
		_exit(EXIT_SUCCESS);
	}
	await_child(pid, result);
}

/* ---- failures ---- */

/* same_failure: do two messages say the same, numbers aside? */
static bool
same_failure(const char *a, const char *b)
{
	static const char digits[] = "0123456789abcdefx";

	while (*a != '\0' && *b != '\0') {
		a += strspn(a, digits);
		b += strspn(b, digits);
		if (*a != *b)
			return false;
		if (*a != '\0') {
			a++;
			b++;
		}
	}
	return *a == *b;
}

struct question {
	const struct run_result *failure;
	size_t asked;
};

static bool
fails_likewise(const struct op *ops, size_t n, void *arg)
{
	struct question *q = arg;
	struct run_result result;

	q->asked++;
	run_ops(ops, n, &result);
	return result.failed && same_failure(result.message, q->failure->message);
}

static void
print_test(const struct op *ops, size_t n)
{
	char text[200];

	fprintf(stderr,
		"static void\nfound(void **state)\n{\n\tstatic const struct op ops[] = {\n");
	for (size_t i = 0; i < n; i++) {
		op_format(&ops[i], text, sizeof(text));
		fprintf(stderr, "\t    %s,\n", text);
	}
	fprintf(stderr, "\t};\n\n\t(void)state;\n"
			"\tassert_true(replay_property(ops, ARRAY_SIZE(ops)));\n}\n");
}

void
report_failure(const struct op *ops, size_t n, const struct run_result *failure)
{
	size_t left = failure->step < n ? failure->step + 1 : n;
	struct op *few = calloc(left + 1, sizeof(*few));
	struct question q = {.failure = failure};
	struct run_result result;

	memcpy(few, ops, left * sizeof(*few));
	fprintf(stderr, "operation %zu of %zu: %s\n", failure->step + 1, n, failure->message);
	if (getenv("PROPERTY_BRIEF") != NULL) {
		free(few);
		return;
	}
	if (!fails_likewise(few, left, &q)) {
		fprintf(stderr, "these operations alone do not fail: not shrunk\n");
	} else {
		left = shrink(few, left, fails_likewise, &q, QUESTIONS);
		fprintf(stderr, "shrunk to %zu operations in %zu runs:\n\n", left, q.asked);
		print_test(few, left);
		fprintf(stderr, "\nand this is how they fail:\n");
		run_child(few, left, false, &result);
	}
	free(few);
}

bool
run_property(uint64_t seed, uint64_t steps)
{
	struct op ops[EPISODE_STEPS];
	struct run_result result;

	run_random(seed, 0, (steps + EPISODE_STEPS - 1) / EPISODE_STEPS, &result);
	if (!result.failed)
		return true;
	fprintf(stderr, "seed %lu, episode %lu fails\n", (unsigned long)seed,
		(unsigned long)result.episode);
	episode_ops(seed, result.episode, ops);
	report_failure(ops, EPISODE_STEPS, &result);
	return false;
}

bool
replay_property(const struct op *ops, size_t n)
{
	struct run_result result;

	run_ops(ops, n, &result);
	if (result.failed)
		report_failure(ops, n, &result);
	return !result.failed;
}

bool
all_done(void)
{
	for (unsigned i = 0; i < OP_KINDS; i++) {
		if (shared->counts.done[i] > 0)
			continue;
		fprintf(stderr, "%s was never done\n", op_name(i));
		return false;
	}
	return true;
}

void
print_counts(void)
{
	fprintf(stderr, "%-8s %10s %10s %10s\n", "", "done", "refused", "starved");
	for (unsigned i = 0; i < OP_KINDS; i++)
		fprintf(stderr, "%-8s %10lu %10lu %10lu\n", op_name(i),
			(unsigned long)shared->counts.done[i],
			(unsigned long)shared->counts.refused[i],
			(unsigned long)shared->counts.starved[i]);
}

/* ---- files ---- */

size_t
bytes_to_ops(const uint8_t *bytes, size_t size, struct op *ops)
{
	size_t n = size / sizeof(*ops);

	memcpy(ops, bytes, n * sizeof(*ops));
	for (size_t i = 0; i < n; i++)
		op_normalise(&ops[i]);
	return n;
}

static struct op *
read_bytes(FILE *f, size_t *n)
{
	uint8_t bytes[64 * 1024];
	size_t size = fread(bytes, 1, sizeof(bytes), f);
	struct op *ops = calloc(size / sizeof(*ops) + 1, sizeof(*ops));

	*n = bytes_to_ops(bytes, size, ops);
	return ops;
}

static struct op *
read_lines(FILE *f, size_t *n)
{
	struct op *ops = NULL, op;
	char line[200];

	*n = 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (!op_parse(line, &op))
			continue;
		ops = realloc(ops, (*n + 1) * sizeof(*ops));
		ops[(*n)++] = op;
	}
	return ops;
}

struct op *
read_ops(const char *path, size_t *n)
{
	const char *dot = strrchr(path, '.');
	FILE *f = fopen(path, "r");
	struct op *ops;

	if (f == NULL)
		return NULL;
	ops = dot != NULL && strcmp(dot, ".ops") == 0 ? read_lines(f, n) : read_bytes(f, n);
	fclose(f);
	if (*n != 0)
		return ops;
	free(ops);
	return NULL;
}

bool
replay_corpus(void)
{
	bool good = true;
	glob_t files;

	if (glob(PROPERTY_CORPUS "/*.ops", 0, NULL, &files) != 0)
		return false;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		size_t n;
		struct op *ops = read_ops(files.gl_pathv[i], &n);

		if (ops == NULL || !replay_property(ops, n)) {
			fprintf(stderr, "%s fails\n", files.gl_pathv[i]);
			good = false;
		}
		free(ops);
	}
	globfree(&files);
	return good;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prompt: reads a line from the console, runs the program it names, says how that ended.
 *
 * A second thread does all reading, so that Ctrl-C is seen while a program runs: it puts what comes
 * into a ring, and the main thread takes it out when it wants a line.  Programs therefore get no
 * input; none needs any.
 *
 *	line  = words [ "&" ]		words are separated by blanks
 *	word  = anything; 'text' and "text" keep blanks, and are part of the word they stand in
 */
#include <stdbool.h>

#include <pagoda/archive.h>
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

#define LINE_BYTES 512
#define MAX_WORDS  64
#define MAX_JOBS   16
#define RING_BYTES 1024

#define CTRL_C	  0x03
#define CTRL_U	  0x15
#define BACKSPACE 0x08
#define ESCAPE	  0x1b
#define DELETE	  0x7f
#define BELL	  '\a'

/* How long a foreground program may run on after Ctrl-C was typed. */
#define POLL_MS 20

/* What it looks like when a program ended by Ctrl-C is asked how it ended. */
#define STATUS_INTERRUPTED 130

/* ---- Input ---- */

static struct mutex ring_lock = MUTEX_INIT;
static char ring[RING_BYTES];	   /* guarded by ring_lock */
static uint32_t ring_in, ring_out; /* guarded by ring_lock; they count on for ever */
static uint32_t interrupts;	   /* atomic: how often Ctrl-C was typed */
static bool foreground;		   /* atomic: a program runs, whose end Ctrl-C is */

static void
ring_put(char c)
{
	mutex_lock(&ring_lock);
	if (ring_in - ring_out < RING_BYTES) {
		ring[ring_in % RING_BYTES] = c;
		__atomic_store_n(&ring_in, ring_in + 1, __ATOMIC_RELEASE);
	}
	mutex_unlock(&ring_lock);
	futex_wake(&ring_in, 1);
}

static void
read_console(void *arg)
{
	char buffer[64];

	(void)arg;
	for (;;) {
		int64_t n = console_read(buffer, sizeof buffer);

		if (n < 0) {
			printf("sh: reading: %s\n", strerror(n));
			proc_exit(1);
		}
		for (int64_t i = 0; i < n; i++) {
			if (buffer[i] == CTRL_C) {
				__atomic_add_fetch(&interrupts, 1, __ATOMIC_RELAXED);
			}
			if (buffer[i] != CTRL_C ||
			    !__atomic_load_n(&foreground, __ATOMIC_RELAXED)) {
				ring_put(buffer[i]);
			}
		}
	}
}

static char
read_char(void)
{
	for (;;) {
		uint32_t in = __atomic_load_n(&ring_in, __ATOMIC_ACQUIRE);

		mutex_lock(&ring_lock);
		if (ring_out != ring_in) {
			char c = ring[ring_out++ % RING_BYTES];

			mutex_unlock(&ring_lock);
			return c;
		}
		mutex_unlock(&ring_lock);
		futex_wait(&ring_in, in, FOREVER);
	}
}

static void
echo(const char *s)
{
	printf("%s", s);
	stdout_flush();
}

/* Arrows and the like come as ESC [ ... letter: nothing here knows them. */
static void
skip_escape(void)
{
	char c = read_char();

	while (c == '[' || c == ';' || (c >= '0' && c <= '9')) {
		c = read_char();
	}
}

static void
erase(size_t *used, size_t n)
{
	for (; n > 0 && *used > 0; n--) {
		echo("\b \b");
		--*used;
	}
}

static void
insert(char *line, size_t *used, char c)
{
	if ((unsigned char)c < ' ' || *used == LINE_BYTES - 1) {
		c = BELL;
	} else {
		line[(*used)++] = c;
	}
	putchar(c);
	stdout_flush();
}

/* Read a line with its editing; false: it was given up by Ctrl-C. */
static bool
read_line(char line[LINE_BYTES])
{
	size_t used = 0;

	for (;;) {
		char c = read_char();

		switch (c) {
		case '\r':
		case '\n':
			echo("\n");
			line[used] = '\0';
			return true;
		case CTRL_C:
			echo("^C\n");
			return false;
		case CTRL_U:
			erase(&used, used);
			break;
		case BACKSPACE:
		case DELETE:
			erase(&used, 1);
			break;
		case ESCAPE:
			skip_escape();
			break;
		default:
			insert(line, &used, c);
			break;
		}
	}
}

/* ---- Words ---- */

/* Copy one word from *from to *to without its quotes; NULL, or what is wrong with it. */
static const char *
take_word(const char **from, char **to)
{
	char quote = '\0';

	for (; **from != '\0' && (quote != '\0' || **from != ' '); ++*from) {
		if (**from == quote) {
			quote = '\0';
		} else if (quote == '\0' && (**from == '\'' || **from == '"')) {
			quote = **from;
		} else {
			*(*to)++ = **from;
		}
	}
	*(*to)++ = '\0';
	return quote != '\0' ? "a quote is not closed" : NULL;
}

/* Cut the line into words (in text, as long as the line); how many, or -1 with the reason told. */
static int
split(const char *line, char *text, const char *words[MAX_WORDS + 1], bool *background)
{
	int count = 0;

	*background = false;
	for (;;) {
		while (*line == ' ') {
			line++;
		}
		if (*line == '\0') {
			break;
		}
		const char *start = line, *wrong = count == MAX_WORDS ? "too many words" : NULL;

		words[count] = text;
		if (wrong == NULL) {
			wrong = take_word(&line, &text);
		}
		if (wrong != NULL) {
			printf("sh: %s\n", wrong);
			return -1;
		}
		*background = start[0] == '&' && line == start + 1;
		count++;
	}
	count -= *background;
	words[count] = NULL;
	return count;
}

/* ---- Running programs ---- */

static struct {
	handle_t proc; /* 0: free */
	char name[PROC_NAME_MAX];
} jobs[MAX_JOBS];

static bool
succeeded(const struct proc_status *status)
{
	return status->how == PROC_EXITED && status->value == 0;
}

static void
tell_end(const char *name, const struct proc_status *status)
{
	char text[96];

	describe_status(status, text, sizeof text);
	printf("%s: %s\n", name, text);
}

/* The root right is for programs that look into other processes. */
static uint32_t
creation_flags(const char *name)
{
	return strcmp(name, "vmmap") == 0 ? PROC_CREATE_ROOT : 0;
}

/* Start a program; its handle, or a negative error that has been told. */
static handle_t
start(const char *const words[])
{
	handle_t proc = spawn_flags(words[0], words, NULL, creation_flags(words[0]));

	if (proc == -ENOENT) {
		printf("%s: no such command; try help\n", words[0]);
	} else if (proc < 0) {
		printf("%s: cannot be run: %s\n", words[0], strerror(proc));
	}
	return proc;
}

static uint32_t
interrupts_now(void)
{
	return __atomic_load_n(&interrupts, __ATOMIC_RELAXED);
}

/* Wait for a program in the foreground, kill it at Ctrl-C. */
static bool
finish(handle_t proc, const char *name)
{
	uint32_t before = interrupts_now();
	struct proc_status status;

	__atomic_store_n(&foreground, true, __ATOMIC_RELAXED);
	while (proc_wait(proc, &status, clock_now() + POLL_MS * NS_PER_MS) == -ETIMEDOUT) {
		if (interrupts_now() != before) {
			proc_kill(proc, STATUS_INTERRUPTED);
		}
	}
	__atomic_store_n(&foreground, false, __ATOMIC_RELAXED);
	handle_close(proc);
	if (!succeeded(&status)) {
		tell_end(name, &status);
	}
	return succeeded(&status);
}

static void
keep_job(handle_t proc, const char *name)
{
	for (int i = 0; i < MAX_JOBS; i++) {
		if (jobs[i].proc == 0) {
			jobs[i].proc = proc;
			strlcpy(jobs[i].name, name, sizeof jobs[i].name);
			printf("[%ld] %s\n", proc_id(proc), name);
			return;
		}
	}
	printf("sh: %s runs on, but there are too many to watch it\n", name);
	handle_close(proc);
}

/* Tell of background programs that have ended. */
static void
reap_jobs(void)
{
	struct proc_status status;

	for (int i = 0; i < MAX_JOBS; i++) {
		if (jobs[i].proc != 0 && proc_wait(jobs[i].proc, &status, 0) == 0) {
			tell_end(jobs[i].name, &status);
			handle_close(jobs[i].proc);
			jobs[i].proc = 0;
		}
	}
}

static void
run(const char *const words[], bool background)
{
	handle_t proc = start(words);

	if (proc < 0) {
		return;
	}
	if (background) {
		keep_job(proc, words[0]);
	} else {
		finish(proc, words[0]);
	}
}

/* ---- Commands of the prompt itself ---- */

static void
command_ls(const char *const words[])
{
	struct archive_file file;
	uint64_t cursor = 0;

	(void)words;
	while (archive_next(&cursor, &file)) {
		printf("%9lu  %s\n", file.size, file.path);
	}
}

static void
command_test(const char *const words[])
{
	unsigned passed = 0, failed = 0;
	uint32_t before = interrupts_now();
	struct archive_file file;
	uint64_t cursor = 0;

	(void)words;
	while (interrupts_now() == before && archive_next(&cursor, &file)) {
		if (strncmp(file.path, "tests/", strlen("tests/")) != 0) {
			continue;
		}
		const char *test[] = {file.path, NULL};
		printf("# %s\n", file.path);
		handle_t proc = start(test);
		if (proc >= 0 && finish(proc, file.path)) {
			passed++;
		} else {
			failed++;
		}
	}
	printf("%u test programs passed, %u failed\n", passed, failed);
}

static void
command_kill(const char *const words[])
{
	uint64_t id;

	if (words[1] == NULL || !parse_number(words[1], &id)) {
		puts("usage: kill ID");
		return;
	}
	int64_t proc = proc_open(id);
	if (proc < 0) {
		printf("kill: %lu: %s\n", id, strerror(proc));
		return;
	}
	proc_kill((handle_t)proc, STATUS_INTERRUPTED);
	handle_close((handle_t)proc);
}

/* init ends the machine when the prompt ends well. */
static void
command_exit(const char *const words[])
{
	(void)words;
	exit(0);
}

static void command_help(const char *const words[]);

static const struct {
	const char *name, *help;
	void (*run)(const char *const words[]);
} commands[] = {
    {"help", "this text", command_help},
    {"ls", "the programs there are", command_ls},
    {"test", "run all test programs", command_test},
    {"kill", "ID: end a process", command_kill},
    {"exit", "switch the machine off", command_exit},
    {"poweroff", "switch the machine off", command_exit},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void
command_help(const char *const words[])
{
	(void)words;
	puts("NAME [ARG...] [&]  run a program of the archive, with & in the background");
	puts(
	    "                   vmmap [ID], ps, free, stack [-o], forkdemo, faults KIND, hello ...");
	for (size_t i = 0; i < COMMANDS; i++) {
		printf("%-18s %s\n", commands[i].name, commands[i].help);
	}
	puts("Ctrl-C ends the program that runs; Ctrl-U and Ctrl-C drop the line.");
}

static void
execute(const char *line)
{
	const char *words[MAX_WORDS + 1];
	char text[LINE_BYTES + 1];
	bool background;

	if (split(line, text, words, &background) <= 0) {
		return;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(words[0], commands[i].name) == 0) {
			commands[i].run(words);
			return;
		}
	}
	run(words, background);
}

int
main(void)
{
	struct user_thread reader;
	char line[LINE_BYTES];
	int error = thread_start(&reader, read_console, NULL, 0);

	if (error != 0) {
		printf("sh: no thread to read: %s\n", strerror(error));
		return 1;
	}
	for (;;) {
		reap_jobs();
		echo("pagoda> ");
		if (read_line(line)) {
			execute(line);
		}
	}
}

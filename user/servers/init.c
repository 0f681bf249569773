/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first process: keeps a prompt on the console, and ends the machine when the prompt says so.
 *
 * The prompt ends with status 0 when the machine is to be switched off.  However else it ends, it
 * is started again, after a pause, so that a prompt that cannot start does not flood the console.
 * Who sits at the console may do anything: the prompt gets the root right.
 */
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

#define PROMPT	   "bin/sh"
#define RESTART_MS 500

/* Run the prompt once; true if it ended well. */
static bool
run_prompt(void)
{
	static const char *const argv[] = {"sh", NULL};
	struct proc_status status;
	char text[96];
	handle_t proc = spawn_flags(PROMPT, argv, NULL, PROC_CREATE_ROOT);

	if (proc < 0) {
		printf("init: %s: %s\n", PROMPT, strerror(proc));
		return false;
	}
	int error = wait_for(proc, &status);
	if (error != 0) {
		printf("init: waiting for %s: %s\n", PROMPT, strerror(error));
		return false;
	}
	if (status.how == PROC_EXITED && status.value == 0) {
		return true;
	}
	describe_status(&status, text, sizeof text);
	printf("init: %s %s; starting it again\n", PROMPT, text);
	return false;
}

int
main(void)
{
	puts("Welcome to Pagoda.  Type help.");
	while (!run_prompt()) {
		sleep_ms(RESTART_MS);
	}
	stdout_flush();
	int64_t error = system_shutdown(0);
	printf("init: the machine cannot be switched off: %s\n", strerror(error));
	return 1;
}

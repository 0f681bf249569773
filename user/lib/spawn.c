/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn: an empty process, an ELF image loaded into it, the boot archive given on, and a thread.
 * Each step can be done by hand, with other images and other handles, by whoever likes to.
 */
#include <pagoda/archive.h>
#include <pagoda/process.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

/* Fill an empty process; 0 or -E*. */
static int64_t
fill(handle_t proc, const struct archive_file *file, const char *const argv[],
     const char *const envp[], struct thread_regs *regs)
{
	struct proc_args args = {ADDR(argv), ADDR(envp)};
	struct proc_entry entry;
	struct handle_info info;
	int64_t result = proc_load(proc, file->data, file->size, &args, &entry);

	if (result < 0) {
		return result;
	}
	*regs = (struct thread_regs){.rip = entry.rip, .rsp = entry.rsp, .rflags = 0x200};
	if (handle_info(HANDLE_BOOT_ARCHIVE, &info) != 0) {
		return 0;
	}
	result = proc_give(proc, HANDLE_BOOT_ARCHIVE, HANDLE_BOOT_ARCHIVE);
	return result < 0 ? result : 0;
}

handle_t
spawn_stopped(const char *path, const char *const argv[], const char *const envp[], uint32_t flags,
	      struct thread_regs *regs)
{
	struct archive_file file;

	if (!archive_find(path, &file)) {
		return -ENOENT;
	}
	const char *slash = strrchr(file.path, '/');
	char name[PROC_NAME_MAX];

	strlcpy(name, slash != NULL ? slash + 1 : file.path, sizeof name);
	int64_t proc = proc_create(name, flags);
	if (proc < 0) {
		return (handle_t)proc;
	}
	if (envp == NULL) {
		envp = (const char *const *)environ;
	}
	int64_t error = fill((handle_t)proc, &file, argv, envp, regs);
	if (error < 0) {
		handle_close((handle_t)proc);
		return (handle_t)error;
	}
	return (handle_t)proc;
}

int
spawn_run(handle_t proc, const struct thread_regs *regs)
{
	int64_t thread = thread_create(proc, regs, 0);

	if (thread < 0) {
		return (int)thread;
	}
	handle_close((handle_t)thread);
	return 0;
}

handle_t
spawn_flags(const char *path, const char *const argv[], const char *const envp[], uint32_t flags)
{
	struct thread_regs regs;
	handle_t proc = spawn_stopped(path, argv, envp, flags, &regs);

	if (proc < 0) {
		return proc;
	}
	int error = spawn_run(proc, &regs);
	if (error < 0) {
		handle_close(proc);
		return error;
	}
	return proc;
}

handle_t
spawn(const char *path, const char *const argv[], const char *const envp[])
{
	return spawn_flags(path, argv, envp, 0);
}

int
wait_for(handle_t proc, struct proc_status *status)
{
	int64_t error = proc_wait(proc, status, FOREVER);

	if (error != 0) {
		return (int)error;
	}
	handle_close(proc);
	return 0;
}

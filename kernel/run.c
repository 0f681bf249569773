/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first process.
 *
 *	default		sbin/init of the archive
 *	run=NAME	the boot module `run` if there is one, else NAME of the archive; the words behind
 *			"--" are its arguments
 *
 * The first process has the root right, the archive at HANDLE_BOOT_ARCHIVE, and physical memory at
 * HANDLE_BOOT_PHYSMEM.
 */
#include <machine/console.h>
#include <machine/cpu.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "boot/boot_info.h"
#include "kernel/archive.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/string.h"
#include "kernel/debug.h"
#include "kernel/elf.h"
#include "kernel/exec.h"
#include "kernel/exec_args.h"
#include "kernel/memobj.h"
#include "kernel/physmem.h"
#include "kernel/proc.h"
#include "kernel/run.h"
#include "kernel/thread.h"
#include "vm/pmap.h"

#define DEFAULT_PROGRAM "sbin/init"
#define ARCHIVE_MODULE	"archive"
#define PROGRAM_MODULE	"run"

/* Exit statuses of a run whose program did not end by itself, as shells count them: 128 and a signal
 * number, which other systems' programs give such an end. */
#define STATUS_KILLED	 137
#define STATUS_SEGMENT	 139
#define STATUS_BUS	 135
#define STATUS_ILLEGAL	 132
#define STATUS_MATH	 136
#define STATUS_TRAP	 133
#define STATUS_MASK	 0xff
#define STATUS_LINE_SIZE 80

static struct {
	bool run_mode;
	char path[BOOT_OPTION_MAX];	   /* of the program; in run mode also argv[0] */
	const struct boot_module *archive; /* constant after boot, as all of this */
	const struct boot_module *program; /* NULL: take it from the archive */
} run;

bool
run_mode(void)
{
	return run.run_mode;
}

static void
parse_command_line(void)
{
	run.run_mode = boot_option("run", run.path, sizeof(run.path)) != NULL;
	if (!run.run_mode)
		strlcpy(run.path, DEFAULT_PROGRAM, sizeof(run.path));
	else if (run.path[0] == '\0')
		boot_fail("option run= names no program");
}

/* ---- The archive ---- */

static const struct boot_module *
find_module(const struct boot_info *bi, const char *name)
{
	for (uint32_t i = 0; i < bi->module_count; i++) {
		if (strcmp(bi->modules[i].name, name) == 0)
			return &bi->modules[i];
	}
	return NULL;
}

static size_t
module_size(const struct boot_module *m)
{
	return m->end - m->start;
}

/* find_program: the image to start. */
static struct elf_source
find_program(void)
{
	const struct boot_module *m = run.program != NULL ? run.program : run.archive;
	const void *image = pmap_phys_address(m->start);
	size_t size = module_size(m);

	if (run.program == NULL && !archive_find(image, size, run.path, &image, &size))
		boot_fail("the archive has no %s", run.path);
	return elf_source_kernel(image, size);
}

void
run_init(const struct boot_info *bi)
{
	const char *damage;

	parse_command_line();
	run.archive = find_module(bi, ARCHIVE_MODULE);
	if (run.archive == NULL)
		boot_fail("the boot loader brought no archive (a module named \"%s\")",
			  ARCHIVE_MODULE);
	damage = archive_check(pmap_phys_address(run.archive->start), module_size(run.archive));
	if (damage != NULL)
		boot_fail("the archive is damaged: %s", damage);
	if (run.run_mode)
		run.program = find_module(bi, PROGRAM_MODULE);
	find_program();
}

/* ---- Start ---- */

static int
add_arguments(struct exec_args *args)
{
	char word[BOOT_CMDLINE_MAX];
	int error = exec_args_add(args, run.path);

	args->argc = 1;
	for (unsigned i = 0; error == 0 && boot_argument(i, word, sizeof(word)); i++) {
		error = exec_args_add(args, word);
		args->argc++;
	}
	return error;
}

/* load: fill p with the first program.  0 or an error. */
static int
load(struct proc *p, struct proc_entry *entry)
{
	struct elf_source source = find_program();
	struct exec_args args;
	int error = exec_args_init(&args);

	if (error != 0)
		return error;
	error = add_arguments(&args);
	if (error == 0)
		error = exec_load(p, &source, &args, entry);
	exec_args_free(&args);
	return error;
}

/* give_archive: 0 or ENOMEM. */
static int
give_archive(struct proc *p)
{
	struct memobj *m = memobj_create_boot(run.archive->start, module_size(run.archive));
	uint32_t h;
	int error;

	if (m == NULL)
		return ENOMEM;
	error = handle_reserve(&p->handles, HANDLE_BOOT_ARCHIVE, &h);
	if (error == 0)
		handle_fill(&p->handles, h, &m->object, RIGHT_READ | RIGHT_EXECUTE | RIGHT_DUP);
	else
		kobject_unref(&m->object);
	return error;
}

/* give_physmem: 0 or ENOMEM. */
static int
give_physmem(struct proc *p)
{
	uint32_t h;
	int error = handle_reserve(&p->handles, HANDLE_BOOT_PHYSMEM, &h);

	if (error == 0)
		handle_fill(&p->handles, h, physmem_object(), RIGHT_READ | RIGHT_WRITE | RIGHT_DUP);
	return error;
}

/* base_name: the last part of a path. */
static const char *
base_name(const char *path)
{
	const char *name = path;

	for (; *path != '\0'; path++) {
		if (*path == '/')
			name = path + 1;
	}
	return name;
}

/* make_thread: the first thread of p, not yet started.  0 or an error. */
static int
make_thread(struct proc *p, const struct proc_entry *entry, struct uthread **out)
{
	struct thread_regs regs = {.rip = entry->rip, .rsp = entry->rsp};

	return thread_create(p, &regs, false, out);
}

static const char *
error_text(int error)
{
	switch (error) {
	case ENOEXEC:
		return "the image is refused";
	case ENOMEM:
		return "there is not enough memory";
	case E2BIG:
		return "the arguments are too long";
	default:
		return "an error";
	}
}

struct proc *
run_first(void)
{
	struct proc *p = proc_create(base_name(run.path), PROC_CREATE_ROOT);
	struct uthread *ut = NULL;
	struct proc_entry entry;
	int error = p == NULL ? ENOMEM : load(p, &entry);

	if (error == 0)
		error = give_archive(p);
	if (error == 0)
		error = give_physmem(p);
	if (error == 0)
		error = make_thread(p, &entry, &ut);
	if (error != 0)
		boot_fail("%s cannot be started: %s", run.path, error_text(error));
	kprintf("pagoda: ready\n");
	thread_start(ut);
	thread_unref(ut);
	return p;
}

/* ---- End ---- */

/* fault_status: the exit status of a program that died of a fault. */
static int
fault_status(int32_t kind)
{
	switch (kind) {
	case FAULT_OBJERR:
	case FAULT_NOMEM:
		return STATUS_BUS;
	case FAULT_ILLEGAL:
		return STATUS_ILLEGAL;
	case FAULT_MATH:
		return STATUS_MATH;
	case FAULT_TRAP:
		return STATUS_TRAP;
	default:
		return STATUS_SEGMENT;
	}
}

static int
exit_status(const struct proc_status *s)
{
	switch (s->how) {
	case PROC_EXITED:
		return s->value & STATUS_MASK;
	case PROC_FAULTED:
		return fault_status(s->value);
	default:
		return STATUS_KILLED;
	}
}

void
run_end(int status, uint32_t code)
{
	char line[STATUS_LINE_SIZE];

	debug_report();
	if (run.run_mode) {
		int n = ksnprintf(line, sizeof(line), "exit %d\n", status & STATUS_MASK);

		debugcon_write(DEBUGCON_STATUS, line, (size_t)n);
	}
	machine_end(code);
}

void
run_supervise(struct proc *p)
{
	struct proc_status status;

	while (proc_wait(p, SLEEPQ_FOREVER, &status) != 0)
		;
	kprintf("pagoda: %s has ended, status %d\n", p->name, exit_status(&status));
	proc_unref(p);
	run_end(exit_status(&status), run.run_mode ? CPU_EXIT_OK : CPU_EXIT_FAIL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts of the error numbers, and of what ends a process. */
#include <pagoda/errno.h>
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>

static const struct {
	int error;
	const char *text;
} errors[] = {
    {0, "no error"},
    {EPERM, "not permitted"},
    {ENOENT, "no such thing"},
    {ESRCH, "no such process"},
    {EINTR, "interrupted"},
    {EIO, "input or output failed"},
    {E2BIG, "argument list too long"},
    {ENOEXEC, "not a program"},
    {EBADF, "bad handle"},
    {ECHILD, "no child"},
    {EAGAIN, "try again"},
    {ENOMEM, "no memory"},
    {EACCES, "access denied"},
    {EFAULT, "bad address"},
    {EBUSY, "busy"},
    {EEXIST, "exists already"},
    {EINVAL, "invalid argument"},
    {EMFILE, "too many handles"},
    {ENOSPC, "no space"},
    {ERANGE, "out of range"},
    {ENOSYS, "no such call"},
    {EOVERFLOW, "too large"},
    {ETIMEDOUT, "timed out"},
    {ECANCELED, "cancelled"},
};

const char *
strerror(int64_t error)
{
	if (error < 0) {
		error = -error;
	}
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		if (errors[i].error == error) {
			return errors[i].text;
		}
	}
	return "unknown error";
}

const char *
fault_name(int32_t kind)
{
	static const char *const names[] = {
	    [FAULT_MAPERR] = "nothing mapped",
	    [FAULT_ACCERR] = "access not allowed",
	    [FAULT_OBJERR] = "beyond the end of the object",
	    [FAULT_NOMEM] = "no memory",
	    [FAULT_ILLEGAL] = "undefined instruction",
	    [FAULT_MATH] = "arithmetic error",
	    [FAULT_GENERAL] = "general protection",
	    [FAULT_TRAP] = "breakpoint",
	};

	if (kind < FAULT_MAPERR || kind > FAULT_TRAP) {
		return "unknown fault";
	}
	return names[kind];
}

void
describe_status(const struct proc_status *status, char *buffer, size_t size)
{
	switch (status->how) {
	case PROC_EXITED:
		snprintf(buffer, size, "exited with status %d", status->value);
		break;
	case PROC_KILLED:
		snprintf(buffer, size, "killed with status %d", status->value);
		break;
	case PROC_FAULTED:
		snprintf(buffer, size, "fault: %s at %#lx", fault_name(status->value),
			 status->address);
		break;
	default:
		snprintf(buffer, size, "ended in unknown way %u", status->how);
		break;
	}
}

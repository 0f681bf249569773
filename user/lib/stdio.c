/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output to the console, a line at a time: a system call a line instead of one a character, and
 * lines of several threads and processes do not mix.
 */
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

#define STDOUT_BUFFER 512

static struct mutex out_lock = MUTEX_INIT;
static char out[STDOUT_BUFFER]; /* guarded by out_lock, as is out_used */
static size_t out_used;

/* What cannot be written is dropped: there is nobody to tell. */
static void
flush_locked(void)
{
	size_t done = 0;

	while (done < out_used) {
		int64_t n = console_write(out + done, out_used - done);

		if (n <= 0) {
			break;
		}
		done += n;
	}
	out_used = 0;
}

static void
put_locked(char c, void *cookie)
{
	(void)cookie;
	out[out_used++] = c;
	if (c == '\n' || out_used == sizeof out) {
		flush_locked();
	}
}

void
stdout_lock(void)
{
	mutex_lock(&out_lock);
}

void
stdout_unlock(void)
{
	mutex_unlock(&out_lock);
}

void
stdout_flush(void)
{
	stdout_lock();
	flush_locked();
	stdout_unlock();
}

int
vprintf(const char *format, va_list args)
{
	stdout_lock();
	int length = format_to(put_locked, NULL, format, args);
	stdout_unlock();
	return length;
}

int
printf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int length = vprintf(format, args);
	va_end(args);
	return length;
}

int
putchar(int c)
{
	stdout_lock();
	put_locked((char)c, NULL);
	stdout_unlock();
	return c;
}

int
puts(const char *s)
{
	return printf("%s\n", s);
}

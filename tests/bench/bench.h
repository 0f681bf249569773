/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h: what the measures of the comparison share: system calls without a library in between,
 * the time-stamp counter, and the samples.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096UL

static inline uint64_t
rdtsc(void)
{
	uint32_t a, d;
	__asm__ volatile("rdtsc" : "=a"(a), "=d"(d) : : "memory");
	return ((uint64_t)d << 32) | a;
}

static inline long
sys6(long n, long a, long b, long c, long d, long e, long f)
{
	long r;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}
#define sys0(n)		    sys6(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a)	    sys6(n, (long)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b)	    sys6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c)    sys6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static inline void *
k_mmap(void *at, size_t len, int prot, int flags)
{
	return (void *)sys6(SYS_mmap, (long)at, len, prot, flags, -1, 0);
}

static inline int
bad(void *p)
{
	return (unsigned long)p > -4096UL;
}
#define k_munmap(p, l)	    sys2(SYS_munmap, p, l)
#define k_mprotect(p, l, x) sys3(SYS_mprotect, p, l, x)
#define RW		    (PROT_READ | PROT_WRITE)
#define ANON		    (MAP_PRIVATE | MAP_ANONYMOUS)

static inline long
k_fork(void)
{
	long r = sys0(SYS_fork);
	if (r == -ENOSYS)
		r = sys6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
	return r;
}

static inline long
k_wait(long pid)
{
	int st;
	return sys4(SYS_wait4, pid, &st, 0, 0);
}
#define k_exit(c) sys1(SYS_exit_group, c)

/* Samples of the measure that is being taken (bench.c). */
#define MAX_SAMPLES 4096
extern uint64_t samples[MAX_SAMPLES];
extern int sample_count;
void begin(void);
void na(const char *name);
uint64_t report_div(const char *name, uint64_t div);
uint64_t report(const char *name);

static inline void
add(uint64_t t0, uint64_t t1)
{
	if (sample_count < MAX_SAMPLES)
		samples[sample_count++] = t1 - t0;
}

/* nohuge: single pages only. */
static inline void
nohuge(void *p, size_t l)
{
	sys3(SYS_madvise, p, l, 15 /*MADV_NOHUGEPAGE*/);
}

extern char *argv0;

/* The measures. */
void t_method(void);
void t_sleep(void);
void t_null(void);
void t_anon(void);
void t_zero(void);
void t_populate(void);
void t_shm(void);
void t_stack(void);
void t_cow(void);
void t_mmap(void);
void t_manymaps(void);
void t_mprotect(void);
void t_fork(void);
void t_exec(void);
void t_pipe(void);
void t_pipe64k(void);
void t_yield(void);
void t_futex(void);
void t_signal(void);
void t_uffd(void);
void t_smp(void);

#endif

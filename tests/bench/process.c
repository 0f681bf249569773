/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes, pipes and threads. */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* fork_loop: pages from p on are stored to before each fork, outside of the measure. */
static void
fork_loop(const char *name, int n, volatile char *p, size_t pages)
{
	begin();
	for (int i = 0; i < n; i++) {
		for (size_t j = 0; j < pages; j++)
			p[j * PAGE] = 1;
		uint64_t t0 = rdtsc();
		long pid = k_fork();
		if (pid == 0)
			k_exit(0);
		if (pid < 0)
			break;
		k_wait(pid);
		add(t0, rdtsc());
	}
	report(name);
}

void
t_fork(void)
{
	fork_loop("fork_exit_wait_small", 100, NULL, 0);
	size_t n = 1024;
	char *p = k_mmap(0, n * PAGE, RW, ANON);
	if (bad(p)) {
		na("fork_exit_wait_1k_pages");
		return;
	}
	nohuge(p, n * PAGE);
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 1;
	fork_loop("fork_exit_wait_1k_pages", 50, NULL, 0);
	fork_loop("fork_exit_wait_1k_pages_written", 50, p, n);
	k_munmap(p, n * PAGE);
}

static const char *tiny_path;
static void
do_exec(void)
{
	char *av[] = {"tiny", "--exit", 0}, *ev[] = {0};
	sys3(SYS_execve, tiny_path, av, ev);
	k_exit(127);
}

void
t_exec(void)
{
	tiny_path = access("/tiny", X_OK) == 0 ? "/tiny" : argv0;
	begin();
	for (int i = 0; i < 50; i++) {
		int st = 0;
		uint64_t t0 = rdtsc();
		long pid = k_fork();
		if (pid == 0)
			do_exec();
		if (pid < 0)
			break;
		sys4(SYS_wait4, pid, &st, 0, 0);
		uint64_t t1 = rdtsc();
		if (st)
			break;
		add(t0, t1);
	}
	report("fork_exec_exit_wait_tiny");
	begin();
	for (int i = 0; i < 50; i++) {
		int st = 0;
		uint64_t t0 = rdtsc();
		long pid = vfork();
		if (pid == 0)
			do_exec();
		if (pid < 0)
			break;
		sys4(SYS_wait4, pid, &st, 0, 0);
		uint64_t t1 = rdtsc();
		if (st)
			break;
		add(t0, t1);
	}
	report("vfork_exec_exit_wait_tiny");
}

void
t_pipe(void)
{
	int a[2], b[2];
	if (pipe(a) || pipe(b)) {
		na("pipe_roundtrip");
		return;
	}
	/* pipe with itself: copy cost without a switch */
	begin();
	for (int i = 0; i < 1000; i++) {
		char c = 0;
		uint64_t t0 = rdtsc();
		sys3(SYS_write, a[1], &c, 1);
		sys3(SYS_read, a[0], &c, 1);
		add(t0, rdtsc());
	}
	report("pipe_self_write_read");
	long pid = k_fork();
	if (pid < 0) {
		na("pipe_roundtrip");
		return;
	}
	if (pid == 0) {
		char c;
		close(a[1]);
		close(b[0]);
		while (sys3(SYS_read, a[0], &c, 1) == 1)
			if (sys3(SYS_write, b[1], &c, 1) != 1)
				break;
		k_exit(0);
	}
	close(a[0]);
	close(b[1]);
	begin();
	for (int i = 0; i < 1000; i++) {
		char c = 0;
		uint64_t t0 = rdtsc();
		sys3(SYS_write, a[1], &c, 1);
		long r = sys3(SYS_read, b[0], &c, 1);
		uint64_t t1 = rdtsc();
		if (r != 1)
			break;
		add(t0, t1);
	}
	report("pipe_roundtrip");
	close(a[1]);
	close(b[0]);
	k_wait(pid);
}

void
t_pipe64k(void)
{
	int a[2], b[2];
	size_t n = 65536;
	char *buf = k_mmap(0, n, RW, ANON);
	if (bad(buf) || pipe(a) || pipe(b)) {
		na("pipe_64k_plus_ack");
		return;
	}
	memset(buf, 1, n);
	long pid = k_fork();
	if (pid < 0) {
		na("pipe_64k_plus_ack");
		return;
	}
	if (pid == 0) {
		close(a[1]);
		close(b[0]);
		for (;;) {
			size_t got = 0;
			while (got < n) {
				long r = sys3(SYS_read, a[0], buf + got, n - got);
				if (r <= 0)
					k_exit(0);
				got += r;
			}
			if (sys3(SYS_write, b[1], buf, 1) != 1)
				break;
		}
		k_exit(0);
	}
	close(a[0]);
	close(b[1]);
	begin();
	for (int i = 0; i < 50; i++) {
		uint64_t t0 = rdtsc();
		size_t put = 0;
		long r = 0;
		char c;
		while (put < n) {
			r = sys3(SYS_write, a[1], buf + put, n - put);
			if (r <= 0)
				break;
			put += r;
		}
		if (r > 0)
			r = sys3(SYS_read, b[0], &c, 1);
		uint64_t t1 = rdtsc();
		if (r != 1)
			break;
		add(t0, t1);
	}
	report("pipe_64k_plus_ack");
	close(a[1]);
	close(b[0]);
	k_wait(pid);
	k_munmap(buf, n);
}

void
t_yield(void)
{
	volatile uint64_t *sh = k_mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
	if (bad((void *)sh)) {
		na("yield_roundtrip");
		return;
	}
	unsigned long mask[16] = {1};
	if (sys0(SYS_sched_yield) != 0) {
		na("yield_alone");
		na("yield_roundtrip");
		k_munmap((void *)sh, PAGE);
		return;
	}
	sys3(SYS_sched_setaffinity, 0, sizeof mask, mask);
	begin();
	for (int i = 0; i < 500; i++) {
		uint64_t t0 = rdtsc();
		sys0(SYS_sched_yield);
		add(t0, rdtsc());
	}
	report("yield_alone");
	for (int rt = 0; rt < 2; rt++) {
		const char *name = rt ? "yield_roundtrip_fifo" : "yield_roundtrip";
		int prio = rt ? 10 : 0;
		if (rt && sys3(SYS_sched_setscheduler, 0, 1 /*FIFO*/, &prio)) {
			na(name);
			break;
		}
		sh[0] = sh[1] = 0;
		long pid = k_fork();
		if (pid < 0) {
			na(name);
			break;
		}
		if (pid == 0) {
			while (!sh[1]) {
				sh[0]++;
				sys0(SYS_sched_yield);
			}
			k_exit(0);
		}
		while (!sh[0])
			sys0(SYS_sched_yield);
		begin();
		int one = 0, none = 0, many = 0;
		for (int i = 0; i < 1000; i++) {
			uint64_t c0 = sh[0], t0 = rdtsc();
			sys0(SYS_sched_yield);
			uint64_t t1 = rdtsc(), d = sh[0] - c0;
			if (d == 1) {
				one++;
				add(t0, t1);
			} else if (d == 0)
				none++;
			else
				many++;
		}
		sh[1] = 1;
		k_wait(pid);
		report(name); /* two switches, two sched_yield calls */
		printf("%s.exact %d of1000\n", name, one);
		(void)none;
		(void)many;
		if (rt) {
			prio = 0;
			sys3(SYS_sched_setscheduler, 0, 0, &prio);
		}
	}
	k_munmap((void *)sh, PAGE);
}

static volatile int f1, f2;
#define fwait(p, v) sys4(SYS_futex, p, 128 /*WAIT|PRIVATE*/, v, 0)
#define fwake(p)    sys3(SYS_futex, p, 129, 1)
static void *
fut_thread(void *x)
{
	for (int i = 0; i < 1000; i++) {
		while (!f1)
			fwait(&f1, 0);
		f1 = 0;
		f2 = 1;
		fwake(&f2);
	}
	return x;
}

static void *
nop_thread(void *x)
{
	return x;
}

void
t_futex(void)
{
	pthread_t t;
	int w = 0;
	if (fwake(&w) < 0) {
		na("futex_roundtrip");
		return;
	}
	begin();
	for (int i = 0; i < 500; i++) {
		uint64_t t0 = rdtsc();
		fwake(&w);
		add(t0, rdtsc());
	}
	report("futex_wake_nobody");
	f1 = f2 = 0;
	if (pthread_create(&t, 0, fut_thread, 0)) {
		na("futex_roundtrip");
		return;
	}
	begin();
	for (int i = 0; i < 1000; i++) {
		uint64_t t0 = rdtsc();
		f1 = 1;
		fwake(&f1);
		while (!f2)
			fwait(&f2, 0);
		f2 = 0;
		add(t0, rdtsc());
	}
	report("futex_roundtrip");
	pthread_join(t, 0);
	begin();
	for (int i = 0; i < 100; i++) {
		uint64_t t0 = rdtsc();
		if (pthread_create(&t, 0, nop_thread, 0))
			break;
		pthread_join(t, 0);
		add(t0, rdtsc());
	}
	report("pthread_create_join");
}

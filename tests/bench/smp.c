/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processors, by wall-clock time. */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

static uint64_t
now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}
#define SMP_PAGES 2048
static int smp_rounds = 20;
static volatile int smp_go, smp_ready;
static int
    smp_kind; /* 0: page faults, 1: user-only control loop, 2: null syscalls, 3 to 5: mappings */
#define SMP_MAPPINGS  20000
#define SMP_FAR_BASE  (1ul << 40)
#define SMP_FAR_APART (1ul << 36)
static void
smp_work(long number)
{
	if (smp_kind == 1) { /* control: what this host can give two CPUs at all */
		/* several sequences: where two CPUs of the host are halves of one core it says so */
		volatile uint64_t sink[8];
		uint64_t x[8] = {0};
		for (int i = 0; i < smp_rounds * 250000; i++)
			for (int j = 0; j < 8; j++)
				x[j] = x[j] * 6364136223846793005ull + 1442695040888963407ull;
		for (int j = 0; j < 8; j++)
			sink[j] = x[j];
		(void)sink;
		return;
	}
	if (smp_kind == 2) {
		for (int i = 0; i < smp_rounds * 50000; i++)
			sys0(SYS_getppid);
		return;
	}
	if (smp_kind >= 3) { /* 5: each at a place of its own */
		void *at =
		    smp_kind == 5 ? (void *)(SMP_FAR_BASE + number * SMP_FAR_APART) : (void *)0;
		for (int i = 0; i < SMP_MAPPINGS; i++) {
			char *p = k_mmap(at, PAGE, RW, at != 0 ? ANON | MAP_FIXED : ANON);
			if (bad(p))
				return;
			if (smp_kind == 4)
				*(volatile char *)p = 1;
			k_munmap(p, PAGE);
		}
		return;
	}
	for (int r = 0; r < smp_rounds; r++) {
		char *p = k_mmap(0, SMP_PAGES * PAGE, RW, ANON);
		if (bad(p))
			return;
		nohuge(p, SMP_PAGES * PAGE);
		for (size_t i = 0; i < SMP_PAGES; i++)
			*(volatile char *)(p + i * PAGE) = 1;
		k_munmap(p, SMP_PAGES * PAGE);
	}
}

static void
smp_pin(long cpu)
{
	unsigned long mask[16] = {1UL << cpu};
	sys3(SYS_sched_setaffinity, 0, sizeof mask, mask);
}

static void *
smp_thread(void *x)
{
	smp_pin((long)x);
	__sync_fetch_and_add(&smp_ready, 1);
	while (!smp_go)
		;
	smp_work((long)x);
	return 0;
}

static uint64_t
smp_run(int kind, int nt)
{
	pthread_t t[2];
	smp_kind = kind;
	smp_go = smp_ready = 0;
	for (long i = 0; i < nt; i++)
		if (pthread_create(&t[i], 0, smp_thread, (void *)i))
			return 0;
	while (smp_ready < nt)
		sched_yield();
	uint64_t t0 = now_ns();
	smp_go = 1;
	for (int i = 0; i < nt; i++)
		pthread_join(t[i], 0);
	return now_ns() - t0;
}

static uint64_t
smp_run_procs(int kind, int np)
{
	volatile int *go = k_mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
	long pid[2];
	if (bad((void *)go))
		return 0;
	smp_kind = kind;
	for (long i = 0; i < np; i++) {
		pid[i] = k_fork();
		if (pid[i] < 0)
			return 0;
		if (pid[i] == 0) {
			smp_pin(i);
			__sync_fetch_and_add(&go[1], 1);
			while (!go[0])
				;
			smp_work(i);
			k_exit(0);
		}
	}
	while (go[1] < np)
		sched_yield();
	uint64_t t0 = now_ns();
	go[0] = 1;
	for (int i = 0; i < np; i++)
		k_wait(pid[i]);
	uint64_t r = now_ns() - t0;
	k_munmap((void *)go, PAGE);
	return r;
}

/* best of 8 interleaved repetitions; scaling = work done per second by 2 over 1 (ideal 2.0) */
void
t_smp(void)
{
	static const char *name[] = {"control_loop",	"fault_threads", "fault_procs",
				     "syscall_threads", "map_unmap",	 "map_touch",
				     "map_unmap_far"};
	enum {
		KINDS = sizeof(name) / sizeof(name[0])
	};
	uint64_t best[2 * KINDS];
	for (int i = 0; i < 2 * KINDS; i++)
		best[i] = ~0ull;
	for (int rep = 0; rep < 8; rep++) {
		uint64_t w[2 * KINDS];
		for (int n = 0; n < 2; n++) {
			w[0 + n] = smp_run(1, n + 1);
			w[2 + n] = smp_run(0, n + 1);
			w[4 + n] = smp_run_procs(0, n + 1);
			w[6 + n] = smp_run(2, n + 1);
			w[8 + n] = smp_run(3, n + 1);
			w[10 + n] = smp_run(4, n + 1);
			w[12 + n] = smp_run(5, n + 1);
		}
		for (int i = 0; i < 2 * KINDS; i++)
			if (w[i] && w[i] < best[i])
				best[i] = w[i];
	}
	for (int i = 0; i < KINDS; i++) {
		if (best[2 * i] == ~0ull || best[2 * i + 1] == ~0ull) {
			printf("smp_%s n/a ratio\n", name[i]);
			continue;
		}
		printf("smp_%s.wall1 %llu us\n", name[i], (unsigned long long)best[2 * i] / 1000);
		printf("smp_%s.wall2 %llu us\n", name[i],
		       (unsigned long long)best[2 * i + 1] / 1000);
		printf("smp_%s.scaling %.3f ratio\n", name[i], 2.0 * best[2 * i] / best[2 * i + 1]);
	}
	printf("smp_fault_rate_1thread %.0f faults/s\n",
	       (double)smp_rounds * SMP_PAGES / best[2] * 1e9);
	printf("smp_fault_rate_2threads %.0f faults/s\n",
	       2.0 * smp_rounds * SMP_PAGES / best[3] * 1e9);
	fflush(stdout);
}

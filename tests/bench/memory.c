/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults and mappings. */
#include "bench.h"

#include <stdio.h>
#include <unistd.h>
#include <sched.h>

void
t_anon(void)
{
	size_t n = 2048;
	char *p = k_mmap(0, n * PAGE, RW, ANON);
	if (bad(p)) {
		na("anon_fault");
		return;
	}
	nohuge(p, n * PAGE);
	begin();
	for (size_t i = 0; i < n; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		*q = 1;
		add(t0, rdtsc());
	}
	report("anon_fault");
	k_munmap(p, n * PAGE);
}

void
t_zero(void)
{
	size_t n = 2048;
	volatile char sink;
	char *p = k_mmap(0, n * PAGE, RW, ANON);
	if (bad(p)) {
		na("zero_read_fault");
		return;
	}
	nohuge(p, n * PAGE);
	begin();
	for (size_t i = 0; i < n; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		sink = *q;
		add(t0, rdtsc());
	}
	(void)sink;
	report("zero_read_fault");
	begin(); /* write upgrade of the zero page */
	for (size_t i = 0; i < n; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		*q = 1;
		add(t0, rdtsc());
	}
	report("zero_upgrade_fault");
	k_munmap(p, n * PAGE);
}

void
t_populate(void)
{ /* whole-range cost per page: mmap(MAP_POPULATE) and touch-all loop */
	size_t n = 1024;
	begin();
	for (int i = 0; i < 8; i++) {
		uint64_t t0 = rdtsc();
		char *p = k_mmap(0, n * PAGE, RW, ANON | MAP_POPULATE);
		uint64_t t1 = rdtsc();
		if (bad(p))
			break;
		add(t0, t1);
		k_munmap(p, n * PAGE);
	}
	report_div("populate_per_page_1k", n);
	begin();
	for (int i = 0; i < 8; i++) {
		char *p = k_mmap(0, n * PAGE, RW, ANON | MAP_POPULATE);
		if (bad(p))
			break;
		uint64_t t0 = rdtsc();
		k_munmap(p, n * PAGE);
		add(t0, rdtsc());
	}
	report_div("munmap_per_page_1k", n);
}

/* fault on a page that already exists (no allocation, no zeroing): the parent
 * write-touches pages of a shared anonymous object that the child filled. */
void
t_shm(void)
{
	size_t n = 1024;
	char *p = k_mmap(0, n * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
	if (bad(p)) {
		na("shared_minor_fault");
		return;
	}
	long pid = k_fork();
	if (pid < 0) {
		na("shared_minor_fault");
		k_munmap(p, n * PAGE);
		return;
	}
	if (pid == 0) {
		for (size_t i = 0; i < n; i++)
			p[i * PAGE] = 1;
		k_exit(0);
	}
	k_wait(pid);
	begin();
	for (size_t i = 0; i < n; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		*q = 2;
		add(t0, rdtsc());
	}
	report("shared_minor_fault");
	k_munmap(p, n * PAGE);
}

void
t_stack(void)
{
	begin();
	char *sp = (char *)((unsigned long)__builtin_frame_address(0) & ~(PAGE - 1));
	/* skip what is already there or pre-expanded; %rsp moves with the touch */
	for (int i = 2; i < 512; i++) {
		char *a = sp - i * PAGE + PAGE / 2;
		uint32_t l0, h0, l1, h1;
		__asm__ volatile("mov %%rsp,%%r15\n mov %4,%%rsp\n"
				 "rdtsc\n mov %%eax,%%r8d\n mov %%edx,%%r9d\n"
				 "movb $1,(%%rsp)\n"
				 "rdtsc\n mov %%r15,%%rsp\n"
				 "mov %%r8d,%0\n mov %%r9d,%1\n mov %%eax,%2\n mov %%edx,%3\n"
				 : "=&r"(l0), "=&r"(h0), "=&r"(l1), "=&r"(h1)
				 : "r"(a)
				 : "rax", "rdx", "r8", "r9", "r15", "memory");
		uint64_t t0 = ((uint64_t)h0 << 32) | l0, t1 = ((uint64_t)h1 << 32) | l1;
		if (t1 - t0 > 40)
			add(t0, t1); /* an already-present page is no fault */
	}
	report("stack_growth_fault");
}

void
t_cow(void)
{
	size_t n = 1024;
	char *p = k_mmap(0, n * PAGE, RW, ANON);
	int fd[2];
	if (bad(p) || pipe(fd)) {
		na("cow_fault");
		return;
	}
	nohuge(p, n * PAGE);
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 1;
	long pid = k_fork();
	if (pid < 0) {
		na("cow_fault");
		na("cow_last_ref_fault");
		goto out;
	}
	if (pid == 0) {
		char c;
		close(fd[1]);
		read(fd[0], &c, 1);
		k_exit(0);
	}
	sched_yield();
	begin();
	for (size_t i = 0; i < n; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		*q = 2;
		add(t0, rdtsc());
	}
	report("cow_fault");
	close(fd[1]);
	close(fd[0]);
	fd[0] = fd[1] = -1;
	k_wait(pid);
	pid = k_fork();
	if (pid == 0)
		k_exit(0);
	k_wait(pid);
	begin();
	for (size_t i = 0; i < n; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		*q = 3;
		add(t0, rdtsc());
	}
	report("cow_last_ref_fault");
out:
	k_munmap(p, n * PAGE);
}

void
t_mmap(void)
{
	begin();
	for (int i = 0; i < 1000; i++) {
		uint64_t t0 = rdtsc();
		void *p = k_mmap(0, PAGE, RW, ANON);
		k_munmap(p, PAGE);
		uint64_t t1 = rdtsc();
		if (bad(p))
			break;
		add(t0, t1);
	}
	report("mmap_munmap_untouched");
	begin();
	for (int i = 0; i < 1000; i++) {
		uint64_t t0 = rdtsc();
		char *p = k_mmap(0, PAGE, RW, ANON);
		if (bad(p))
			break;
		*(volatile char *)p = 1;
		k_munmap(p, PAGE);
		add(t0, rdtsc());
	}
	report("mmap_touch_munmap");
	begin();
	for (int i = 0; i < 1000; i++) {
		uint64_t t0 = rdtsc();
		char *p = k_mmap(0, PAGE, PROT_READ, ANON);
		uint64_t t1 = rdtsc();
		if (bad(p))
			break;
		add(t0, t1);
		k_munmap(p, PAGE);
	}
	report("mmap_only");
}
#define MAXMAP 100000
static char *maps[MAXMAP];
void
t_manymaps(void)
{
	static const int Ns[] = {10, 100, 1000, 10000, 100000};
	char name[64];
	int have = 0;
	for (unsigned k = 0; k < sizeof Ns / sizeof *Ns; k++) {
		int n = Ns[k];
		uint64_t b0 = rdtsc();
		int first = have;
		while (have < n) { /* alternate protection: neighbours cannot merge */
			char *p = k_mmap(0, PAGE, have & 1 ? RW : PROT_READ, ANON);
			if (bad(p))
				break;
			maps[have++] = p;
		}
		uint64_t b1 = rdtsc();
		if (have < n) {
			snprintf(name, sizeof name, "mmap_munmap_at_%d", n);
			na(name);
			snprintf(name, sizeof name, "remap_mid_at_%d", n);
			na(name);
			snprintf(name, sizeof name, "fault_at_%d", n);
			na(name);
			break;
		}
		printf("mmap_build_to_%d.avg %llu insn\n", n,
		       (unsigned long long)((b1 - b0) / (n - first)));
		begin();
		for (int i = 0; i < 500; i++) {
			uint64_t t0 = rdtsc();
			void *p = k_mmap(0, PAGE, n & 1 ? RW : PROT_READ, ANON);
			k_munmap(p, PAGE);
			add(t0, rdtsc());
		}
		snprintf(name, sizeof name, "mmap_munmap_at_%d", n);
		report(name);
		/* take out and put back one mapping in the middle, scattered order */
		begin();
		uint32_t x = 12345;
		for (int i = 0; i < 500; i++) {
			x = x * 1664525u + 1013904223u;
			int j = (int)((uint64_t)(x >> 8) * n >> 24) & ~1;
			uint64_t t0 = rdtsc();
			k_munmap(maps[j], PAGE);
			void *p = k_mmap(maps[j], PAGE, PROT_READ, ANON | MAP_FIXED);
			add(t0, rdtsc());
			if (p != maps[j]) {
				sample_count = 0;
				break;
			}
		}
		snprintf(name, sizeof name, "remap_mid_at_%d", n);
		report(name);
		/* first touch of the RW mappings from the middle outwards */
		begin();
		int start = n / 2 | 1, cnt = 0;
		for (int j = start; j < n && cnt < 256; j += 2, cnt++) {
			volatile char *q = maps[j];
			uint64_t t0 = rdtsc();
			*q = 1;
			add(t0, rdtsc());
		}
		snprintf(name, sizeof name, "fault_at_%d", n);
		report(name);
		/* hand those pages back so the next N starts from untouched ones */
		for (int j = start, c = 0; j < n && c < cnt; j += 2, c++)
			sys3(SYS_madvise, maps[j], PAGE, 4 /*MADV_DONTNEED*/);
	}
	for (int i = 0; i < have; i++)
		k_munmap(maps[i], PAGE);
}

void
t_mprotect(void)
{
	/* one touched page whose mapping is exactly that page */
	char *r = k_mmap(0, 3 * PAGE, PROT_NONE, ANON);
	if (bad(r)) {
		na("mprotect_1page");
		return;
	}
	char *p = r + PAGE;
	if (k_mprotect(p, PAGE, RW)) {
		na("mprotect_1page");
		return;
	}
	*(volatile char *)p = 1;
	begin();
	for (int i = 0; i < 1000; i++) {
		uint64_t t0 = rdtsc();
		k_mprotect(p, PAGE, i & 1 ? RW : PROT_READ);
		add(t0, rdtsc());
	}
	report("mprotect_1page");
	k_munmap(r, 3 * PAGE);
	/* middle page of a 16-page mapping: split, then merge */
	r = k_mmap(0, 18 * PAGE, PROT_NONE, ANON);
	k_mprotect(r + PAGE, 16 * PAGE, RW);
	for (int i = 1; i < 17; i++)
		*(volatile char *)(r + i * PAGE) = 1;
	begin();
	for (int i = 0; i < 500; i++) {
		uint64_t t0 = rdtsc();
		k_mprotect(r + 8 * PAGE, PAGE, PROT_READ);
		k_mprotect(r + 8 * PAGE, PAGE, RW);
		add(t0, rdtsc());
	}
	report("mprotect_split_merge_pair");
	k_munmap(r, 18 * PAGE);
}

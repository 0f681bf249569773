/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals, and faults that a program resolves itself. */
#include "bench.h"

#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <ucontext.h>
#include <unistd.h>

static char *sigpage;
static void
h_skip(int s, siginfo_t *si, void *uc)
{
	(void)s;
	(void)si;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] += 3; /* movb $0,(%rax) */
}

static void
h_fix(int s, siginfo_t *si, void *uc)
{
	(void)s;
	(void)uc;
	k_mprotect((unsigned long)si->si_addr & ~(PAGE - 1), PAGE, RW);
}

static volatile int usr1;
static void
h_usr1(int s)
{
	(void)s;
	usr1++;
}

void
t_signal(void)
{
	struct sigaction sa, old;
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = h_skip;
	sa.sa_flags = SA_SIGINFO | SA_NODEFER;
	char *p = k_mmap(0, 512 * PAGE, PROT_READ, ANON);
	sigpage = p;
	if (bad(p) || sigaction(SIGSEGV, &sa, &old)) {
		na("segv_handler_return");
		return;
	}
	nohuge(p, 512 * PAGE);
	volatile char sink = *(volatile char *)p;
	(void)sink;
	begin();
	for (int i = 0; i < 500; i++) {
		uint64_t t0 = rdtsc();
		__asm__ volatile("movb $0,(%%rax)" ::"a"(p) : "memory");
		add(t0, rdtsc());
	}
	report("segv_handler_return");
	/* user-level pager, the classic way: handler unprotects, store retries and zero-fills */
	sa.sa_sigaction = h_fix;
	sigaction(SIGSEGV, &sa, 0);
	begin();
	for (int i = 1; i < 512; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		*q = 1;
		add(t0, rdtsc());
	}
	report("segv_mprotect_refault");
	sigaction(SIGSEGV, &old, 0);
	k_munmap(p, 512 * PAGE);
	sa.sa_handler = h_usr1;
	sa.sa_flags = 0;
	if (sigaction(SIGUSR1, &sa, 0)) {
		na("kill_self_handler");
		return;
	}
	long pid = sys0(SYS_getpid);
	begin();
	for (int i = 0; i < 500; i++) {
		uint64_t t0 = rdtsc();
		sys2(SYS_kill, pid, SIGUSR1);
		add(t0, rdtsc());
	}
	if (usr1 == 0)
		sample_count = 0;
	report("kill_self_handler");
}

struct uffd_api_s {
	uint64_t api, features, ioctls;
};
struct uffd_reg_s {
	uint64_t start, len, mode, ioctls;
};
struct uffd_copy_s {
	uint64_t dst, src, len, mode;
	int64_t copy;
};
struct uffd_msg_s {
	unsigned char event, r1;
	uint16_t r2;
	uint32_t r3;
	uint64_t flags, address;
	uint64_t r4;
};
#define UF_API	    0xc018aa3fUL
#define UF_REGISTER 0xc020aa00UL
#define UF_COPY	    0xc028aa03UL
static int uffd;
static char *uf_src;
static void *
uf_thread(void *x)
{
	struct uffd_msg_s m;
	while (sys3(SYS_read, uffd, &m, sizeof m) == sizeof m) {
		struct uffd_copy_s c = {m.address & ~(PAGE - 1), (uint64_t)uf_src, PAGE, 0, 0};
		sys3(SYS_ioctl, uffd, UF_COPY, &c);
		if ((uint64_t)x == c.dst)
			break;
	}
	return 0;
}

void
t_uffd(void)
{
	size_t n = 512;
	uffd = sys1(SYS_userfaultfd, 0);
	if (uffd < 0) {
		na("uffd_copy_fault");
		return;
	}
	struct uffd_api_s a = {0xAA, 0, 0};
	char *p = k_mmap(0, n * PAGE, RW, ANON);
	uf_src = k_mmap(0, PAGE, RW, ANON);
	uf_src[0] = 7;
	struct uffd_reg_s r = {(uint64_t)p, n * PAGE, 1, 0};
	pthread_t t;
	if (sys3(SYS_ioctl, uffd, UF_API, &a) || sys3(SYS_ioctl, uffd, UF_REGISTER, &r) ||
	    pthread_create(&t, 0, uf_thread, p + (n - 1) * PAGE)) {
		na("uffd_copy_fault");
		return;
	}
	begin();
	for (size_t i = 0; i < n; i++) {
		volatile char *q = p + i * PAGE;
		uint64_t t0 = rdtsc();
		*q = 1;
		add(t0, rdtsc());
	}
	report("uffd_copy_fault");
	pthread_join(t, 0);
	close(uffd);
	k_munmap(p, n * PAGE);
	k_munmap(uf_src, PAGE);
}

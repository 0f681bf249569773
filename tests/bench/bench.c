/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench: what system calls, faults and processes of a POSIX system cost, read from the time-stamp
 * counter.  The counterpart of user/bin/bench.c for other systems (docs/measuring.md).
 *
 *	bench [NAME...]		these measures; without names all but those of wall-clock time
 *	bench list		the names
 *
 * Under `-icount shift=0` with one processor the counter counts instructions.  A line is `name.stat
 * value unit`, with .min, .med and .avg of single operations, less what reading the counter costs;
 * a measure that the system cannot take says `n/a`.  Only system calls of Linux x86-64 are used.
 *
 * As the first process it mounts /proc, allows many mappings, and switches the machine off at the
 * end.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t samples[MAX_SAMPLES];
int sample_count;
static uint64_t overhead;
void
begin(void)
{
	sample_count = 0;
}

void
na(const char *name)
{
	printf("%s n/a insn\n", name);
	fflush(stdout);
}

uint64_t
report_div(const char *name, uint64_t div)
{
	if (sample_count == 0) {
		na(name);
		return 0;
	}
	uint64_t sum = 0;
	for (int i = 0; i < sample_count; i++) {
		samples[i] = samples[i] > overhead ? samples[i] - overhead : 0;
		sum += samples[i];
	}
	for (int g = sample_count / 2; g > 0; g /= 2)
		for (int i = g; i < sample_count; i++) {
			uint64_t v = samples[i];
			int j = i;
			for (; j >= g && samples[j - g] > v; j -= g)
				samples[j] = samples[j - g];
			samples[j] = v;
		}
	uint64_t med = samples[sample_count / 2] / div;
	printf("%s.min %llu insn\n", name, (unsigned long long)(samples[0] / div));
	printf("%s.med %llu insn\n", name, (unsigned long long)med);
	printf("%s.avg %llu insn\n", name, (unsigned long long)(sum / sample_count / div));
	fflush(stdout);
	return med;
}

uint64_t
report(const char *name)
{
	return report_div(name, 1);
}

char *argv0;

void
t_method(void)
{
	/* `loop` of known length: 1000 x (dec+jnz) + mov = 2001 instructions */
	begin();
	for (int i = 0; i < 16; i++) {
		uint64_t t0 = rdtsc();
		__asm__ volatile("mov $1000,%%ecx\n1: dec %%ecx\n jnz 1b" ::: "ecx", "cc");
		add(t0, rdtsc());
	}
	report("check_loop2001");
	static char buf[2 * 4096] __attribute__((aligned(4096)));
	memset(buf, 1, sizeof buf);
#define REP(name, insn, count)                                                                  \
	do {                                                                                    \
		begin();                                                                        \
		for (int i = 0; i < 16; i++) {                                                  \
			void *d = buf, *s = buf + 4096;                                         \
			long c = count;                                                         \
			uint64_t t0 = rdtsc();                                                  \
			__asm__ volatile(insn : "+D"(d), "+S"(s), "+c"(c) : "a"(0) : "memory"); \
			add(t0, rdtsc());                                                       \
		}                                                                               \
		report(name);                                                                   \
	} while (0)
	REP("check_rep_stosb_4096", "rep stosb", 4096);
	REP("check_rep_stosq_512", "rep stosq", 512);
	REP("check_rep_movsb_4096", "rep movsb", 4096);
	REP("check_rep_movsq_512", "rep movsq", 512);
	begin();
	for (int i = 0; i < 16; i++) {
		char *d = buf;
		long c = 64;
		uint64_t t0 = rdtsc();
		__asm__ volatile(
		    "pxor %%xmm0,%%xmm0\n1: movaps %%xmm0,(%0)\n movaps %%xmm0,16(%0)\n"
		    "movaps %%xmm0,32(%0)\n movaps %%xmm0,48(%0)\n add $64,%0\n dec %1\n jnz 1b"
		    : "+r"(d), "+r"(c)::"xmm0", "memory", "cc");
		add(t0, rdtsc());
	}
	report("check_sse_zero_page");
}

/* does idle time count?  (QEMU: rdtsc = instructions + time warped while halted) */
void
t_sleep(void)
{
	struct timespec ts = {0, 50000000};
	begin();
	for (int i = 0; i < 5; i++) {
		uint64_t t0 = rdtsc();
		if (sys2(SYS_nanosleep, &ts, 0))
			break;
		add(t0, rdtsc());
	}
	report("tsc_over_nanosleep_50ms");
}

void
t_null(void)
{
	begin();
	for (int i = 0; i < 2000; i++) {
		uint64_t t0 = rdtsc();
		sys0(SYS_getppid);
		add(t0, rdtsc());
	}
	report("null_syscall");
	begin();
	for (int i = 0; i < 2000; i++) {
		uint64_t t0 = rdtsc();
		sys0(999);
		add(t0, rdtsc());
	}
	report("enosys_syscall");
}

static const struct {
	const char *name;
	void (*fn)(void);
	int dflt;
} tests[] = {
    {"method", t_method, 1},
    {"sleep", t_sleep, 1},
    {"null_syscall", t_null, 1},
    {"anon_fault", t_anon, 1},
    {"zero_fault", t_zero, 1},
    {"populate", t_populate, 1},
    {"shared_fault", t_shm, 1},
    {"cow_fault", t_cow, 1},
    {"mmap", t_mmap, 1},
    {"mprotect", t_mprotect, 1},
    {"fork", t_fork, 1},
    {"exec", t_exec, 1},
    {"pipe", t_pipe, 1},
    {"pipe64k", t_pipe64k, 1},
    {"yield", t_yield, 1},
    {"futex", t_futex, 1},
    {"signal", t_signal, 1},
    {"uffd", t_uffd, 1},
    /* after fork and exec, since they leave pages behind; stack_fault last, since a
	 * kernel without stack growth kills the process there */
    {"manymaps", t_manymaps, 1},
    {"stack_fault", t_stack, 1},
    {"smp_fault", t_smp, 0},
};

#define NT (int)(sizeof tests / sizeof *tests)

static void
pid1_setup(void)
{
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, 0);
	int fd = open("/proc/sys/vm/max_map_count", O_WRONLY);
	if (fd >= 0) {
		write(fd, "400000", 6);
		close(fd);
	}
	fd = open("/proc/cmdline", O_RDONLY);
	if (fd >= 0) {
		char b[512];
		long r = read(fd, b, 511);
		if (r > 0) {
			b[r] = 0;
			printf("# cmdline %s", b);
		}
		close(fd);
	}
}

int
main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--exit"))
		k_exit(0);
	argv0 = argv[0];
	int pid1 = sys0(SYS_getpid) == 1;
	setvbuf(stdout, 0, _IOFBF, 8192);
	if (pid1)
		pid1_setup();
	sys6(SYS_prctl, 41 /*PR_SET_THP_DISABLE*/, 1, 0, 0, 0, 0);
	memset(samples, 0, sizeof samples);
	uint64_t best = ~0ull;
	for (int i = 0; i < 64; i++) {
		uint64_t t0 = rdtsc(), t1 = rdtsc();
		if (t1 - t0 < best)
			best = t1 - t0;
	}
	overhead = best;
	printf("rdtsc_overhead %llu insn\n", (unsigned long long)overhead);
	int named = 0; /* words that name no test (stray kernel options) are ignored */
	for (int j = 1; j < argc; j++)
		for (int i = 0; i < NT; i++)
			if (!strcmp(argv[j], tests[i].name) || !strcmp(argv[j], "list"))
				named = 1;
	for (int i = 0; i < NT; i++) {
		int run = !named && tests[i].dflt;
		for (int j = 1; j < argc; j++)
			if (!strcmp(argv[j], "list")) {
				printf("%s\n", tests[i].name);
				run = 0;
			} else if (!strcmp(argv[j], tests[i].name) ||
				   (!strcmp(argv[j], "all") && tests[i].dflt))
				run = 1;
		if (run)
			tests[i].fn();
	}
	printf("bench_done 1 ok\n");
	fflush(stdout);
	if (pid1) {
		sync();
		sys4(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0);
		for (;;)
			pause();
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads: their lives, their registers seen from outside, their FPU state kept apart. */
#include <pagoda/memory.h>
#include <pagoda/string.h>
#include <pagoda/stdlib.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define SLACK 64

static void
count_up(void *arg)
{
	__atomic_add_fetch((uint32_t *)arg, 1, __ATOMIC_RELAXED);
}

/* For threads that are made by hand, with nothing to return to. */
static void
count_and_exit(void *arg)
{
	count_up(arg);
	thread_exit();
}

static void
create_and_join(void)
{
	struct system_info before = {0};
	uint32_t count = 0;

	for (int i = 0; i < 220; i++) {
		struct user_thread thread;

		if (i == 20) {
			tap_counts(&before);
		}
		REQUIRE_EQ(thread_start(&thread, count_up, &count, 0), 0);
		REQUIRE_EQ(thread_join(&thread), 0);
	}
	EXPECT_EQ(count, 220);
	tap_no_leak(&before, SLACK);
}

#define CROWD 64

static struct mutex crowd_lock = MUTEX_INIT;
static uint64_t crowd_total, crowd_inside;

static void
add_slowly(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++) {
		mutex_lock(&crowd_lock);
		uint64_t seen = crowd_total;

		EXPECT_EQ(crowd_inside++, 0);
		yield();
		crowd_total = seen + 1;
		crowd_inside--;
		mutex_unlock(&crowd_lock);
	}
}

static void
crowd(void)
{
	static struct user_thread threads[CROWD];

	for (int i = 0; i < CROWD; i++) {
		REQUIRE_EQ(thread_start(&threads[i], add_slowly, NULL, 256 * 1024), 0);
	}
	for (int i = 0; i < CROWD; i++) {
		REQUIRE_EQ(thread_join(&threads[i]), 0);
	}
	EXPECT_EQ(crowd_total, CROWD * 50);
}

static void
sleep_forever(void *arg)
{
	(void)arg;
	sleep_until(FOREVER);
}

static void
spin(void *arg)
{
	(void)arg;
	for (;;) {
		__asm__ volatile("pause");
	}
}

static void
kill_one(void)
{
	struct user_thread sleeper, spinner;

	REQUIRE_EQ(thread_start(&sleeper, sleep_forever, NULL, 0), 0);
	REQUIRE_EQ(thread_start(&spinner, spin, NULL, 0), 0);
	EXPECT_EQ(thread_wait(sleeper.handle, clock_now() + NS_PER_MS), -ETIMEDOUT);
	EXPECT_EQ(thread_kill(sleeper.handle), 0);
	EXPECT_EQ(thread_join(&sleeper), 0);
	EXPECT_EQ(thread_wait(spinner.handle, clock_now() + NS_PER_MS), -ETIMEDOUT);
	EXPECT_EQ(thread_kill(spinner.handle), 0);
	EXPECT_EQ(thread_join(&spinner), 0);
}

static void
fault_in_thread(void *arg)
{
	touch(ADDR(arg));
}

static void
start_faulting_thread(void *arg)
{
	struct user_thread thread;

	REQUIRE_EQ(thread_start(&thread, fault_in_thread, arg, 0), 0);
	thread_join(&thread);
	proc_exit(0);
}

static void
thread_faults(void)
{
	EXPECT_FAULT(start_faulting_thread, 16, FAULT_MAPERR, 16);
}

static void
exit_in_thread(void *arg)
{
	(void)arg;
	proc_exit(33);
}

static void
exit_with_threads(void *arg)
{
	struct user_thread thread;

	for (int i = 0; i < 8; i++) {
		REQUIRE_EQ(thread_start(&thread, i % 2 ? spin : sleep_forever, NULL, 0), 0);
	}
	REQUIRE_EQ(thread_start(&thread, exit_in_thread, NULL, 0), 0);
	spin(arg);
}

static void
exit_ends_all(void)
{
	struct proc_status status = tap_run(exit_with_threads, NULL);

	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 33);
}

static void
main_thread_leaves(void *arg)
{
	static struct user_thread thread;

	(void)arg;
	REQUIRE_EQ(thread_start(&thread, exit_in_thread, NULL, 0), 0);
	thread_exit();
}

static void
others_outlive_first(void)
{
	struct proc_status status = tap_run(main_thread_leaves, NULL);

	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT(status.value == 33);
}

/* ---- Registers, seen from outside ---- */

static volatile uint64_t left_rbx, left_rcx;
static uint8_t left_xmm[16] __attribute__((aligned(16)));
static volatile uint32_t started;

/* Set rbx and xmm5, tell so, and wait until somebody changes rbx; then leave both. */
static void
wait_in_registers(void *arg)
{
	static const uint64_t pattern[2] = {0x1111111111111111ul, 0x2222222222222222ul};

	(void)arg;
	__asm__ volatile("movl $7, %%ebx\n\t"
			 "movdqu %[in], %%xmm5\n\t"
			 "movl $1, %[started]\n"
			 "1:\tpause\n\t"
			 "cmpq $7, %%rbx\n\t"
			 "je 1b\n\t"
			 "movq %%rbx, %[rbx]\n\t"
			 "movq %%rcx, %[rcx]\n\t"
			 "movdqa %%xmm5, %[out]\n\t"
			 : [rbx] "=m"(left_rbx), [rcx] "=m"(left_rcx), [out] "=m"(left_xmm),
			   [started] "=m"(started)
			 : [in] "m"(pattern)
			 : "rbx", "rcx", "xmm5", "memory", "cc");
}

static void
start_and_stop(struct user_thread *thread)
{
	REQUIRE_EQ(thread_start(thread, wait_in_registers, NULL, 0), 0);
	while (!started) {
		yield();
	}
	REQUIRE_EQ(thread_stop(thread->handle), 0);
}

static void
registers(void)
{
	struct user_thread thread;
	struct thread_regs regs;

	start_and_stop(&thread);
	REQUIRE_EQ(thread_get(thread.handle, THREAD_REGS, &regs, sizeof regs), sizeof regs);
	EXPECT_EQ(regs.rbx, 7);
	EXPECT(regs.rsp > thread.stack_low && regs.rsp < thread.stack_low + thread.stack_size);
	EXPECT(regs.rip > ADDR(wait_in_registers) && regs.rip < ADDR(wait_in_registers) + 256);
	regs.rbx = 42;
	regs.rcx = 0x123456789abcdef0ul;
	REQUIRE(thread_set(thread.handle, THREAD_REGS, &regs, sizeof regs) >= 0);
	EXPECT_EQ(left_rbx, 0);
	REQUIRE_EQ(thread_resume(thread.handle), 0);
	REQUIRE_EQ(thread_join(&thread), 0);
	EXPECT_EQ(left_rbx, 42);
	EXPECT_EQ(left_rcx, 0x123456789abcdef0l);
}

#define FXSAVE_XMM 160 /* where xmm0 is in the FXSAVE image, 16 bytes each */

static void
fpu_registers(void)
{
	struct system_info info;
	struct user_thread thread;
	struct thread_regs regs;

	REQUIRE_EQ(system_info(&info), 0);
	uint8_t *image = malloc(info.fpu_size);
	REQUIRE(image != NULL && info.fpu_size >= 512);
	start_and_stop(&thread);
	REQUIRE_EQ(thread_get(thread.handle, THREAD_FPU, image, info.fpu_size), info.fpu_size);
	uint8_t *xmm5 = image + FXSAVE_XMM + 5 * 16;
	EXPECT_EQ(xmm5[0], 0x11);
	EXPECT_EQ(xmm5[15], 0x22);
	memset(xmm5, 0x77, 16);
	REQUIRE(thread_set(thread.handle, THREAD_FPU, image, info.fpu_size) >= 0);
	REQUIRE_EQ(thread_get(thread.handle, THREAD_REGS, &regs, sizeof regs), sizeof regs);
	regs.rbx = 1;
	REQUIRE(thread_set(thread.handle, THREAD_REGS, &regs, sizeof regs) >= 0);
	REQUIRE_EQ(thread_resume(thread.handle), 0);
	REQUIRE_EQ(thread_join(&thread), 0);
	EXPECT_EQ(left_xmm[0], 0x77);
	EXPECT_EQ(left_xmm[15], 0x77);
	free(image);
}

static void
running_is_private(void)
{
	struct user_thread thread;
	struct thread_regs regs;

	REQUIRE_EQ(thread_start(&thread, spin, NULL, 0), 0);
	EXPECT_EQ(thread_get(thread.handle, THREAD_REGS, &regs, sizeof regs), -EBUSY);
	REQUIRE_EQ(thread_stop(thread.handle), 0);
	EXPECT_EQ(thread_get(thread.handle, THREAD_REGS, &regs, sizeof regs), sizeof regs);
	EXPECT_EQ(thread_kill(thread.handle), 0);
	EXPECT_EQ(thread_join(&thread), 0);
}

static void
stop_a_sleeper(void)
{
	struct user_thread thread;
	struct thread_regs regs;

	REQUIRE_EQ(thread_start(&thread, sleep_forever, NULL, 0), 0);
	sleep_ms(2);
	REQUIRE_EQ(thread_stop(thread.handle), 0);
	EXPECT_EQ(thread_get(thread.handle, THREAD_REGS, &regs, sizeof regs), sizeof regs);
	EXPECT_EQ(thread_resume(thread.handle), 0);
	EXPECT_EQ(thread_kill(thread.handle), 0);
	EXPECT_EQ(thread_join(&thread), 0);
}

static void
stopped_stays(void)
{
	static uint32_t runs;
	struct user_thread thread = {.stack_size = THREAD_STACK_DEFAULT};
	uint64_t args = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_STACK);
	struct thread_regs regs;
	int64_t low = vm_map(HANDLE_SELF, 0, thread.stack_size, args, 0, 0);

	REQUIRE(low > 0);
	thread.stack_low = low;
	thread_regs_init(&regs, count_and_exit, &runs, low + thread.stack_size);
	thread.handle = (handle_t)thread_create(HANDLE_SELF, &regs, THREAD_CREATE_STOPPED);
	REQUIRE(thread.handle > 0);
	REQUIRE_EQ(thread_get(thread.handle, THREAD_REGS, &regs, sizeof regs), sizeof regs);
	EXPECT_EQ(regs.rip, ADDR(count_and_exit));
	sleep_ms(5);
	EXPECT_EQ(runs, 0);
	EXPECT_EQ(thread_resume(thread.handle), 0);
	EXPECT_EQ(thread_join(&thread), 0);
	EXPECT_EQ(runs, 1);
}

/* ---- FPU state ---- */

#define ROUNDS 300

struct vector_work {
	uint64_t seed;
	uint32_t bad;
};

/* Fill xmm0 to xmm15 and mxcsr, spin, and compare: whoever ran meanwhile had his own. */
static bool
keep_vectors(uint64_t seed)
{
	uint64_t in[32] __attribute__((aligned(16))), out[32] __attribute__((aligned(16)));
	uint32_t mxcsr_in = 0x1f80 | (seed & 3) << 13, mxcsr_out;
	uint64_t spins = 20000;

	for (int i = 0; i < 32; i++) {
		in[i] = seed * 1000003 + i;
	}
#define LOAD(n)	 "movdqa " #n "*16(%[in]), %%xmm" #n "\n\t"
#define STORE(n) "movdqa %%xmm" #n ", " #n "*16(%[out])\n\t"
#define EACH(X) \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
	__asm__ volatile("ldmxcsr %[mi]\n\t" EACH(LOAD) "1:\tdecq %[spins]\n\tjnz 1b\n\t" EACH(
			     STORE) "stmxcsr %[mo]\n\t"
			 : [spins] "+r"(spins), [mo] "=m"(mxcsr_out)
			 : [in] "r"(in), [out] "r"(out), [mi] "m"(mxcsr_in)
			 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			   "xmm15");
	return memcmp(in, out, sizeof in) == 0 && mxcsr_in == mxcsr_out;
}

static void
work_with_vectors(void *arg)
{
	struct vector_work *work = arg;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		work->bad += !keep_vectors(work->seed + 4 * i);
		if (i % 16 == 0) {
			yield();
		}
	}
}

static void
fpu_kept(void)
{
	struct user_thread threads[3];
	struct vector_work work[3] = {{1, 0}, {2, 0}, {3, 0}};

	for (int i = 0; i < 3; i++) {
		REQUIRE_EQ(thread_start(&threads[i], work_with_vectors, &work[i], 0), 0);
	}
	for (int i = 0; i < 3; i++) {
		REQUIRE_EQ(thread_join(&threads[i]), 0);
		EXPECT_EQ(work[i].bad, 0);
	}
}

static void
vectors_in_child(void *arg)
{
	struct vector_work work = {ADDR(arg), 0};

	work_with_vectors(&work);
	EXPECT_EQ(work.bad, 0);
}

static void
fpu_kept_between_processes(void)
{
	handle_t one = tap_start(vectors_in_child, (void *)5);
	handle_t two = tap_start(vectors_in_child, (void *)6);
	struct proc_status status;

	vectors_in_child((void *)7);
	REQUIRE_EQ(wait_for(one, &status), 0);
	EXPECT_EQ(status.value, 0);
	REQUIRE_EQ(wait_for(two, &status), 0);
	EXPECT_EQ(status.value, 0);
}

static void
fork_keeps_control(void)
{
	uint32_t mxcsr = 0x1f80 | 1 << 13;
	struct proc_status status;

	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	handle_t child = fork();
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	EXPECT_EQ(mxcsr, 0x1f80 | 1 << 13);
	if (child == HANDLE_SELF) {
		tap_end_test();
	}
	REQUIRE(child > 0);
	REQUIRE_EQ(wait_for(child, &status), 0);
	EXPECT_EQ(status.value, 0);
}

static void
own_ids(void)
{
	struct user_thread thread;
	int64_t mine = thread_id(HANDLE_SELF);

	REQUIRE_EQ(thread_start(&thread, sleep_forever, NULL, 0), 0);
	int64_t other = thread_id(thread.handle);
	EXPECT(mine > 0 && other > 0 && mine != other);
	EXPECT_EQ(thread_id(HANDLE_SELF), mine);
	EXPECT_EQ(thread_kill(thread.handle), 0);
	EXPECT_EQ(thread_join(&thread), 0);
}

static const struct tap_test tests[] = {
    {"200 threads come and go and nothing is lost", create_and_join},
    {"64 threads at once take turns with a mutex", crowd},
    {"a thread is killed while it sleeps and while it spins", kill_one},
    {"a fault in a thread ends its process", thread_faults},
    {"an exit in a thread ends all threads", exit_ends_all},
    {"a process goes on without its first thread", others_outlive_first},
    {"registers of a stopped thread are read and written", registers},
    {"FPU registers of a stopped thread are read and written", fpu_registers},
    {"registers of a running thread are not for others", running_is_private},
    {"a sleeping thread is stopped", stop_a_sleeper},
    {"a thread made stopped runs when it is resumed", stopped_stays},
    {"vector registers are kept across preemption by threads", fpu_kept},
    {"vector registers are kept across preemption by processes", fpu_kept_between_processes},
    {"a fork keeps the FPU's control words", fork_keeps_control},
    {"threads have ids of their own", own_ids},
};

TAP_MAIN(tests)

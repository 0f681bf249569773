/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FPU, SSE and AVX state.
 *
 * With XSAVE the state is in the standard (not compacted) form:
 *
 *	0	legacy area of FXSAVE: x87, MXCSR at 24, XMM registers
 *	512	header: XSTATE_BV, which parts are not as they are initially; XCOMP_BV, 0
 *	576	the upper halves of the YMM registers, at the place CPUID tells, and so on
 *
 * Restoring a state faults if a reserved MXCSR bit, an unknown part or a non-zero reserved header
 * field is set.  States from programs are therefore checked, or cut to what is allowed, before they
 * get into a thread: a state in t->fpu can always be restored.
 */
#include <machine/cpu.h>
#include <machine/features.h>
#include <machine/fpu.h>
#include <machine/registers.h>
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"

#define XCR0_X87     (1u << 0)
#define XCR0_SSE     (1u << 1)
#define XCR0_AVX     (1u << 2)
#define XCR0_AVX512  (7u << 5)
#define CPUID_XSTATE 0xd

#define FCW_INITIAL	   0x037f
#define MXCSR_INITIAL	   0x1f80
#define MXCSR_MASK_DEFAULT 0xffbf

/* FXSAVE's area, as far as the kernel looks into it, and XSAVE's header. */
struct fpu_state {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved0;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t registers[480];
	uint64_t xstate_bv, xcomp_bv;
	uint64_t reserved1[6];
};

#define FXSAVE_SIZE offsetof(struct fpu_state, xstate_bv)

/* Set once at boot. */
static size_t state_size = FXSAVE_SIZE;
static uint64_t components; /* XCR0: what is saved; 0 without XSAVE */
static uint32_t mxcsr_mask = MXCSR_MASK_DEFAULT;

static void
xcr0_write(uint64_t value)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"(value >> 32));
}

/* choose_components: all parts of the state that are known here and that the processor has. */
static void
choose_components(void)
{
	uint64_t known = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512;

	components = cpuid(CPUID_XSTATE, 0).eax & known;
	if ((components & XCR0_AVX) == 0 || (components & XCR0_AVX512) != XCR0_AVX512)
		components &= ~(uint64_t)XCR0_AVX512;
}

void
fpu_cpu_init(void)
{
	cr0_write((cr0_read() & ~(uint64_t)(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
	cr4_write(cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	if (cpu_features.xsave) {
		cr4_write(cr4_read() | CR4_OSXSAVE);
		xcr0_write(components);
	}
	__asm__ volatile("fninit");
}

void
fpu_init(void)
{
	static struct fpu_state probe __attribute__((aligned(FPU_STATE_ALIGN)));

	if (cpu_features.xsave)
		choose_components();
	fpu_cpu_init();
	if (cpu_features.xsave)
		state_size = cpuid(CPUID_XSTATE, 0).ebx; /* for what XCR0 has on now */
	__asm__ volatile("fxsave64 %0" : "=m"(probe));
	if (probe.mxcsr_mask != 0)
		mxcsr_mask = probe.mxcsr_mask;
}

size_t
fpu_state_size(void)
{
	return state_size;
}

void
fpu_state_init(void *state)
{
	struct fpu_state *s = state;

	memset(s, 0, state_size);
	s->fcw = FCW_INITIAL;
	s->mxcsr = MXCSR_INITIAL;
}

void
fpu_save(void *state)
{
	uint32_t lo = components, hi = components >> 32;

	if (cpu_features.xsaveopt)
		__asm__ volatile("xsaveopt64 (%0)" : : "r"(state), "a"(lo), "d"(hi) : "memory");
	else if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
}

void
fpu_restore(const void *state)
{
	uint32_t lo = components, hi = components >> 32;

	if (cpu_features.xsave)
		__asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
}

void
fpu_state_get(struct thread *t, void *buf)
{
	spin_enter();
	if (t == curthread())
		fpu_save(t->fpu);
	memcpy(buf, t->fpu, state_size);
	spin_exit();
}

/* state_is_valid: would the processor restore this without a fault? */
static bool
state_is_valid(const struct fpu_state *s)
{
	if ((s->mxcsr & ~mxcsr_mask) != 0)
		return false;
	if (components == 0)
		return true;
	if ((s->xstate_bv & ~components) != 0 || s->xcomp_bv != 0)
		return false;
	for (size_t i = 0; i < sizeof(s->reserved1) / sizeof(s->reserved1[0]); i++) {
		if (s->reserved1[i] != 0)
			return false;
	}
	return true;
}

bool
fpu_state_set(struct thread *t, const void *buf, size_t size)
{
	if (size != state_size || !state_is_valid(buf))
		return false;
	spin_enter();
	memcpy(t->fpu, buf, state_size);
	if (t == curthread())
		fpu_restore(t->fpu);
	spin_exit();
	return true;
}

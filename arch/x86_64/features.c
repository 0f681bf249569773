/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding out what the processor can do, and switching on what protects the kernel.
 *
 * Every bit is asked of CPUID before it is set in CR4: setting one that is not there is a fault on
 * hardware and a hang on some emulators.
 *
 * SMAP keeps the kernel off user pages unless RFLAGS.AC is set; `stac` and `clac` change that bit,
 * but are invalid on a processor without SMAP.  So entry.S and copy.S have three-byte no-ops in
 * their places (macro SMAP_SITE notes where), and features_init turns those into the instructions.
 */
#include <machine/features.h>
#include <machine/registers.h>
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define CPUID_EXT    0x80000000u
#define CPUID_BRAND  0x80000002u
#define BRAND_LEAVES 3

#define LEAF1_ECX_PCID	  (1u << 17)
#define LEAF1_ECX_X2APIC  (1u << 21)
#define LEAF1_ECX_XSAVE	  (1u << 26)
#define LEAF1_ECX_RDRAND  (1u << 30)
#define LEAF1_EDX_MCE	  (1u << 7)
#define LEAF1_EDX_PGE	  (1u << 13)
#define LEAF7_EBX_FSGS	  (1u << 0)
#define LEAF7_EBX_SMEP	  (1u << 7)
#define LEAF7_EBX_INVPCID (1u << 10)
#define LEAF7_EBX_RDSEED  (1u << 18)
#define LEAF7_EBX_SMAP	  (1u << 20)
#define LEAF7_ECX_UMIP	  (1u << 2)
#define LEAFD_EAX_OPT	  (1u << 0)
#define EXT1_EDX_GBPAGES  (1u << 26)
#define EXT7_EDX_TSC	  (1u << 8)

#define DEFAULT_PHYSICAL_BITS 36

struct cpu_features cpu_features;

struct smap_site {
	uint64_t address;
	uint64_t instruction; /* its bytes, the first in the lowest byte */
};

#define SMAP_INSTRUCTION_BYTES 3

extern const struct smap_site __smap_sites_start[], __smap_sites_end[];

struct cpuid_result
cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_result r;
	uint32_t max;

	__asm__ volatile("cpuid" : "=a"(max) : "a"(leaf & CPUID_EXT) : "ebx", "ecx", "edx");
	if (leaf > max)
		return (struct cpuid_result){0};
	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static void
read_names(struct cpu_features *f)
{
	struct cpuid_result r = cpuid(0, 0);
	const char *p = f->brand;

	memcpy(f->vendor, &r.ebx, 4);
	memcpy(f->vendor + 4, &r.edx, 4);
	memcpy(f->vendor + 8, &r.ecx, 4);
	for (uint32_t i = 0; i < BRAND_LEAVES; i++) {
		r = cpuid(CPUID_BRAND + i, 0);
		memcpy(f->brand + i * sizeof(r), &r, sizeof(r));
	}
	while (*p == ' ')
		p++;
	memmove(f->brand, p, strlen(p) + 1);
}

static void
read_features(struct cpu_features *f)
{
	struct cpuid_result one = cpuid(1, 0), seven = cpuid(7, 0), ext = cpuid(CPUID_EXT + 1, 0);
	uint8_t bits = cpuid(CPUID_EXT + 8, 0).eax & 0xff;

	f->pcid = (one.ecx & LEAF1_ECX_PCID) != 0;
	f->x2apic = (one.ecx & LEAF1_ECX_X2APIC) != 0;
	f->xsave = (one.ecx & LEAF1_ECX_XSAVE) != 0;
	f->rdrand = (one.ecx & LEAF1_ECX_RDRAND) != 0;
	f->machine_check = (one.edx & LEAF1_EDX_MCE) != 0;
	f->global_pages = (one.edx & LEAF1_EDX_PGE) != 0;
	f->fsgsbase = (seven.ebx & LEAF7_EBX_FSGS) != 0;
	f->smep = (seven.ebx & LEAF7_EBX_SMEP) != 0;
	f->invpcid = (seven.ebx & LEAF7_EBX_INVPCID) != 0;
	f->rdseed = (seven.ebx & LEAF7_EBX_RDSEED) != 0;
	f->smap = (seven.ebx & LEAF7_EBX_SMAP) != 0;
	f->umip = (seven.ecx & LEAF7_ECX_UMIP) != 0;
	f->xsaveopt = f->xsave && (cpuid(0xd, 1).eax & LEAFD_EAX_OPT) != 0;
	f->gbpages = (ext.edx & EXT1_EDX_GBPAGES) != 0;
	f->invariant_tsc = (cpuid(CPUID_EXT + 7, 0).edx & EXT7_EDX_TSC) != 0;
	f->physical_bits = bits != 0 ? bits : DEFAULT_PHYSICAL_BITS;
}

/* patch_smap_sites: turn the no-ops into stac and clac.  Kernel text is still writable. */
static void
patch_smap_sites(void)
{
	for (const struct smap_site *s = __smap_sites_start; s < __smap_sites_end; s++)
		memcpy((void *)s->address, &s->instruction, SMAP_INSTRUCTION_BYTES);
	cpuid(0, 0); /* serializes: what was patched is what will be fetched */
}

void
features_cpu_init(void)
{
	const struct cpu_features *f = &cpu_features;
	uint64_t cr4 = cr4_read();

	if (f->machine_check)
		cr4 |= CR4_MCE;
	if (f->global_pages)
		cr4 |= CR4_PGE;
	if (f->smep)
		cr4 |= CR4_SMEP;
	if (f->umip)
		cr4 |= CR4_UMIP;
	if (f->fsgsbase)
		cr4 |= CR4_FSGSBASE;
	if (f->smap)
		cr4 |= CR4_SMAP;
	cr4_write(cr4);
}

void
features_init(void)
{
	read_names(&cpu_features);
	read_features(&cpu_features);
	if (cpu_features.smap)
		patch_smap_sites();
	features_cpu_init();
}

void
features_print(void)
{
	const struct cpu_features *f = &cpu_features;

	kprintf("cpu: %s (%s), NX WP%s%s%s%s%s%s%s\n", f->brand[0] != '\0' ? f->brand : "unnamed",
		f->vendor, f->smep ? " SMEP" : "", f->smap ? " SMAP" : "", f->umip ? " UMIP" : "",
		f->global_pages ? " PGE" : "", f->gbpages ? " 1G-pages" : "",
		f->fsgsbase ? " FSGSBASE" : "", f->xsave ? " XSAVE" : "");
}

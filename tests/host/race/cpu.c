/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Simulated processors.
 *
 *	access --> TLB --(miss)--> upper-level cache --(miss)--> root in CR3, tables in memory
 *
 * Page tables are read as hardware reads them: at any time, without the pmap's lock, entry by entry,
 * and the accessed and dirty bits are set by atomic operations.  What was read is remembered, and
 * forgotten only when it is told to: by INVLPG, by loading CR3 (entries of the other tags stay, if
 * there are tags), by CR4.PGE, or by a shootdown; and by a fault, what led to that (SDM volume 3, 4.10.4.1).
 *
 * A processor's lock is held for one whole access and while its memory is changed, so an access is
 * before or after an invalidation, never in the midst of it.  For ThreadSanitizer that is the only
 * order between what a program stores and what becomes of the frame afterwards: a frame that is used
 * for something else although a processor still knows it is a race.
 *
 * Interrupts.  A shootdown reaches a processor whose interrupts are on at once: the sender does the
 * work in its place.  If they are off it leaves a request and waits, serving others meanwhile; the
 * request is served when the interrupts go on or the processor polls.  So a processor that waits with
 * interrupts off and does not poll is a deadlock here as it would be there.
 */
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "arch/x86_64/pmap_private.h"
#include "arch/x86_64/pmap_pv.h"
#include "model/kernel.h"
#include "model/mmu.h"
#include "race/cpu.h"
#include <machine/features.h>
#include <machine/pmap.h>
#include <machine/registers.h>
#include <machine/shootdown.h>

#define TLB_ENTRIES   128
#define UPPER_ENTRIES 16
#define TAG_MASK      0xffful
#define CR3_NO_FLUSH  (1ul << 63)
#define JITTER	      24 /* one of so many chances to yield is taken */
#define SLOW_ONE_IN   16 /* shootdowns are slow */
#define SLOW_NS	      300000

/* One remembered entry: of level 1 (a page) or 2 (a table of level 1). */
struct cached {
	bool valid;
	uint16_t tag;
	vm_offset_t va; /* of the page, or what the table spans */
	pte_t entry;
};

/* What a processor asks of another one. */
struct request {
	struct request *next;
	const struct pmap *pmap;
	vm_offset_t start, end;
	bool done; /* atomic */
};

static struct cpu {
	uint32_t lock;			    /* spinlock of the host: 0 free */
	bool masked;			    /* (a) interrupts are off */
	struct request *requests;	    /* (l), and read without: is there one? */
	uint64_t cr3, cr4;		    /* (l) */
	struct cached tlb[TLB_ENTRIES];	    /* (l) */
	struct cached upper[UPPER_ENTRIES]; /* (l) */
	uint64_t random;		    /* its thread's */
} __attribute__((aligned(64))) cpus[MACHINE_MAX_CPUS];

struct cpu_features cpu_features;
static bool forget_shootdowns;

static struct cpu *
self(void)
{
	return &cpus[curcpu()->id];
}

static void
cpu_lock(struct cpu *c)
{
	while (__atomic_exchange_n(&c->lock, 1, __ATOMIC_ACQUIRE) != 0)
		model_yield();
}

static void
cpu_unlock(struct cpu *c)
{
	__atomic_store_n(&c->lock, 0, __ATOMIC_RELEASE);
}

static uint64_t
random_next(struct cpu *c)
{
	c->random = c->random * 6364136223846793005ull + 1442695040888963407ull + curcpu()->id;
	return c->random >> 33;
}

void
sim_jitter(void)
{
	if (random_next(self()) % JITTER == 0)
		model_yield();
}

/* ---- what is remembered, and forgotten ---- */

static bool
is_global(const struct cached *e)
{
	return (e->entry & PTE_GLOBAL) != 0;
}

static uint16_t
current_tag(const struct cpu *c)
{
	return c->cr3 & TAG_MASK;
}

/* forget_upper: every upper-level entry of a tag. */
static void
forget_upper(struct cpu *c, uint16_t tag)
{
	for (unsigned i = 0; i < UPPER_ENTRIES; i++)
		c->upper[i].valid = c->upper[i].valid && c->upper[i].tag != tag;
}

/* forget_tag: all of a tag but global entries. */
static void
forget_tag(struct cpu *c, uint16_t tag)
{
	forget_upper(c, tag);
	for (unsigned i = 0; i < TLB_ENTRIES; i++)
		c->tlb[i].valid =
		    c->tlb[i].valid && (is_global(&c->tlb[i]) || c->tlb[i].tag != tag);
}

static void
forget_all(struct cpu *c)
{
	memset(c->tlb, 0, sizeof(c->tlb));
	memset(c->upper, 0, sizeof(c->upper));
}

static struct cached *
tlb_slot(struct cpu *c, vm_offset_t va)
{
	return &c->tlb[atop(va) % TLB_ENTRIES];
}

static struct cached *
upper_slot(struct cpu *c, vm_offset_t va)
{
	return &c->upper[va / pt_span(2) % UPPER_ENTRIES];
}

/* forget_way: what the current tag uses for va. */
static void
forget_way(struct cpu *c, vm_offset_t va)
{
	struct cached *e = tlb_slot(c, va), *u = upper_slot(c, va);

	if (e->va == trunc_page(va) && (is_global(e) || e->tag == current_tag(c)))
		e->valid = false;
	if (u->tag == current_tag(c))
		u->valid = false;
}

static void
forget_page(struct cpu *c, vm_offset_t va)
{
	forget_way(c, va);
	forget_upper(c, current_tag(c));
}

/* ---- registers ---- */

uint64_t
cr3_read(void)
{
	return self()->cr3;
}

void
cr3_write(uint64_t value)
{
	struct cpu *c = self();

	cpu_lock(c);
	c->cr3 = value & ~CR3_NO_FLUSH;
	if ((value & CR3_NO_FLUSH) == 0)
		forget_tag(c, current_tag(c));
	cpu_unlock(c);
	sim_jitter();
}

uint64_t
cr4_read(void)
{
	return self()->cr4;
}

void
cr4_write(uint64_t value)
{
	struct cpu *c = self();

	cpu_lock(c);
	if (((c->cr4 ^ value) & CR4_PGE) != 0)
		forget_all(c);
	c->cr4 = value;
	cpu_unlock(c);
}

void
invlpg(uintptr_t va)
{
	struct cpu *c = self();

	cpu_lock(c);
	forget_page(c, va);
	cpu_unlock(c);
}

/* ---- interrupts and shootdowns ---- */

/* obey: what the interrupt's handler does.  c's lock is held. */
static void
obey(struct cpu *c, const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	if (pmap != kernel_pmap && (c->cr3 & PTE_FRAME) != direct_map_phys(pmap->root))
		return;
	if (atop(end - start) > TLB_ENTRIES) {
		forget_all(c);
		return;
	}
	for (vm_offset_t va = start; va < end; va += PAGE_SIZE)
		forget_page(c, va);
	if (pmap == kernel_pmap) /* the tables of the kernel's half are everybody's */
		memset(c->upper, 0, sizeof(c->upper));
}

static void
serve(struct cpu *c)
{
	struct request *r, *next;

	if (__atomic_load_n(&c->requests, __ATOMIC_SEQ_CST) == NULL)
		return;
	cpu_lock(c);
	for (r = c->requests; r != NULL; r = next) {
		next = r->next;
		obey(c, r->pmap, r->start, r->end);
		__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&c->requests, NULL, __ATOMIC_SEQ_CST);
	cpu_unlock(c);
}

void
sim_irqs_off(void)
{
	__atomic_store_n(&self()->masked, true, __ATOMIC_SEQ_CST);
}

void
sim_irqs_on(void)
{
	__atomic_store_n(&self()->masked, false, __ATOMIC_SEQ_CST);
	serve(self());
	sim_jitter();
}

void
sim_poll(void)
{
	serve(self());
	model_yield();
}

/* ask: have c forget, and wait until it has. */
static void
ask(struct cpu *c, const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	struct request r = {.pmap = pmap, .start = start, .end = end};

	cpu_lock(c);
	r.next = c->requests;
	__atomic_store_n(&c->requests, &r, __ATOMIC_SEQ_CST);
	/* Either it sees the request when it turns its interrupts on, or we see that it has. */
	if (!__atomic_load_n(&c->masked, __ATOMIC_SEQ_CST)) {
		obey(c, pmap, start, end);
		__atomic_store_n(&c->requests, r.next, __ATOMIC_SEQ_CST);
		r.done = true;
	}
	cpu_unlock(c);
	while (!__atomic_load_n(&r.done, __ATOMIC_ACQUIRE))
		sim_poll();
}

void
sim_forget_shootdowns(bool forget)
{
	forget_shootdowns = forget;
}

/* take_time: an interrupt on its way: the others go on with what they know; now and then for long, as
 * a virtual processor may stand still. */
static void
take_time(void)
{
	const struct timespec long_time = {.tv_nsec = SLOW_NS};

	if (random_next(self()) % SLOW_ONE_IN == 0)
		nanosleep(&long_time, NULL);
}

void
pmap_shootdown(const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	uint32_t others = __atomic_load_n(&pmap->active, __ATOMIC_SEQ_CST);

	if (forget_shootdowns)
		return;
	if (pmap == kernel_pmap)
		others = ~0u; /* everybody has the kernel loaded */
	take_time();
	for (uint32_t id = 0; id < MACHINE_MAX_CPUS; id++) {
		if (id != curcpu()->id && (others & 1u << id) != 0)
			ask(&cpus[id], pmap, start, end);
	}
}

/* A simulated processor keeps no space of a thread that left it. */
void
shootdown_leave(const struct pmap *pmap)
{
	(void)pmap;
}

void
sim_cpu_start(void)
{
	struct cpu *c = self();

	cpu_lock(c);
	c->cr3 = direct_map_phys(kernel_pmap->root);
	forget_all(c);
	cpu_unlock(c);
	__atomic_store_n(&c->masked, false, __ATOMIC_SEQ_CST);
}

static void
load(struct pmap *pmap)
{
	cpu_irq_disable();
	pmap_activate(pmap);
	cpu_irq_enable();
}

void
sim_cpu_stop(void)
{
	load(kernel_pmap);
}

/* ---- accesses ---- */

/* allows: does an entry of the last level allow the access? */
static bool
allows(pte_t entry, vm_prot_t type)
{
	return (pte_prot(entry) & type) == type;
}

static pte_t
entry_read(const pte_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* upper_walk: the table of level 1 that leads to va; NULL: none. */
static pte_t *
upper_walk(struct cpu *c, vm_offset_t va)
{
	vm_offset_t base = va & ~(pt_span(2) - 1);
	struct cached *u = upper_slot(c, va);
	pte_t entry = c->cr3;

	if (u->valid && u->va == base && u->tag == current_tag(c))
		return pte_table(u->entry);
	for (int level = PT_LEVELS; level > 1; level--) {
		entry = entry_read(&pte_table(entry)[pt_index(va, level)]);
		if ((entry & PTE_PRESENT) == 0)
			return NULL;
	}
	*u = (struct cached){.valid = true, .tag = current_tag(c), .va = base, .entry = entry};
	return pte_table(entry);
}

/* walk: read the tables, set the accessed and dirty bits, remember; NULL: a fault. */
static struct cached *
walk(struct cpu *c, vm_offset_t va, vm_prot_t type)
{
	pte_t bits = PTE_ACCESSED | (type == VM_PROT_WRITE ? PTE_DIRTY : 0);
	pte_t *table = upper_walk(c, va), *pte, entry;
	struct cached *e = tlb_slot(c, va);

	if (table == NULL)
		return NULL;
	pte = &table[pt_index(va, 1)];
	entry = entry_read(pte);
	do {
		if ((entry & PTE_PRESENT) == 0 || !allows(entry, type))
			return NULL;
	} while ((entry & bits) != bits &&
		 !__atomic_compare_exchange_n(pte, &entry, entry | bits, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_ACQUIRE));
	*e = (struct cached){
	    .valid = true, .tag = current_tag(c), .va = trunc_page(va), .entry = entry | bits};
	return e;
}

/* translate: the remembered or found translation of va; NULL: a fault. */
static struct cached *
translate(struct cpu *c, vm_offset_t va, vm_prot_t type)
{
	struct cached *e = tlb_slot(c, va);

	if (!e->valid || e->va != trunc_page(va) || !(is_global(e) || e->tag == current_tag(c)))
		return walk(c, va, type);
	if (!allows(e->entry, type))
		return NULL;
	if (type == VM_PROT_WRITE && (e->entry & PTE_DIRTY) == 0)
		return walk(c, va, type);
	return e;
}

bool
model_access_range(struct pmap *pmap, vm_offset_t va, vm_prot_t type, void *buffer, size_t size)
{
	struct cpu *c = self();
	struct cached *e;
	char *at;

	/* Also kernel_pmap, as its addresses lie in the users' half here. */
	if (curcpu()->loaded_pmap != pmap)
		load(pmap);
	sim_jitter();
	cpu_lock(c);
	e = translate(c, va, type);
	if (e == NULL) {
		forget_way(c, va);
	} else {
		at = (char *)direct_map(e->entry & PTE_FRAME) + (va & PAGE_MASK);
		if (type == VM_PROT_WRITE)
			memcpy(at, buffer, size);
		else
			memcpy(buffer, at, size);
	}
	cpu_unlock(c);
	return e != NULL;
}

bool
model_access(struct pmap *pmap, vm_offset_t va, vm_prot_t type, uint8_t *value)
{
	return model_access_range(pmap, va, type, value, 1);
}

/* model_tlb_audit: nobody runs.  Only what can be used is looked at: the loaded tag. */
void
model_tlb_audit(void)
{
	for (uint32_t id = 0; id < MACHINE_MAX_CPUS; id++) {
		struct cpu *c = &cpus[id];
		const struct pmap *pmap = percpu_area[id].loaded_pmap;

		for (unsigned i = 0; pmap != NULL && i < TLB_ENTRIES; i++) {
			const struct cached *e = &c->tlb[i];
			pte_t now;
			int level;

			if (!e->valid || is_global(e) || e->tag != current_tag(c))
				continue;
			now = pmap_find_leaf(pmap, e->va, &level);
			if ((now & PTE_FRAME) != (e->entry & PTE_FRAME) ||
			    (pte_prot(e->entry) & ~pte_prot(now)) != 0)
				model_die("processor %u: stale entry %#lx for %#lx, now %#lx", id,
					  e->entry, e->va, now);
		}
	}
}

/* ---- what other parts of the model have, too ---- */

static struct pmap kernel_pmap_storage = {
    .lock = SPINLOCK_INITIALIZER("kernel_pmap", LOCK_RANK_PMAP),
    .leaf_bits = PTE_PRESENT | PTE_GLOBAL,
};
struct pmap *const kernel_pmap = &kernel_pmap_storage;

/* The machine has memory and nothing else. */
kern_return_t
pmap_device_check(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache)
{
	(void)pa, (void)size, (void)cache;
	return KERN_INVALID_ARGUMENT;
}

uint64_t
model_pmap_mappings(void)
{
	return pmap_resident_count(kernel_pmap);
}

void
sim_boot(bool pcids)
{
	vm_size_t kernel = VM_MAX_KERNEL_ADDRESS - VM_MIN_KERNEL_ADDRESS;
	struct vm_page *table;

	if (mmap((void *)VM_MIN_KERNEL_ADDRESS, kernel, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1,
		 0) == MAP_FAILED)
		model_die("the host has no room for kernel addresses");
	kernel_pmap->root = pmap_page_address(vm_page_alloc_noobj(VM_ALLOC_ZERO));
	table = vm_page_alloc_noobj(VM_ALLOC_ZERO);
	kernel_pmap->root[pt_index(VM_MIN_KERNEL_ADDRESS, PT_LEVELS)] =
	    vm_page_to_phys(table) | PTE_PRESENT | PTE_WRITE;
	kernel_pmap->tables = 2;
	percpu_area[curcpu()->id].loaded_pmap = kernel_pmap;
	cpu_features.pcid = pcids;
	sim_cpu_start();
	tlb_enable_pcids();
}

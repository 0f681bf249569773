/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables on the host: a pmap is a sorted array of mappings.
 *
 *	pmap->map[]	{va, page, prot, wired, accessed, dirty} by va
 *	vm_page		pv_pmap, pv_va: the first mapping; pv_more: a list of further ones
 *	tlbs[cpu][]	copies of mappings, direct-mapped by page number
 *
 * One spinlock guards everything here; its rank lets the lock-order checker see its users.
 *
 * Mappings of kernel_pmap are real as well: the frame's place in the memory file is mapped at the
 * kernel address, and rights taken away are taken away by the host.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "kernel/base/panic.h"
#include "kernel/base/rwlock.h"
#include "kernel/base/spinlock.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define TLB_ENTRIES 256

struct mapping {
	vm_offset_t va;
	struct vm_page *page; /* NULL: a device's frame */
	vm_paddr_t pa;
	enum pmap_cache cache;
	vm_prot_t prot;
	bool wired, accessed, dirty;
};

struct pmap {
	struct vm_page *root; /* a frame, as the tables of the machine take one */
	struct mapping *map;  /* sorted by va */
	size_t count, room;
	uint64_t wired;
};

struct pv_entry {
	struct pv_entry *next;
	struct pmap *pmap;
	vm_offset_t va;
};

struct tlb_entry {
	struct pmap *pmap; /* NULL: empty */
	vm_offset_t va;
	vm_paddr_t pa;
	vm_prot_t prot;
	bool dirty;
};

static struct spinlock mmu_lock = SPINLOCK_INITIALIZER("model pmap", LOCK_RANK_PMAP);
static struct pmap kernel_pmap_store;
static struct tlb_entry tlbs[MACHINE_MAX_CPUS][TLB_ENTRIES];
static uint64_t mappings;
static bool skip_invalidation;

struct pmap *const kernel_pmap = &kernel_pmap_store;

/* TLBs. */

static struct tlb_entry *
tlb_slot(uint32_t cpu, vm_offset_t va)
{
	return &tlbs[cpu][atop(va) % TLB_ENTRIES];
}

static struct tlb_entry *
tlb_find(uint32_t cpu, const struct pmap *pmap, vm_offset_t va)
{
	struct tlb_entry *e = tlb_slot(cpu, va);

	return e->pmap == pmap && e->va == va ? e : NULL;
}

/* tlb_invalidate: on every processor, as a shootdown does. */
static void
tlb_invalidate(const struct pmap *pmap, vm_offset_t va)
{
	if (skip_invalidation)
		return;
	for (uint32_t cpu = 0; cpu < MACHINE_MAX_CPUS; cpu++) {
		struct tlb_entry *e = tlb_find(cpu, pmap, va);

		if (e != NULL)
			e->pmap = NULL;
	}
}

/* Mappings. */

/* map_position: index of the first mapping at or above va. */
static size_t
map_position(const struct pmap *pmap, vm_offset_t va)
{
	size_t low = 0, high = pmap->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (pmap->map[middle].va < va)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct mapping *
map_find(const struct pmap *pmap, vm_offset_t va)
{
	size_t i = map_position(pmap, va);

	return i < pmap->count && pmap->map[i].va == va ? &pmap->map[i] : NULL;
}

static struct mapping *
map_insert(struct pmap *pmap, vm_offset_t va)
{
	size_t i = map_position(pmap, va);

	if (pmap->count == pmap->room) {
		pmap->room = pmap->room == 0 ? 16 : 2 * pmap->room;
		pmap->map = realloc(pmap->map, pmap->room * sizeof(*pmap->map));
	}
	memmove(&pmap->map[i + 1], &pmap->map[i], (pmap->count - i) * sizeof(*pmap->map));
	pmap->count++;
	pmap->map[i] = (struct mapping){.va = va};
	mappings++;
	return &pmap->map[i];
}

static void
map_delete(struct pmap *pmap, struct mapping *p)
{
	size_t i = (size_t)(p - pmap->map);

	memmove(&pmap->map[i], &pmap->map[i + 1], (pmap->count - i - 1) * sizeof(*pmap->map));
	pmap->count--;
	mappings--;
}

/* The reverse map. */

static bool
is_managed(const struct vm_page *m)
{
	return m != NULL && (m->flags & VM_PAGE_UNMANAGED) == 0;
}

static bool
pv_insert(struct vm_page *m, struct pmap *pmap, vm_offset_t va)
{
	struct pv_entry *pv;

	if (m->pv_pmap == NULL) {
		m->pv_pmap = pmap;
		m->pv_va = va;
		return true;
	}
	if (model_alloc_fails())
		return false;
	pv = malloc(sizeof(*pv));
	*pv = (struct pv_entry){.next = m->pv_more, .pmap = pmap, .va = va};
	m->pv_more = pv;
	return true;
}

static void
pv_remove(struct vm_page *m, const struct pmap *pmap, vm_offset_t va)
{
	struct pv_entry **link = &m->pv_more, *pv = m->pv_more;

	if (m->pv_pmap == pmap && m->pv_va == va) {
		m->pv_pmap = pv != NULL ? pv->pmap : NULL;
		m->pv_va = pv != NULL ? pv->va : 0;
	} else {
		while (pv != NULL && (pv->pmap != pmap || pv->va != va)) {
			link = &pv->next;
			pv = pv->next;
		}
		VERIFY(pv != NULL, "no reverse mapping of page %p at %#lx", (void *)m, va);
	}
	if (pv != NULL) {
		*link = pv->next;
		free(pv);
	}
}

/* pv_for_each: call fn for each mapping of m; fn may remove it. */
static void
pv_for_each(struct vm_page *m, void (*fn)(struct pmap *pmap, struct mapping *p, void *arg),
	    void *arg)
{
	struct pv_entry *pv, *next;

	for (pv = m->pv_more; pv != NULL; pv = next) {
		next = pv->next;
		fn(pv->pmap, map_find(pv->pmap, pv->va), arg);
	}
	if (m->pv_pmap != NULL)
		fn(m->pv_pmap, map_find(m->pv_pmap, m->pv_va), arg);
}

/* Changes of a mapping: page tables, reverse map, TLBs, and the host's tables for the kernel. */

static void
host_map(const struct pmap *pmap, const struct mapping *p)
{
	int prot = 0;

	if (pmap != kernel_pmap)
		return;
	prot |= (p->prot & VM_PROT_READ) != 0 ? PROT_READ : 0;
	prot |= (p->prot & VM_PROT_WRITE) != 0 ? PROT_READ | PROT_WRITE : 0;
	if (mmap((void *)p->va, PAGE_SIZE, prot, MAP_SHARED | MAP_FIXED, model_memory_file(),
		 model_memory_offset(p->pa)) == MAP_FAILED)
		model_die("the host cannot map %#lx", p->va);
}

static void
host_unmap(const struct pmap *pmap, vm_offset_t va)
{
	if (pmap == kernel_pmap)
		mmap((void *)va, PAGE_SIZE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

/* save_bits: what the hardware noted in the mapping goes to the page. */
static void
save_bits(const struct mapping *p)
{
	uint8_t bits = 0;

	if (p->page == NULL)
		return;
	if (p->accessed)
		bits |= VM_PAGE_REFERENCED;
	if (p->dirty)
		bits |= VM_PAGE_DIRTY;
	__atomic_or_fetch(&p->page->aflags, bits, __ATOMIC_RELAXED);
}

static void
mapping_remove(struct pmap *pmap, struct mapping *p)
{
	vm_offset_t va = p->va;

	save_bits(p);
	if (is_managed(p->page))
		pv_remove(p->page, pmap, va);
	pmap->wired -= p->wired;
	map_delete(pmap, p);
	tlb_invalidate(pmap, va);
	host_unmap(pmap, va);
}

static void
mapping_protect(struct pmap *pmap, struct mapping *p, vm_prot_t prot)
{
	vm_prot_t left = p->prot & prot;

	if (left == VM_PROT_NONE) {
		mapping_remove(pmap, p);
		return;
	}
	if (left == p->prot)
		return;
	p->prot = left;
	tlb_invalidate(pmap, p->va);
	host_map(pmap, p);
}

static void
assert_enter(const struct pmap *pmap, vm_offset_t va, const struct vm_page *m, vm_prot_t prot)
{
	VERIFY(page_aligned(va) && prot != VM_PROT_NONE, "va %#lx prot %u", va, prot);
	VERIFY(!is_managed(m) || (m->object != NULL && rwlock_held(&m->object->lock)),
	       "page %p enters %#lx without its object's lock", (const void *)m, va);
	VERIFY(!is_managed(m) || (m->flags & VM_PAGE_VALID) != 0, "page %p enters %#lx invalid",
	       (const void *)m, va);
	if (pmap != kernel_pmap) {
		VERIFY(va < VM_MAX_USER_ADDRESS, "va %#lx in a user pmap", va);
	} else {
		VERIFY(va >= VM_MIN_KERNEL_ADDRESS && va < VM_MAX_KERNEL_ADDRESS,
		       "va %#lx in kernel_pmap", va);
		VERIFY((prot & VM_PROT_WRITE) == 0 || (prot & VM_PROT_EXECUTE) == 0,
		       "kernel page at %#lx writable and executable", va);
	}
}

/* mapping_make: a mapping of m at va, where there is none; NULL without memory. */
static struct mapping *
mapping_make(struct pmap *pmap, vm_offset_t va, struct vm_page *m, vm_paddr_t pa)
{
	struct mapping *p;

	if (is_managed(m) && !pv_insert(m, pmap, va))
		return NULL;
	p = map_insert(pmap, va);
	p->page = m;
	p->pa = pa;
	return p;
}

/* enter: map va to the frame at pa, which is m, or, where m is NULL, a device's. */
static kern_return_t
enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m, vm_paddr_t pa, enum pmap_cache cache,
      vm_prot_t prot, int flags)
{
	bool wired = (flags & PMAP_ENTER_WIRED) != 0, has_table;
	struct mapping *p;

	assert_enter(pmap, va, m, prot);
	spinlock_lock(&mmu_lock);
	p = map_find(pmap, va);
	has_table = p != NULL || !model_alloc_fails();
	if (p != NULL && p->pa != pa) {
		mapping_remove(pmap, p);
		p = NULL;
	}
	if (p == NULL && has_table)
		p = mapping_make(pmap, va, m, pa);
	if (p != NULL) {
		if ((p->prot & ~prot) != 0)
			tlb_invalidate(pmap, va);
		pmap->wired += (uint64_t)wired - (uint64_t)p->wired;
		p->prot = prot;
		p->cache = cache;
		p->wired = wired;
		p->accessed |= (flags & PMAP_ENTER_WRITE) != 0;
		p->dirty |= (flags & PMAP_ENTER_WRITE) != 0;
		host_map(pmap, p);
	}
	spinlock_unlock(&mmu_lock);
	return p != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t
pmap_enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m, vm_prot_t prot, int flags)
{
	return enter(pmap, va, m, vm_page_to_phys(m), PMAP_CACHED, prot, flags);
}

kern_return_t
pmap_enter_device(struct pmap *pmap, vm_offset_t va, vm_paddr_t pa, enum pmap_cache cache,
		  vm_prot_t prot, int flags)
{
	VERIFY(model_device_contains(pa) && cache != PMAP_CACHED, "va %#lx to %#lx as %d", va,
	       (unsigned long)pa, cache);
	return enter(pmap, va, NULL, pa, cache, prot, flags);
}

kern_return_t
pmap_device_check(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache)
{
	return model_device_check(pa, size, cache);
}

/* range_step: the first mapping in [*at, end), *at set behind it; NULL if there is none. */
static struct mapping *
range_step(const struct pmap *pmap, vm_offset_t *at, vm_offset_t end)
{
	size_t i = map_position(pmap, *at);

	if (i == pmap->count || pmap->map[i].va >= end)
		return NULL;
	*at = pmap->map[i].va + PAGE_SIZE;
	return &pmap->map[i];
}

void
pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	pmap_protect(pmap, start, end, VM_PROT_NONE);
}

void
pmap_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
	struct mapping *p;

	VERIFY(page_aligned(start) && page_aligned(end) && start <= end, "[%#lx, %#lx)", start,
	       end);
	spinlock_lock(&mmu_lock);
	while ((p = range_step(pmap, &start, end)) != NULL)
		mapping_protect(pmap, p, prot);
	spinlock_unlock(&mmu_lock);
}

void
pmap_unwire(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	struct mapping *p;

	spinlock_lock(&mmu_lock);
	while ((p = range_step(pmap, &start, end)) != NULL) {
		pmap->wired -= p->wired;
		p->wired = false;
	}
	spinlock_unlock(&mmu_lock);
}

void
pmap_drop(struct pmap *pmap)
{
	vm_offset_t at = 0;
	struct mapping *p;

	VERIFY(pmap != kernel_pmap, "kernel_pmap is no cache");
	spinlock_lock(&mmu_lock);
	while ((p = range_step(pmap, &at, UINTPTR_MAX)) != NULL) {
		if (!p->wired)
			mapping_remove(pmap, p);
	}
	spinlock_unlock(&mmu_lock);
}

bool
pmap_query(struct pmap *pmap, vm_offset_t va, struct pmap_mapping *out)
{
	const struct mapping *p;

	spinlock_lock(&mmu_lock);
	p = map_find(pmap, va);
	if (p != NULL)
		*out = (struct pmap_mapping){
		    .page = p->page,
		    .cache = p->cache,
		    .prot = p->prot,
		    .wired = p->wired,
		    .accessed = p->accessed,
		    .dirty = p->dirty,
		};
	spinlock_unlock(&mmu_lock);
	return p != NULL;
}

bool
pmap_extract(struct pmap *pmap, vm_offset_t va, vm_paddr_t *pa)
{
	const struct mapping *p;

	spinlock_lock(&mmu_lock);
	p = map_find(pmap, trunc_page(va));
	if (p != NULL)
		*pa = p->pa + (va & PAGE_MASK);
	spinlock_unlock(&mmu_lock);
	return p != NULL;
}

bool
pmap_next(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_offset_t *va)
{
	const struct mapping *p;

	spinlock_lock(&mmu_lock);
	p = range_step(pmap, &start, end);
	if (p != NULL)
		*va = p->va;
	spinlock_unlock(&mmu_lock);
	return p != NULL;
}

/* Functions by page. */

static void
remove_one(struct pmap *pmap, struct mapping *p, void *arg)
{
	(void)arg;
	mapping_remove(pmap, p);
}

static void
remove_unwired_one(struct pmap *pmap, struct mapping *p, void *arg)
{
	(void)arg;
	if (!p->wired)
		mapping_remove(pmap, p);
}

static void
remove_write_one(struct pmap *pmap, struct mapping *p, void *arg)
{
	(void)arg;
	if (p->prot != VM_PROT_WRITE) {
		mapping_protect(pmap, p, (vm_prot_t)~VM_PROT_WRITE);
		return;
	}
	p->prot = VM_PROT_READ; /* the hardware knows no write without read */
	tlb_invalidate(pmap, p->va);
}

static void
is_dirty_one(struct pmap *pmap, struct mapping *p, void *arg)
{
	(void)pmap;
	*(bool *)arg |= p->dirty;
}

static void
clear_dirty_one(struct pmap *pmap, struct mapping *p, void *arg)
{
	(void)arg;
	p->dirty = false;
	tlb_invalidate(pmap, p->va);
}

static void
take_accessed_one(struct pmap *pmap, struct mapping *p, void *arg)
{
	*(int *)arg += p->accessed;
	p->accessed = false;
	tlb_invalidate(pmap, p->va);
}

static void
by_page(struct vm_page *m, void (*fn)(struct pmap *pmap, struct mapping *p, void *arg), void *arg)
{
	VERIFY(is_managed(m), "mappings of page %p are not tracked", (void *)m);
	spinlock_lock(&mmu_lock);
	pv_for_each(m, fn, arg);
	spinlock_unlock(&mmu_lock);
}

void
pmap_remove_all(struct vm_page *m)
{
	by_page(m, remove_one, NULL);
}

void
pmap_remove_unwired(struct vm_page *m)
{
	by_page(m, remove_unwired_one, NULL);
}

void
pmap_remove_write(struct vm_page *m)
{
	by_page(m, remove_write_one, NULL);
}

bool
pmap_page_is_mapped(struct vm_page *m)
{
	return m->pv_pmap != NULL;
}

bool
pmap_is_modified(struct vm_page *m)
{
	bool dirty = (m->aflags & VM_PAGE_DIRTY) != 0;

	by_page(m, is_dirty_one, &dirty);
	return dirty;
}

void
pmap_clear_modify(struct vm_page *m)
{
	by_page(m, clear_dirty_one, NULL);
	__atomic_and_fetch(&m->aflags, (uint8_t)~VM_PAGE_DIRTY, __ATOMIC_RELAXED);
}

int
pmap_ts_referenced(struct vm_page *m)
{
	int n = 0;

	by_page(m, take_accessed_one, &n);
	return n;
}

/* Life of a pmap. */

struct pmap *
pmap_create(void)
{
	struct vm_page *root = vm_page_alloc_noobj(0);
	struct pmap *pmap = NULL;

	if (root != NULL) {
		pmap = calloc(1, sizeof(*pmap));
		pmap->root = root;
	}
	return pmap;
}

void
pmap_destroy(struct pmap *pmap)
{
	for (uint32_t cpu = 0; cpu < MACHINE_MAX_CPUS; cpu++)
		VERIFY(percpu_area[cpu].loaded_pmap != pmap, "processor %u uses pmap %p", cpu,
		       (void *)pmap);
	pmap_remove(pmap, 0, trunc_page(UINTPTR_MAX));
	VERIFY(pmap->count == 0 && pmap->wired == 0, "%zu mappings, %lu wired", pmap->count,
	       (unsigned long)pmap->wired);
	vm_page_free_noobj(pmap->root);
	free(pmap->map);
	free(pmap);
}

void
pmap_activate(struct pmap *pmap)
{
	curcpu()->loaded_pmap = pmap;
}

void
pmap_init(void)
{
	size_t size = VM_MAX_KERNEL_ADDRESS - VM_MIN_KERNEL_ADDRESS;

	if (mmap((void *)VM_MIN_KERNEL_ADDRESS, size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1,
		 0) == MAP_FAILED)
		model_die("the host has no room for kernel addresses at %#lx",
			  VM_MIN_KERNEL_ADDRESS);
}

uint64_t
pmap_resident_count(struct pmap *pmap)
{
	return pmap->count;
}

uint64_t
pmap_wired_count(struct pmap *pmap)
{
	return pmap->wired;
}

uint64_t
pmap_table_count(struct pmap *pmap)
{
	(void)pmap;
	return 1;
}

/* Accesses. */

/* allows: does a mapping with these rights allow the access?  What is mapped can be read. */
static bool
allows(vm_prot_t prot, vm_prot_t type)
{
	return type == VM_PROT_READ || (prot & type) == type;
}

/* walk: read the page tables and fill the TLB; NULL: a fault. */
static struct tlb_entry *
walk(struct pmap *pmap, vm_offset_t va, vm_prot_t type)
{
	struct mapping *p = map_find(pmap, va);
	struct tlb_entry *e = tlb_slot(curcpu()->id, va);

	if (p == NULL || !allows(p->prot, type))
		return NULL;
	p->accessed = true;
	p->dirty |= type == VM_PROT_WRITE;
	*e = (struct tlb_entry){
	    .pmap = pmap, .va = va, .pa = p->pa, .prot = p->prot, .dirty = p->dirty};
	return e;
}

static struct tlb_entry *
translate(struct pmap *pmap, vm_offset_t va, vm_prot_t type)
{
	struct tlb_entry *e = tlb_find(curcpu()->id, pmap, va);

	if (e == NULL)
		return walk(pmap, va, type);
	if (!allows(e->prot, type)) {
		e->pmap = NULL;
		return NULL;
	}
	if (type == VM_PROT_WRITE && !e->dirty)
		return walk(pmap, va, type); /* the dirty bit is to be set in the tables */
	return e;
}

bool
model_access_range(struct pmap *pmap, vm_offset_t va, vm_prot_t type, void *buffer, size_t size)
{
	struct tlb_entry *e;
	char *at;

	VERIFY(trunc_page(va) == trunc_page(va + size - 1), "access to %zu bytes at %#lx", size,
	       va);
	spinlock_lock(&mmu_lock);
	e = translate(pmap, trunc_page(va), type);
	if (e != NULL) {
		at = model_phys_address(e->pa) + (va & PAGE_MASK);
		if (type == VM_PROT_WRITE)
			memcpy(at, buffer, size);
		else
			memcpy(buffer, at, size);
	}
	spinlock_unlock(&mmu_lock);
	return e != NULL;
}

bool
model_access(struct pmap *pmap, vm_offset_t va, vm_prot_t type, uint8_t *value)
{
	return model_access_range(pmap, va, type, value, 1);
}

void
model_tlb_audit(void)
{
	spinlock_lock(&mmu_lock);
	for (uint32_t i = 0; i < MACHINE_MAX_CPUS * TLB_ENTRIES; i++) {
		const struct tlb_entry *e = &tlbs[i / TLB_ENTRIES][i % TLB_ENTRIES];
		const struct mapping *p = e->pmap != NULL ? map_find(e->pmap, e->va) : NULL;

		if (e->pmap != NULL && (p == NULL || p->pa != e->pa || (e->prot & ~p->prot) != 0))
			model_die("stale TLB entry of processor %u: %#lx, rights %u, frame %#lx",
				  i / TLB_ENTRIES, e->va, e->prot, (unsigned long)e->pa);
	}
	spinlock_unlock(&mmu_lock);
}

void
model_tlb_skip_invalidation(bool skip)
{
	skip_invalidation = skip;
}

uint64_t
model_pmap_mappings(void)
{
	return mappings;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel memory: kernel_map, its submaps, and wired memory in them.
 *
 *	VM_MIN_KERNEL_ADDRESS                                            VM_MAX_KERNEL_ADDRESS
 *	|== kmem_map ==|= exec_map =|= stack_map =|------------- free --------------|
 *
 * Wired kernel memory shows kernel_object at offset = address - VM_MIN_KERNEL_ADDRESS, so adjacent
 * allocations merge into one entry.  The order of kmem_malloc is: addresses under the map lock,
 * then, unlocked, a page and its mapping for each; on failure the pages go before the entry does;
 * on success the entry may merge.
 *
 * Zones that are not direct get their slabs here (kmem_supplier), so the kernel heap lives in
 * kmem_map; the entries, objects and page tables that this takes come from direct zones, so nothing
 * recurses.
 */
#include "kernel/base/lockorder.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_zone.h"

#define EXEC_MAP_SIZE  (16ul << 20)
#define STACK_MAP_SIZE (1ul << 30)
#define KMEM_MAP_MIN   (64ul << 20)
#define KSTACK_GUARD   PAGE_SIZE
#define KSTACK_SLOT    (KSTACK_GUARD + KERNEL_STACK_SIZE)

static struct vm_map kernel_map_store;
vm_map_t kernel_map = &kernel_map_store;
vm_map_t kmem_map, exec_map, stack_map;

/* ---- wired pages ---- */

static vm_ooffset_t
kernel_offset(vm_offset_t addr)
{
	return addr - VM_MIN_KERNEL_ADDRESS;
}

/* back_page: one page for addr, wired and mapped; no map lock held. */
static kern_return_t
back_page(vm_offset_t addr, int flags)
{
	int req = VM_ALLOC_WIRED | ((flags & KMEM_ZERO) ? VM_ALLOC_ZERO : 0);
	kern_return_t kr = KERN_RESOURCE_SHORTAGE;
	struct vm_page *m;

	rwlock_write(&kernel_object->lock);
	m = vm_page_alloc(kernel_object, atop(kernel_offset(addr)), req);
	if (m != NULL) {
		m->flags |= VM_PAGE_VALID | VM_PAGE_UNMANAGED;
		vm_page_unbusy(m);
		kr = pmap_enter(kernel_pmap, addr, m, VM_PROT_RW,
				PMAP_ENTER_WIRED | PMAP_ENTER_WRITE);
		if (kr != KERN_SUCCESS) {
			vm_page_unwire(m);
			vm_page_free(m);
		}
	}
	rwlock_write_unlock(&kernel_object->lock);
	return kr;
}

/* unback: the pages of [start, end) are unmapped everywhere and freed. */
static void
unback(vm_offset_t start, vm_offset_t end)
{
	struct vm_page *m;

	pmap_remove(kernel_pmap, start, end);
	rwlock_write(&kernel_object->lock);
	for (vm_offset_t va = start; va < end; va += PAGE_SIZE) {
		m = vm_radix_lookup(&kernel_object->pages, atop(kernel_offset(va)));
		VERIFY(m != NULL, "no kernel page at %#lx", va);
		vm_page_unwire(m);
		vm_page_free(m);
	}
	rwlock_write_unlock(&kernel_object->lock);
}

/* waited: there was no memory: has the caller, who may want to wait, waited for some? */
static bool
waited(int flags)
{
	return !(flags & KMEM_NOWAIT) && vm_page_wait("kmem") == KERN_SUCCESS;
}

/* back: pages for all of [start, end), waiting for memory unless KMEM_NOWAIT; all or none. */
static kern_return_t
back(vm_offset_t start, vm_offset_t end, int flags)
{
	kern_return_t kr;

	for (vm_offset_t va = start; va < end; va += PAGE_SIZE) {
		do {
			kr = back_page(va, flags);
		} while (kr == KERN_RESOURCE_SHORTAGE && waited(flags));
		if (kr != KERN_SUCCESS) {
			unback(start, va);
			return kr;
		}
	}
	return KERN_SUCCESS;
}

/*
 * insert_wired: an entry of kernel_object for [addr, addr + size), counted as wired.  It has no pages
 * yet: in transition until settle() or forget(), it merges with nobody, so that it can go again
 * without a cut.  Map locked.
 */
static kern_return_t
insert_wired(vm_map_t map, vm_offset_t addr, vm_size_t size)
{
	vm_map_entry_t e;
	kern_return_t kr;

	vm_object_reference(kernel_object);
	kr = vm_map_insert(map, kernel_object, kernel_offset(addr), addr, addr + size, VM_PROT_RW,
			   VM_PROT_ALL, MAP_ACC_NO_CHARGE);
	if (kr != KERN_SUCCESS) {
		vm_object_deallocate(kernel_object);
		return kr;
	}
	vm_map_lookup_entry(map, addr, &e);
	e->wired_count = 1;
	e->eflags |= VM_ENTRY_IN_TRANSITION;
	return KERN_SUCCESS;
}

/* end_transition: the entry that insert_wired made at addr.  Map locked. */
static vm_map_entry_t
end_transition(vm_map_t map, vm_offset_t addr)
{
	vm_map_entry_t e;

	VERIFY(vm_map_lookup_entry(map, addr, &e) && e->start == addr &&
		   (e->eflags & VM_ENTRY_IN_TRANSITION),
	       "no entry of map %p waits at %#lx for its pages", (void *)map, addr);
	e->eflags &= ~VM_ENTRY_IN_TRANSITION;
	return e;
}

/* settle: what insert_wired made at addr has its pages.  No lock held. */
static void
settle(vm_map_t map, vm_offset_t addr)
{
	vm_map_lock(map);
	vm_map_simplify_entry(map, end_transition(map, addr));
	vm_map_unlock(map);
}

/* forget: what insert_wired made at addr gets no pages: it goes.  Map locked. */
static void
forget(vm_map_t map, vm_offset_t addr)
{
	vm_map_entry_t e = end_transition(map, addr);

	e->wired_count = 0;
	vm_map_delete(map, e->start, e->end);
	sleepq_wake_all(&map->size);
}

/*
 * delete_wired: the entry goes; its pages went before.  The wiring is taken off first, so that
 * vm_map_delete looks for no page.  If the range must be cut out of a merged entry and there is no
 * memory for that, wait: who frees kernel memory cannot fail.
 */
static void
delete_wired(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	vm_map_lock(map);
	while (!vm_map_reserve(map, 2)) {
		vm_map_unlock(map);
		vm_page_wait_surely("kmemfree");
		vm_map_lock(map);
	}
	VERIFY(vm_map_lookup_entry(map, start, &e) && end <= e->end && e->object == kernel_object,
	       "kmem_free of %#lx-%#lx, which was not allocated so", start, end);
	vm_map_clip_start(map, e, start);
	vm_map_clip_end(map, e, end);
	e->wired_count = 0;
	vm_map_delete(map, start, end);
	vm_map_unlock(map);
	sleepq_wake_all(&map->size);
}

/* reserve_wired: addresses for size bytes, *addr, and their entry. */
static kern_return_t
reserve_wired(vm_map_t map, vm_size_t size, vm_offset_t *addr)
{
	kern_return_t kr = KERN_NO_SPACE;

	vm_map_lock(map);
	if (vm_map_findspace_aligned(map, vm_map_min(map), size, PAGE_SIZE, addr))
		kr = insert_wired(map, *addr, size);
	vm_map_unlock(map);
	return kr;
}

vm_offset_t
kmem_malloc(vm_map_t map, vm_size_t size, int flags)
{
	vm_offset_t addr;
	kern_return_t kr;

	assert_may_kmem("kmem_malloc");
	if (!(flags & KMEM_NOWAIT))
		assert_may_fault("kmem_malloc"); /* it may wait for memory */
	size = round_page(size);
	do {
		kr = reserve_wired(map, size, &addr);
	} while (kr == KERN_RESOURCE_SHORTAGE && waited(flags));
	if (kr == KERN_NO_SPACE && !(flags & KMEM_NOWAIT))
		panic("kmem_malloc(%#zx): no addresses left in map %p", size, (void *)map);
	if (kr != KERN_SUCCESS)
		return 0;
	if (back(addr, addr + size, flags) != KERN_SUCCESS) {
		vm_map_lock(map);
		forget(map, addr);
		vm_map_unlock(map);
		return 0;
	}
	settle(map, addr);
	return addr;
}

void
kmem_free(vm_map_t map, vm_offset_t addr, vm_size_t size)
{
	assert_may_kmem("kmem_free");
	size = round_page(size);
	unback(addr, addr + size);
	delete_wired(map, addr, addr + size);
}

/* ---- other kinds ---- */

/* remove_surely: vm_map_remove; neighbours may have merged with the range, and if there is no memory
 * to cut it out, wait for some. */
static void
remove_surely(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	while (vm_map_remove(map, start, end) != KERN_SUCCESS)
		vm_page_wait_surely("kmemfree");
}

vm_offset_t
kmem_alloc(vm_map_t map, vm_size_t size)
{
	vm_offset_t addr = vm_map_min(map);

	size = round_page(size);
	if (vm_map_find(map, NULL, 0, &addr, size, 0, VMFS_ANY_SPACE, VM_PROT_RW, VM_PROT_ALL, 0) !=
	    KERN_SUCCESS)
		return 0;
	if (vm_map_wire(map, addr, addr + size, VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_NOHOLES) !=
	    KERN_SUCCESS) {
		remove_surely(map, addr, addr + size);
		return 0;
	}
	return addr;
}

vm_offset_t
kmem_alloc_nofault(vm_map_t map, vm_size_t size)
{
	vm_offset_t addr = vm_map_min(map);

	if (vm_map_find(map, NULL, 0, &addr, round_page(size), 0, VMFS_ANY_SPACE, VM_PROT_RW,
			VM_PROT_ALL, MAP_NOFAULT) != KERN_SUCCESS)
		return 0;
	return addr;
}

vm_offset_t
kmem_alloc_wait(vm_map_t map, vm_size_t size)
{
	vm_offset_t addr;
	kern_return_t kr;

	size = round_page(size);
	if (size == 0 || size > vm_map_max(map) - vm_map_min(map))
		return 0;
	for (;;) {
		vm_map_lock(map);
		kr = KERN_NO_SPACE;
		if (vm_map_findspace_aligned(map, vm_map_min(map), size, PAGE_SIZE, &addr))
			kr = vm_map_insert(map, NULL, 0, addr, addr + size, VM_PROT_RW, VM_PROT_ALL,
					   0);
		if (kr != KERN_NO_SPACE) {
			vm_map_unlock(map);
			return kr == KERN_SUCCESS ? addr : 0;
		}
		sleepq_prepare(&map->size, "kmaw");
		vm_map_unlock(map);
		if (sleepq_wait(SLEEPQ_FOREVER, SLEEPQ_KILLABLE) == SLEEPQ_KILLED)
			return 0;
	}
}

void
kmem_free_wakeup(vm_map_t map, vm_offset_t addr, vm_size_t size)
{
	remove_surely(map, trunc_page(addr), round_page(addr + size));
	sleepq_wake_all(&map->size);
}

/* ---- kernel stacks ---- */

/* kstack_reserve: a guard and, above it, addresses for a stack; 0 without space or memory. */
static vm_offset_t
kstack_reserve(void)
{
	vm_offset_t slot, stack = 0;

	vm_map_lock(stack_map);
	if (vm_map_reserve(stack_map, 2) &&
	    vm_map_findspace_aligned(stack_map, vm_map_min(stack_map), KSTACK_SLOT, PAGE_SIZE,
				     &slot) &&
	    vm_map_insert(stack_map, NULL, 0, slot, slot + KSTACK_GUARD, VM_PROT_NONE, VM_PROT_NONE,
			  MAP_CREATE_GUARD) == KERN_SUCCESS) {
		stack = slot + KSTACK_GUARD;
		if (insert_wired(stack_map, stack, KERNEL_STACK_SIZE) != KERN_SUCCESS) {
			vm_map_delete(stack_map, slot, stack);
			stack = 0;
		}
	}
	vm_map_unlock(stack_map);
	return stack;
}

vm_offset_t
kstack_alloc(void)
{
	vm_offset_t stack = kstack_reserve();

	if (stack == 0)
		return 0;
	if (back(stack, stack + KERNEL_STACK_SIZE, KMEM_NOWAIT) != KERN_SUCCESS) {
		vm_map_lock(stack_map);
		forget(stack_map, stack);
		vm_map_delete(stack_map, stack - KSTACK_GUARD, stack);
		vm_map_unlock(stack_map);
		return 0;
	}
	settle(stack_map, stack);
	return stack;
}

/* The guard goes first: above a guard that is left alone, first fit would find room for a slot where
 * none may be (kstack_in_guard). */
void
kstack_free(vm_offset_t base)
{
	unback(base, base + KERNEL_STACK_SIZE);
	vm_map_remove(stack_map, base - KSTACK_GUARD, base);
	delete_wired(stack_map, base, base + KERNEL_STACK_SIZE);
}

bool
kstack_in_guard(vm_offset_t addr)
{
	/* All slots are equal and first fit fills them from the bottom, so they lie at multiples. */
	return addr >= vm_map_min(stack_map) && addr < vm_map_max(stack_map) &&
	       (addr - vm_map_min(stack_map)) % KSTACK_SLOT < KSTACK_GUARD;
}

/* ---- boot ---- */

vm_map_t
kmem_suballoc(vm_map_t parent, vm_offset_t *min, vm_offset_t *max, vm_size_t size,
	      boolean_t superpage_align)
{
	int how = superpage_align ? VMFS_SUPER_SPACE : VMFS_ANY_SPACE;
	vm_map_t submap;
	kern_return_t kr;

	size = round_page(size);
	*min = vm_map_min(parent);
	vm_object_reference(vm_submap_object);
	kr = vm_map_find(parent, vm_submap_object, 0, min, size, 0, how, VM_PROT_ALL, VM_PROT_ALL,
			 MAP_ACC_NO_CHARGE);
	if (kr != KERN_SUCCESS)
		panic("kmem_suballoc: no room for %#zx bytes: %d", size, kr);
	*max = *min + size;
	submap = vm_map_create(parent->pmap, *min, *max);
	if (submap == NULL)
		panic("kmem_suballoc: no memory for a map");
	kr = vm_map_submap(parent, *min, *max, submap);
	if (kr != KERN_SUCCESS)
		panic("kmem_suballoc: %#lx-%#lx refused: %d", *min, *max, kr);
	return submap;
}

static void *
kmem_get_slab(int flags)
{
	int kmem_flags = (flags & VM_ZONE_NOWAIT) ? KMEM_NOWAIT : 0;

	return (void *)kmem_malloc(kmem_map, PAGE_SIZE, kmem_flags);
}

static void
kmem_put_slab(void *slab)
{
	kmem_free(kmem_map, (vm_offset_t)slab, PAGE_SIZE);
}

static const struct vm_zone_supplier kmem_supplier = {
    .name = "kmem_map",
    .get = kmem_get_slab,
    .put = kmem_put_slab,
    .direct = false,
};

void
kmem_init(void)
{
	vm_offset_t min, max;
	struct vm_page_counts counts;
	vm_size_t heap;

	vm_map_init_system(kernel_map, kernel_pmap, VM_MIN_KERNEL_ADDRESS, VM_MAX_KERNEL_ADDRESS);
	vm_page_get_counts(&counts);
	heap = ptoa(counts.total);
	if (heap < KMEM_MAP_MIN)
		heap = KMEM_MAP_MIN;
	kmem_map = kmem_suballoc(kernel_map, &min, &max, heap, TRUE);
	exec_map = kmem_suballoc(kernel_map, &min, &max, EXEC_MAP_SIZE, FALSE);
	stack_map = kmem_suballoc(kernel_map, &min, &max, STACK_MAP_SIZE, FALSE);
	vm_zone_register_kmem(&kmem_supplier);
}

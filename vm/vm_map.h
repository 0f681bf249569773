/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address maps: which object, at which offset and with which rights, each address of a space shows.
 *
 * A map is an ordered set of entries: a doubly linked list through a sentinel (the header) and a
 * balanced tree whose nodes know the largest gap below them.  Reserved room is an entry too: a
 * guard is never accessible, a stack's gap is a guard that vm_map_growstack may turn into stack.
 *
 * Invariants, true whenever the map lock is free; vm_map_audit() checks them (I1 to I11):
 *	I1	entries sorted, disjoint, start < end, inside [min, max), page-aligned
 *	I2	protection is a subset of max_protection
 *	I3	map->size is the sum over entries that are no guards; nentries is exact
 *	I4	NEEDS_COPY implies COW, and no page of the entry is writable in the pmap
 *	I5	a guard has no object, no rights, no charge, no mapping, no wiring
 *	I6	a stack gap is a guard that carries the stack's creation values; it is live if its
 *		successor is GROWS_DOWN and starts where it ends, else an orphan
 *	I7	a submap entry: only in system maps, no COW, no charge, same pmap and addresses
 *	I8	USER_WIRED implies wired_count >= 1; what is wired and writable is no copy to be made
 *	I9	each entry owns one reference on its object
 *	I10	tree and list agree, a node's rank is above its children's, and largest gaps agree with a
 *		recount
 *	I11	every page in a user pmap lies in an entry that allows it
 *
 * What each function promises, in full: docs/contracts/functions.md.
 */
#ifndef VM_VM_MAP_H
#define VM_VM_MAP_H

#include "kernel/base/list.h"
#include "kernel/base/rmlock.h"
#include "vm/vm_types.h"

struct proc;
struct thread;
struct vm_object;

struct vm_map_entry {
	struct vm_map_entry *prev, *next; /* by address, through the header */
	struct vm_map_entry *parent;	  /* tree */
	struct vm_map_entry *child[2];	  /* tree: lower and higher addresses */
	vm_offset_t start, end;		  /* bytes */
	uint32_t max_gap; /* pages: largest gap before any entry of this subtree, capped */
	int8_t rank;	  /* tree: more than that of a child */
	vm_prot_t protection, max_protection;
	vm_inherit_t inheritance;
	union {
		struct {
			struct vm_object *object; /* NULL: zeroes, not yet materialised */
			vm_ooffset_t offset;	  /* of start, in object */
		};
		struct vm_map *sub_map;	     /* IS_SUB_MAP */
		struct {		     /* STACK_GAP: what the stack was created with */
			vm_size_t gap_guard; /* bytes at the bottom that are never given out */
			uint32_t gap_eflags; /* entry flags of new stack entries */
			vm_prot_t gap_protection, gap_max_protection;
		};
	};
	uint32_t eflags;		     /* VM_ENTRY_* */
	uint32_t wired_count;		     /* system wirings, plus one if USER_WIRED */
	struct thread *wiring_thread;	     /* who set IN_TRANSITION */
} __attribute__((aligned(CACHE_LINE_SIZE))); /* all guarded by the map's lock */

#define VM_ENTRY_COW		  0x0001 /* writes go to a private copy */
#define VM_ENTRY_NEEDS_COPY	  0x0002 /* ... which is yet to be made */
#define VM_ENTRY_IS_SUB_MAP	  0x0004
#define VM_ENTRY_GUARD		  0x0008
#define VM_ENTRY_STACK_GAP	  0x0010 /* with GUARD */
#define VM_ENTRY_GROWS_DOWN	  0x0020 /* part of a stack */
#define VM_ENTRY_USER_WIRED	  0x0040
#define VM_ENTRY_IN_TRANSITION	  0x0080 /* being wired or unwired: leave it alone */
#define VM_ENTRY_NEEDS_WAKEUP	  0x0100 /* somebody waits for the end of that */
#define VM_ENTRY_NOFAULT	  0x0200 /* a fault here is a kernel bug */
#define VM_ENTRY_NOCOREDUMP	  0x0400
#define VM_ENTRY_NOSYNC		  0x0800
#define VM_ENTRY_CHARGED	  0x1000 /* its bytes are charged to the entry, not to the object */
#define VM_ENTRY_WIRE_SKIPPED	  0x2000 /* the wiring under way left it out */
#define VM_ENTRY_BEHAV_SEQUENTIAL 0x4000
#define VM_ENTRY_BEHAV_RANDOM	  0x8000
#define VM_ENTRY_BEHAV_MASK	  0xc000
#define VM_ENTRY_TOUCHED	  0x10000 /* submap placeholder: something was done to the range */
#define VM_ENTRY_NO_CHARGE	  0x20000 /* not charged, whatever becomes of it */

struct vm_map {
	struct rmlock lock; /* user maps: readers and writers; system maps: writers only */

	/* One cache line: what each change of the map writes. */
	uint64_t timestamp;	   /* (m) bumped by each exclusive lock: "has it changed?" */
	struct vm_map_entry *hint; /* (m) where the last change was: an entry or the header */
	struct vm_map_entry *dead; /* (m) unlinked entries, released when the lock is */
	struct {
		vm_offset_t from, to;
		vm_size_t length;
	} full; /* (m) no `length` free bytes begin in [from, to): first fit need not look there */
	vm_size_t size;	   /* (m) bytes in entries, guards not counted */
	uint32_t nentries; /* (m) */
	uint32_t flags;	   /* (m) VM_MAP_* */

	struct vm_map_entry *root;  /* (m) */
	struct vm_map_entry *spare; /* (m) up to VM_MAP_SPARES entries, so that clips cannot fail */
	uint32_t nspare;	    /* (m) */
	uint32_t busy;		    /* (m) wirings and writes that have dropped the lock */
	struct vm_map_entry header; /* (m) sentinel: end = min, start = max; object NULL */
	vm_size_t user_wired;	    /* (m) bytes in USER_WIRED entries */
	uint64_t serial;	    /* (c) unique: no other map ever had it */
	bool system;		    /* (c) kernel_map or a submap: the lock is always exclusive */
	struct pmap *pmap;	    /* (c) */
	struct proc *owner;	    /* (m) the process whose limits apply; NULL for kernel maps */
	uint32_t ref_count;	    /* (a) */
	uint32_t audits;	    /* (m) countdown of the debug audit */
#ifdef CONFIG_DEBUG
	struct list_link all; /* on the list of all maps (vm_census.c) */
#endif
} __attribute__((
    aligned(CACHE_LINE_SIZE))); /* (m) guarded by lock  (c) constant after creation  (a) atomic */

#define VM_MAP_IS_SUB_MAP  0x2
#define VM_MAP_WIREFUTURE  0x4 /* wire whatever is mapped from now on */
#define VM_MAP_WXORX	   0x8 /* refuse write and execute together */
#define VM_MAP_BUSY_WAKEUP 0x10

#define VM_MAP_SPARES 4 /* two clips, and a stack's two entries, at most, an operation */
/* A new anonymous range of so many bytes does not continue another one: it has its own object. */
#define VM_MAP_LARGE  SUPERPAGE_SIZE

/* Map flags of vm_map_insert and its kin ("cow"). */
#define MAP_COPY_ON_WRITE    0x0001
#define MAP_INHERIT_SHARE    0x0002
#define MAP_NOFAULT	     0x0004
#define MAP_PREFAULT	     0x0008 /* map the resident pages now */
#define MAP_DISABLE_COREDUMP 0x0010
#define MAP_DISABLE_SYNCER   0x0020
#define MAP_STACK_AREA	     0x0040 /* vm_map_fixed: a stack */
#define MAP_CREATE_GUARD     0x0080
#define MAP_ACC_NO_CHARGE    0x0100
#define MAP_CHECK_EXCL	     0x0200 /* vm_map_fixed: nothing may be there */
#define MAP_REMAP	     0x0400 /* vm_map_find with VMFS_NO_SPACE: replace what is there */
#define MAP_CREATE_STACK_GAP 0x0800
#define MAP_STACK_GROWS_DOWN 0x1000 /* accepted by vm_map_stack: the only direction there is */
#define MAP_OWNER_LIMIT	     0x2000 /* vm_map_find, _fixed: the owner's LIMIT_VMEM applies */

/* How vm_map_find chooses. */
#define VMFS_NO_SPACE	      0 /* exactly *addr */
#define VMFS_ANY_SPACE	      1 /* first fit */
#define VMFS_OPTIMAL_SPACE    2 /* superpage-aligned if that is free, else first fit */
#define VMFS_SUPER_SPACE      3
#define VMFS_ALIGNED_SPACE(n) ((n) << 8) /* 2^n bytes */

extern vm_map_t kernel_map;

/* Boot tunables (kernel/main.c sets them from the command line). */
extern uint32_t vm_stack_guard_pages; /* default 16, at least 1 */
extern vm_size_t vm_sgrowsiz;	      /* growth step in bytes, default 128 KiB */
extern vm_offset_t vm_min_user_map;   /* lowest address user maps accept, default 64 KiB */

/* ---- vm_map.c: life, locks, lookup ---- */

void vm_map_startup(void); /* the zones of maps and entries; boot */

/* vm_map_init: an empty map over caller's storage, bounds [min, max), timestamp 0.
 * vm_map_init_system: likewise a system map. */
void vm_map_init(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max);
void vm_map_init_system(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max);
/* vm_map_fini: an empty map's spares are given back; its storage may be reused. */
void vm_map_fini(vm_map_t map);
/* vm_map_create: allocate and init; NULL without memory.  vm_map_destroy: the reverse; empty. */
vm_map_t vm_map_create(pmap_t pmap, vm_offset_t min, vm_offset_t max);
void vm_map_reference(vm_map_t map);
void vm_map_deallocate(vm_map_t map);

static inline vm_offset_t
vm_map_min(const struct vm_map *map)
{
	return map->header.end;
}
static inline vm_offset_t
vm_map_max(const struct vm_map *map)
{
	return map->header.start;
}
static inline pmap_t
vm_map_pmap(const struct vm_map *map)
{
	return map->pmap;
}

/* vm_map_range_valid: start <= end and both inside the bounds; start == end is valid. */
bool vm_map_range_valid(const struct vm_map *map, vm_offset_t start, vm_offset_t end);

/*
 * vm_map_lock: exclusive, bumps the timestamp.  vm_map_unlock: releases, audits in debug builds,
 * then lets go of what vm_map_delete unlinked (which may sleep, with nothing held).
 * vm_map_lock_read: shared (a system map: exclusive, timestamp untouched).
 * The try forms return nonzero on success.
 */
static inline void
vm_map_lock(vm_map_t map)
{
	rmlock_write(&map->lock);
	map->timestamp++;
}
void vm_map_unlock(vm_map_t map);
static inline void
vm_map_lock_read(vm_map_t map)
{
	if (map->system)
		rmlock_write(&map->lock);
	else
		rmlock_read(&map->lock);
}
static inline void
vm_map_unlock_read(vm_map_t map)
{
	if (map->system)
		rmlock_write_unlock(&map->lock);
	else
		rmlock_read_unlock(&map->lock);
}
int vm_map_trylock(vm_map_t map);
int vm_map_trylock_read(vm_map_t map);
/* vm_map_lock_upgrade: 0: exclusive now, timestamp bumped, nothing has changed in between;
 * nonzero: failed and no lock is held. */
int vm_map_lock_upgrade(vm_map_t map);
void vm_map_lock_downgrade(vm_map_t map);
int vm_map_locked(const struct vm_map *map); /* exclusively, for assertions */

/* vm_map_unlock_and_wait: release the exclusive lock and sleep until vm_map_wakeup(map), without a
 * window.  KERN_ABORTED if the thread is killed.  Deferred work is left for the next unlock. */
kern_return_t vm_map_unlock_and_wait(vm_map_t map, const char *why);
void vm_map_wakeup(vm_map_t map);
/* vm_map_busy, _unbusy: a section that has dropped the lock while it wires, or writes to a page of a
 * space that is not loaded.  Map locked.
 * vm_map_wait_busy: sleep until there is none; map locked on entry and on return (unlocked when it
 * returns KERN_ABORTED). */
void vm_map_busy(vm_map_t map);
void vm_map_unbusy(vm_map_t map);
kern_return_t vm_map_wait_busy(vm_map_t map);

/* vm_map_lookup_entry: TRUE: *entry contains addr.  FALSE: *entry is the last one that ends at or
 * before it, or the header.  Map locked, shared suffices. */
boolean_t vm_map_lookup_entry(vm_map_t map, vm_offset_t addr, vm_map_entry_t *entry);

/* ---- vm_map_lookup.c ---- */

/*
 * vm_map_lookup: resolve an address for a fault.  On KERN_SUCCESS the map in *var_map (a submap
 * perhaps) is read-locked and the results are valid until vm_map_lookup_done(*var_map).  A write to
 * a NEEDS_COPY entry makes the shadow object, a NULL object is materialised; a wiring under way is
 * waited for (KERN_ABORTED: killed).
 * KERN_INVALID_ADDRESS: not mapped, or a stack's gap.  KERN_PROTECTION_FAILURE: not allowed.
 * KERN_RESOURCE_SHORTAGE.  On error no lock is held and the outputs are undefined.
 */
kern_return_t vm_map_lookup(vm_map_t *var_map, vm_offset_t vaddr, vm_prot_t fault_type,
			    vm_map_entry_t *out_entry, struct vm_object **object,
			    vm_pindex_t *pindex, vm_prot_t *out_prot, boolean_t *wired);
/* vm_map_lookup_locked: likewise under the caller's read lock, which stays held; never blocks:
 * a submap, a copy or an object to be made, a wiring to be waited for: KERN_FAILURE, start again with
 * vm_map_lookup. */
kern_return_t vm_map_lookup_locked(vm_map_t *var_map, vm_offset_t vaddr, vm_prot_t fault_type,
				   vm_map_entry_t *out_entry, struct vm_object **object,
				   vm_pindex_t *pindex, vm_prot_t *out_prot, boolean_t *wired);
static inline void
vm_map_lookup_done(vm_map_t map, vm_map_entry_t entry)
{
	(void)entry;
	vm_map_unlock_read(map);
}

/* ---- vm_map_insert.c: insert, find, fixed ---- */

/* vm_map_insert: map write-locked.  The caller's object reference passes to the entry
 * on success and stays the caller's on failure. */
kern_return_t vm_map_insert(vm_map_t map, struct vm_object *object, vm_ooffset_t offset,
			    vm_offset_t start, vm_offset_t end, vm_prot_t prot, vm_prot_t max,
			    int cow);
kern_return_t vm_map_find(vm_map_t map, struct vm_object *object, vm_ooffset_t offset,
			  vm_offset_t *addr, vm_size_t length, vm_offset_t max_addr, int find_space,
			  vm_prot_t prot, vm_prot_t max, int cow);
kern_return_t vm_map_find_min(vm_map_t map, struct vm_object *object, vm_ooffset_t offset,
			      vm_offset_t *addr, vm_size_t length, vm_offset_t min_addr,
			      vm_offset_t max_addr, int find_space, vm_prot_t prot, vm_prot_t max,
			      int cow);
/* vm_map_findspace: lowest free address >= start for length bytes, or vm_map_max - length + 1.  Map
 * write-locked. */
vm_offset_t vm_map_findspace(vm_map_t map, vm_offset_t start, vm_size_t length);
kern_return_t vm_map_fixed(vm_map_t map, struct vm_object *object, vm_ooffset_t offset,
			   vm_offset_t start, vm_size_t length, vm_prot_t prot, vm_prot_t max,
			   int cow);

/* ---- vm_map_entry.c: clip, merge, charge, delete ---- */

kern_return_t vm_map_delete(vm_map_t map, vm_offset_t start, vm_offset_t end);
kern_return_t vm_map_remove(vm_map_t map, vm_offset_t start, vm_offset_t end);
void vm_map_simplify_entry(vm_map_t map, vm_map_entry_t entry);
/* vm_map_entry_count: entries in all maps, spares not counted, for leak tests. */
uint64_t vm_map_entry_count(void);

/* ---- vm_map_protect.c ---- */

kern_return_t vm_map_protect(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t new_prot,
			     boolean_t set_max);
kern_return_t vm_map_inherit(vm_map_t map, vm_offset_t start, vm_offset_t end,
			     vm_inherit_t new_inheritance);
/* vm_map_check_protection: TRUE if all of [start, end) is mapped with at least prot.  Map locked. */
boolean_t vm_map_check_protection(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t prot);

/* ---- vm_map_advise.c ---- */

enum vm_advice {
	VM_ADVICE_NORMAL, /* how the range will be accessed: noted in its entries */
	VM_ADVICE_RANDOM,
	VM_ADVICE_SEQUENTIAL,
	VM_ADVICE_WILLNEED, /* soon: its resident pages are mapped */
	VM_ADVICE_DONTNEED, /* not soon: its mappings go, the contents stay */
	VM_ADVICE_FREE, /* the contents are of no use: private pages may read as zero from now on */
	VM_ADVICE_NOSYNC, /* leave it to vm_map_sync to write changed pages back */
	VM_ADVICE_AUTOSYNC,
	VM_ADVICE_NOCORE, /* not in core dumps */
	VM_ADVICE_CORE,
};
kern_return_t vm_map_madvise(vm_map_t map, vm_offset_t start, vm_offset_t end, int advice);

/* ---- vm_map_sync.c, vm_map_discard.c, vm_map_residency.c ---- */

kern_return_t vm_map_sync(vm_map_t map, vm_offset_t start, vm_offset_t end, boolean_t syncio,
			  boolean_t invalidate);

kern_return_t vm_map_discard(vm_map_t map, vm_offset_t start, vm_offset_t end);

/* What vm_map_residency says of a page. */
#define VM_RESIDENT	     0x01 /* it is in memory */
#define VM_RESIDENT_MAPPED   0x02 /* ... and in the page tables of this map */
#define VM_RESIDENT_MODIFIED 0x04 /* ... and has been changed since it was last written back */
#define VM_RESIDENT_BEHIND   0x08 /* ... but in an object that the entry's own object shadows */
#define VM_RESIDENT_WIRED    0x10
kern_return_t vm_map_residency(vm_map_t map, vm_offset_t start, vm_offset_t end, uint8_t *pages);

/* ---- vm_map_move.c ---- */

#define VM_MAP_MOVE_MAY	  0x1 /* it may get another place, at or above *addr if that is free */
#define VM_MAP_MOVE_FIXED 0x2 /* it gets the place *addr */
kern_return_t vm_map_move(vm_map_t map, vm_offset_t start, vm_size_t old_length,
			  vm_size_t new_length, vm_offset_t *addr, int flags);

/* ---- vm_stack.c, vm_submap.c, vm_wire.c ---- */

kern_return_t vm_map_stack(vm_map_t map, vm_offset_t addrbos, vm_size_t max_ssize, vm_prot_t prot,
			   vm_prot_t max, int cow);
kern_return_t vm_map_growstack(struct proc *p, vm_offset_t addr);

kern_return_t vm_map_submap(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_map_t submap);

#define VM_MAP_WIRE_SYSTEM  0x0
#define VM_MAP_WIRE_USER    0x1
#define VM_MAP_WIRE_NOHOLES 0x0
#define VM_MAP_WIRE_HOLESOK 0x2
#define VM_MAP_WIRE_WRITE   0x4
kern_return_t vm_map_wire(vm_map_t map, vm_offset_t start, vm_offset_t end, int flags);
kern_return_t vm_map_unwire(vm_map_t map, vm_offset_t start, vm_offset_t end, int flags);

/* ---- vm_map_audit.c ---- */

/* vm_map_audit: check I1 to I11 over the whole map; panics with the entry that breaks one.  Map
 * locked.  vm_map_audit_unlock: what is done at each exclusive unlock.  Both in debug builds only. */
#ifdef CONFIG_DEBUG
void vm_map_audit(vm_map_t map);
void vm_map_audit_unlock(vm_map_t map);
#else
static inline void
vm_map_audit(vm_map_t map)
{
	(void)map;
}
static inline void
vm_map_audit_unlock(vm_map_t map)
{
	(void)map;
}
#endif

#define vm_map_for_each(e, map) \
	for ((e) = (map)->header.next; (e) != &(map)->header; (e) = (e)->next)

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Level-1 page tables: found, made, emptied, freed and used again, each with a lock of its own.
 *
 * To be read beside the code; what is modelled has the name of the function it models:
 *
 *	arch/x86_64/pmap_private.h	pmap_table_recent, pt_leads_to, pt_lock,
 *					pmap_table_unlock
 *	arch/x86_64/pmap_table.c	has_tables, pmap_table_next, first_flushed, await_flushed,
 *					pmap_table_try, table_lock, make_tables,
 *					table_add, set_name, pmap_table_create, pmap_table_unlink
 *	arch/x86_64/pmap.c		pmap_enter, mapping_add, mapping_replace, enter_failed,
 *					pmap_clear_pte, pmap_destroy
 *	arch/x86_64/pmap_range.c	pmap_remove, range_apply, table_apply, op_remove
 *	arch/x86_64/pmap_pv.c		pmap_remove_all, pv_lock_table, pv_unmap
 *	arch/x86_64/pmap_pv.h		pv_insert, pv_remove
 *	arch/x86_64/pmap_tlb.c		tlb_batch_finish, forget_mappings, tables_flushed, tlb_unflushed
 *	arch/x86_64/pmap_debug.c	pmap_audit, audit_pages, audit_page, awaited
 *
 * A process is a processor.  There are two places where a page can be mapped: in one table, in two
 * of a space, or at one address of two spaces; and two objects of one page each.  Processors map
 * an object's page at a place, unmap what is at a place, take an object's page away from wherever
 * it is and free it, have a place audited, and one of them destroys space 0.  Any frame may be a
 * table or a page next; each has locks of its own, or all share one.  A processor remembers one
 * table.  All this is chosen at the start, or by the processors, so all is tried; only how much
 * they do in all is bounded (STEPS).
 *
 * Above level 1 there is one entry for each table.  What processors know (TLBs, upper-level
 * entries) is the worst that it can be: all that could be walked to since the last flush.  A flush
 * is one step, as if all had answered at once; how that comes about is in shootdown.pml.
 *
 * What must hold:
 *	who reads or writes an entry has the lock of its table, which is linked, and of this place;
 *	a mapping that was found in the reverse map is in the table whose lock one has then;
 *	no frame is freed that a processor may know, and no table with an entry;
 *	when pmap_remove() returns no processor knows what was mapped when it was called, nor does the
 *	reverse map; and so it is when a page is mapped where none was;
 *	nobody touches a pmap that was destroyed, and one that is has no tables;
 *	nobody waits for ever (Spin: no invalid end state).
 *
 * A critical section that touches only what its lock guards is one step here, and so is looking at
 * pv_pmap and pv_va of a table: pv_pmap is NULL whenever the other one changes.  There are no store
 * buffers: stores of one processor are seen in their order, and who stores and then looks at what
 * others have stored has a locked instruction in between.
 *
 * Left out: rights, wired mappings, pages in no object, more levels, ranges of more than one page.
 *
 * Runs:
 *	-DCPUS=3 -DSTEPS=3
 *	-DCPUS=2 -DSTEPS=4
 *
 * Planted faults:
 *	RECENT_UNNAMED		assertion	who remembers a table does not look whose it is now
 *	WAITED_UNNAMED		assertion	... nor who had to wait for its lock
 *	NAMED_TOO_EARLY		assertion	a table has its name before it is linked
 *	NAMED_TOO_LONG		assertion	an unlinked table loses its name after its lock is released
 *	NAME_OF_A_PAGE		assertion	a table's name is its first address, not its last
 *	UNLINK_UNLOCKED		assertion	the table's lock is released before the pmap's is taken
 *	FAILED_UNNAMED		assertion	enter_failed does not look whether the table is still there
 *	FAILED_UNCOUNTED	assertion	enter_failed does not look whether others use the table
 *	FAILED_LEFT		assertion	enter_failed leaves the empty table
 *	FREE_BEFORE_FLUSH	assertion	a table is freed while processors know it
 *	FREE_BEFORE_FORGET	assertion	a table is freed before forget_mappings has seen to it
 *	FORGET_BEFORE_FLUSH	assertion	the reverse map forgets what processors know
 *	HOLE_UNSEEN		assertion	who finds no table does not look whether one is still being flushed
 *	BARE_TOO_EARLY		assertion	... nor who finds that there are none at all
 *	MADE_TOO_EARLY		assertion	... nor who makes one
 *	UNFLUSHED_TOO_LATE	assertion	a table is unlinked before it is said that it is not flushed
 *	FLUSHED_TOO_EARLY	assertion	... is said to be flushed before it is
 *	FLUSHED_BEFORE_FORGET	assertion	... is said to be before forget_mappings has seen to it
 *	DESTROYED_UNLOCKED	assertion	pmap_destroy does not wait for who calls a table flushed
 *	AUDIT_BY_NAME		assertion	the auditor does not count a table that has lost its name
 *	AUDIT_EARLY		assertion	... asks for visitors when one may be about to say so
 *	TABLE_AFTER_PMAP	deadlock	who has the pmap's lock waits for a table's
 *	TABLE_AFTER_PV		deadlock	who has the pv lock waits for a table's
 */
#define NONE 0

/* Places, and what they have in common. */
#define PLACES	   2
#define SAME_TABLE 0
#define TWO_TABLES 1
#define TWO_SPACES 2
byte kind;

#define SPACE(p) (kind == TWO_SPACES -> (p) : 0)
#define TABLE(p) (kind == SAME_TABLE -> 0 : (p))
#define INDEX(p) (kind == SAME_TABLE -> (p) : 0)

/* A frame, from 1 on; of a table: struct vm_page.  Names: of a table, of a page. */
#define FRAMES	   5
#define FREE	   0
#define IS_TABLE   1
#define IS_PAGE	   2
#define BIT(f)	   (1 << (f))
#define PT_NAME(p) (1 + TABLE(p))
#ifndef NAME_OF_A_PAGE
#define PV_NAME(p) (10 + (p))
#else
#define PV_NAME(p) (1 + (p))
#endif
byte use[FRAMES + 1];
byte name[FRAMES + 1];		/* pv_pmap, pv_va */
byte wire_count[FRAMES + 1];
byte entry[(FRAMES + 1) * 2];	/* ENTRY(f, p): a page, KEPT + it, or NONE */
byte mapped[(FRAMES + 1) * 2];	/* MAPPED(f, p): how often the reverse map has place p */
bool locked[FRAMES + 1];	/* pt_lock(f) */
bool pv_locked[FRAMES + 1];
bool shared;			/* locks */

#define KEPT	     16 /* PTE_UNMAPPED: not present, but the frame is there still */
#define ENTRY(f, p)  entry[2 * (f) + INDEX(p)]
#define MAPPED(f, p) mapped[2 * (f) + (p)]
#define UNMAPPED(f)  (MAPPED(f, 0) == 0 && MAPPED(f, 1) == 0)
#define PT_LOCK(f)   locked[(shared -> 0 : (f))]
#define PV_LOCK(f)   pv_locked[(shared -> 0 : (f))]

/* A pmap; and who has its space. */
byte upper[PLACES];	/* entries above level 1: UPPER(p) */
byte unflushed[PLACES];	/* batches with a table, by place: a set of processors */
byte awaited[CPUS];	/* of those, the ones that a processor waits for */
bool pmap_locked[2];
byte visitors[2]; /* for the auditor only */
byte users[2];
bool dying, destroyed; /* of space 0 */

#define UPPER(p)   upper[TABLE(p)]
#define touch(s)   assert(!destroyed || (s) != 0)
/* tlb_unflushed says no: of all that the table of place p led to; of all in space s. */
#define flushed(p) (kind == SAME_TABLE -> unflushed[0] + unflushed[1] == 0 : unflushed[p] == 0)
#define all_flushed(s) (kind == TWO_SPACES -> unflushed[s] == 0 : unflushed[0] + unflushed[1] == 0)
#define no_tables(s) (kind == TWO_SPACES -> upper[s] == NONE : upper[0] == NONE && upper[1] == NONE)

/* An object: its page. */
byte page[2];
bool object_locked[2];

byte steps = STEPS, begun;

/* What processors may know: sets of frames, by table and by place. */
byte known_tables[PLACES], known_pages[PLACES];

/* HAD(me, p): what was known of place p when `me` began to unmap it, and is not mapped anew. */
byte had[CPUS * PLACES];
#define HAD(me, p) had[(me) * PLACES + (p)]

#define lock(l)	  atomic { !l -> l = true }
#define unlock(l) l = false

/* ---- Frames ---- */

/* vm_page_alloc: f is the first that is free, or NONE. */
inline vm_page_alloc(f, what)
{
	f = 1;
	do
	:: f <= FRAMES && use[f] != FREE -> f++
	:: else -> break
	od;
	f = (f <= FRAMES -> f : NONE);
	use[f] = (f == NONE -> FREE : what)
}

inline vm_page_free(f)
{
	assert(use[f] != FREE && !((known_tables[0] | known_tables[1]) & BIT(f)) &&
	       !((known_pages[0] | known_pages[1]) & BIT(f)));
	assert(entry[2 * f] == NONE && entry[2 * f + 1] == NONE && UNMAPPED(f));
	use[f] = FREE
}

/* ---- The reverse map ---- */

inline pv_insert(m, p)
{
	name[m] = (UNMAPPED(m) -> PV_NAME(p) : name[m]);
	MAPPED(m, p)++
}

inline pv_forget(m, p)
{
	assert(MAPPED(m, p) > 0);
	MAPPED(m, p)--;
	name[m] = (UNMAPPED(m) -> NONE : name[m])
}

inline pv_remove(m, p)
{
	atomic { !PV_LOCK(m) -> pv_forget(m, p) }
}

/* ---- What is left to do: a batch, of place p ---- */

inline flush(p)
{
	d_step {
		touch(SPACE(p));
		known_tables[TABLE(p)] = (UPPER(p) != NONE -> BIT(UPPER(p)) : 0);
		known_pages[p] = (UPPER(p) != NONE && ENTRY(UPPER(p), p) < KEPT ->
				  BIT(ENTRY(UPPER(p), p)) & ~1 : 0)
	}
}

inline forget_mappings(p)
{
	if
	:: kept != NONE ->
		atomic {
			!PV_LOCK(kept) -> pv_forget(kept, p); /* pv_remove */
			assert(ENTRY(t, p) == KEPT + kept);
			ENTRY(t, p) = NONE;
			kept = NONE
		}
	:: else
	fi
}

inline tables_flushed(p)
{
	if
	:: unlinked != NONE ->
		atomic {
			!pmap_locked[SPACE(p)] -> touch(SPACE(p));
			pmap_locked[SPACE(p)] = true;
			unflushed[p] = unflushed[p] & ~BIT(me);
			awaited[0] = awaited[0] & ~BIT(me);
			awaited[1] = awaited[1] & ~BIT(me);
#if CPUS == 3
			awaited[2] = awaited[2] & ~BIT(me)
#endif
		};
		atomic { touch(SPACE(p)); unlock(pmap_locked[SPACE(p)]) }
	:: else
	fi
}

inline free_table()
{
	if
	:: unlinked != NONE -> d_step { vm_page_free(unlinked); unlinked = NONE }
	:: else
	fi
}

/* tlb_batch_finish: of the table t and what was unlinked. */
inline tlb_batch_finish(p)
{
#ifdef FREE_BEFORE_FLUSH
	free_table();
#endif
#ifdef FORGET_BEFORE_FLUSH
	forget_mappings(p);
#endif
#ifdef FLUSHED_TOO_EARLY
	tables_flushed(p);
#endif
	flush(p);
#ifdef FREE_BEFORE_FORGET
	free_table();
#endif
#ifdef FLUSHED_BEFORE_FORGET
	tables_flushed(p);
#endif
	forget_mappings(p);
#if !defined(FLUSHED_TOO_EARLY) && !defined(FLUSHED_BEFORE_FORGET)
	tables_flushed(p);
#endif
	free_table()
}

/* ---- Tables ---- */

#define pt_leads_to(f, p) (name[f] == PT_NAME(p))

/* pmap_table_recent: t, locked, or NONE. */
inline pmap_table_recent(p)
{
	t = recent;
	if
	:: t != NONE ->
		lock(PT_LOCK(t));
#ifndef RECENT_UNNAMED
		if
		:: pt_leads_to(t, p)
		:: else -> atomic { unlock(PT_LOCK(t)); t = NONE }
		fi
#endif
	:: else
	fi
}

/* table_lock: from the pmap's lock to that of t; t is NONE if it was unlinked meanwhile. */
inline table_lock(p)
{
	if
#ifndef TABLE_AFTER_PMAP
	:: atomic { !PT_LOCK(t) -> PT_LOCK(t) = true; unlock(pmap_locked[SPACE(p)]) }
	:: atomic {
		PT_LOCK(t) -> visitors[SPACE(p)]++;
		unlock(pmap_locked[SPACE(p)])
	   };
		lock(PT_LOCK(t));
		d_step { touch(SPACE(p)); visitors[SPACE(p)]-- };
#ifndef WAITED_UNNAMED
		if
		:: pt_leads_to(t, p)
		:: else -> atomic { unlock(PT_LOCK(t)); t = NONE }
		fi
#endif
#else
	:: lock(PT_LOCK(t)); unlock(pmap_locked[SPACE(p)])
#endif
	fi;
	recent = (t != NONE -> t : recent)
}

/* has_tables: is any table of the space linked, or not flushed yet? */
inline has_tables(p)
{
	found = !no_tables(SPACE(p));
#ifndef BARE_TOO_EARLY
	if
	:: !found -> found = !all_flushed(SPACE(p))
	:: found
	fi
#endif
}

/* pmap_table_next: t, locked, or NONE. */
inline pmap_table_next(p)
{
	do
	:: true ->
		has_tables(p);
		if
		:: !found -> t = NONE; break
		:: found -> found = false
		fi;
		pmap_table_recent(p);
		if
		:: t != NONE -> break
		:: else
		fi;
		atomic {
			!pmap_locked[SPACE(p)] -> touch(SPACE(p));
			t = UPPER(p); /* first_flushed */
			pmap_locked[SPACE(p)] = t != NONE;
#ifndef HOLE_UNSEEN
			awaited[me] = (t == NONE -> unflushed[p] : 0)
#endif
		};
		if
		:: t == NONE -> awaited[me] == 0; break /* await_flushed */
		:: t != NONE -> table_lock(p)
		fi;
		if
		:: t != NONE -> break
		:: else
		fi
	od
}

/* pmap_table_try: t, locked, or NONE.  The pv lock of a page mapped at p is held. */
inline pmap_table_try(p)
{
	atomic { !pmap_locked[SPACE(p)] -> touch(SPACE(p)); t = UPPER(p) };
	if
	:: t == NONE
#ifndef TABLE_AFTER_PV
	:: atomic { t != NONE && PT_LOCK(t) -> t = NONE }
#endif
	:: atomic { t != NONE && !PT_LOCK(t) -> PT_LOCK(t) = true; assert(pt_leads_to(t, p)) }
	fi
}

inline link(f, p)
{
	d_step {
		wire_count[f] = 0;
		UPPER(p) = f;
		known_tables[TABLE(p)] = known_tables[TABLE(p)] | BIT(f)
	}
}

/* make_tables, table_add: t, which may be new, or NONE. */
inline make_tables(p)
{
	if
	:: UPPER(p) != NONE -> t = UPPER(p)
	:: else ->
		atomic { vm_page_alloc(t, IS_TABLE) };
		if
		:: t != NONE ->
#ifndef NAMED_TOO_EARLY
			link(t, p);
			name[t] = PT_NAME(p) /* set_name */
#else
			name[t] = PT_NAME(p);
			link(t, p)
#endif
		:: else
		fi
	fi
}

/* pmap_table_create: t, locked; NONE without memory. */
inline pmap_table_create(p)
{
	do
	:: atomic { !pmap_locked[SPACE(p)] -> touch(SPACE(p)); pmap_locked[SPACE(p)] = true };
#ifndef MADE_TOO_EARLY
		if
		:: !flushed(p) -> /* await_flushed */
			unlock(pmap_locked[SPACE(p)]);
			atomic { flushed(p) && !pmap_locked[SPACE(p)] -> pmap_locked[SPACE(p)] = true }
		:: else
		fi;
#endif
		make_tables(p);
		if
		:: t == NONE -> unlock(pmap_locked[SPACE(p)]); break
		:: else -> table_lock(p)
		fi;
		if
		:: t != NONE -> break
		:: else
		fi
	od
}

/* pmap_table_unlink: t, locked and empty. */
inline pmap_table_unlink(p)
{
#ifndef NAMED_TOO_LONG
	name[t] = NONE; /* set_name */
#endif
#ifdef UNLINK_UNLOCKED
	unlock(PT_LOCK(t));
#endif
	atomic { /* What is here is looked at without the lock, too: has_tables. */
		!pmap_locked[SPACE(p)] -> touch(SPACE(p));
		pmap_locked[SPACE(p)] = true;
#ifndef UNFLUSHED_TOO_LATE
		unflushed[p] = unflushed[p] | BIT(me)
#else
		assert(UPPER(p) == t);
		UPPER(p) = NONE
#endif
	};
	atomic {
#ifndef UNFLUSHED_TOO_LATE
		assert(UPPER(p) == t);
		UPPER(p) = NONE;
#else
		unflushed[p] = unflushed[p] | BIT(me);
#endif
		unlinked = t;
		unlock(pmap_locked[SPACE(p)])
	}
#ifdef UNLINK_UNLOCKED
	;
	lock(PT_LOCK(t))
#endif
}

inline pmap_table_unlock()
{
	unlock(PT_LOCK(t))
}

/* ---- One mapping ---- */

/* all_said(p): the pages that are mapped at place p by the reverse map: a set. */
#define said(p, f)  (MAPPED(f, p) > 0 -> BIT(f) : 0)
#define all_said(p) (said(p, 1) | said(p, 2) | said(p, 3) | said(p, 4) | said(p, 5))

#define in_table(p) (use[t] == IS_TABLE && UPPER(p) == t && PT_LOCK(t))

inline set_entry(p, m)
{
	assert(in_table(p));
	ENTRY(t, p) = m;
	known_pages[p] = known_pages[p] | BIT(m);
	HAD(0, p) = HAD(0, p) & ~BIT(m);
	HAD(1, p) = HAD(1, p) & ~BIT(m);
#if CPUS == 3
	HAD(2, p) = HAD(2, p) & ~BIT(m)
#endif
}

/* pmap_clear_pte: `keep` is 0, or KEPT. */
inline pmap_clear_pte(p, keep)
{
	d_step {
		assert(in_table(p) && ENTRY(t, p) != NONE && ENTRY(t, p) < KEPT);
		kept = (keep -> ENTRY(t, p) : NONE);
		ENTRY(t, p) = (keep -> KEPT + ENTRY(t, p) : NONE);
		wire_count[t]--;
		emptied = wire_count[t] == 0
	};
	if
	:: emptied -> emptied = false; pmap_table_unlink(p)
	:: else
	fi
}

/* pv_insert_and_set: `failed` without memory, perhaps, if m is mapped already.  With the table's
 * lock held, and the object's, nobody sees the one without the other. */
inline pv_insert_and_set(p, m)
{
	if
	:: UNMAPPED(m) -> pv_insert(m, p); set_entry(p, m)
	:: !UNMAPPED(m) && !PV_LOCK(m) -> pv_insert(m, p); set_entry(p, m)
	:: !UNMAPPED(m) -> failed = true
	fi
}

inline mapping_add(p, m)
{
	atomic {
		assert(known_pages[p] == 0 && all_said(p) == 0);
		pv_insert_and_set(p, m);
		wire_count[t] = (failed -> wire_count[t] : wire_count[t] + 1)
	}
}

inline mapping_replace(p, m)
{
	atomic { old = ENTRY(t, p); pv_insert_and_set(p, m) };
	if
	:: failed ->
		pmap_clear_pte(p, KEPT);
		tlb_batch_finish(p)
	:: else ->
		flush(p); /* tlb_batch_finish */
		atomic { pv_remove(old, p) }
	fi;
	old = NONE
}

inline enter_failed(p)
{
	if
#ifndef FAILED_LEFT
#if defined(FAILED_UNNAMED)
	:: wire_count[t] == 0 ->
#elif defined(FAILED_UNCOUNTED)
	:: pt_leads_to(t, p) ->
#else
	:: pt_leads_to(t, p) && wire_count[t] == 0 ->
#endif
		pmap_table_unlink(p);
		tlb_batch_finish(p)
#endif
	:: else
	fi
}

inline pmap_enter(p, m)
{
	pmap_table_recent(p);
	if
	:: t == NONE -> pmap_table_create(p)
	:: else
	fi;
	if
	:: t != NONE ->
		if
		:: atomic { ENTRY(t, p) == NONE -> mapping_add(p, m) }
		:: ENTRY(t, p) == m
		:: ENTRY(t, p) != NONE && ENTRY(t, p) != m -> mapping_replace(p, m)
		fi;
		if
		:: failed -> enter_failed(p); failed = false
		:: else
		fi;
		pmap_table_unlock();
#ifdef NAMED_TOO_LONG
		name[t] = (UPPER(p) != t && pt_leads_to(t, p) -> NONE : name[t]);
#endif
	:: else
	fi
}

/* pmap_remove: range_apply, table_apply, op_remove. */
inline pmap_remove(p)
{
	HAD(me, p) = known_pages[p];
	pmap_table_next(p);
	if
	:: t != NONE ->
		if
		:: ENTRY(t, p) != NONE && ENTRY(t, p) < KEPT ->
			pmap_clear_pte(p, KEPT);
			tlb_batch_finish(p)
		:: else
		fi;
		pmap_table_unlock();
#ifdef NAMED_TOO_LONG
		name[t] = (UPPER(p) != t && pt_leads_to(t, p) -> NONE : name[t]);
#endif
	:: else
	fi;
	d_step {
		assert((HAD(me, p) & (known_pages[p] | all_said(p))) == 0);
		HAD(me, p) = 0
	}
}

/* ---- From a page to its mappings ---- */

/* pv_lock_table: t, locked; NONE: look anew. */
inline pv_lock_table(m, p)
{
	pmap_table_try(p);
	if
	:: t == NONE -> unlock(PV_LOCK(m)); lock(PV_LOCK(m))
	:: else -> assert(in_table(p) && ENTRY(t, p) == m)
	fi
}

inline pv_unmap(m, p)
{
	pmap_clear_pte(p, 0);
	d_step { pv_forget(m, p) };
	tlb_batch_finish(p);
	pmap_table_unlock();
#ifdef NAMED_TOO_LONG
	name[t] = (UPPER(p) != t && pt_leads_to(t, p) -> NONE : name[t]);
#endif
}

inline pmap_remove_all(m)
{
	lock(PV_LOCK(m));
	do
	:: atomic { UNMAPPED(m) -> unlock(PV_LOCK(m)) }; break
	:: atomic {
		!UNMAPPED(m) ->
		if
		:: MAPPED(m, 0) > 0 -> p = 0
		:: MAPPED(m, 1) > 0 -> p = 1
		fi
	   };
		pv_lock_table(m, p);
		if
		:: t != NONE -> pv_unmap(m, p)
		:: else
		fi
	od
}

/* ---- The auditor ---- */

/* audit_pages, audit_page: of the table t. */
inline audit_pages(p)
{
	d_step {
		assert(in_table(p) && pt_leads_to(t, p));
		assert(wire_count[t] == (entry[2 * t] != NONE) + (entry[2 * t + 1] != NONE));
		assert(ENTRY(t, p) == NONE || MAPPED(ENTRY(t, p), p) == 1)
	};
	if
#ifndef AUDIT_EARLY
	:: atomic {
		wire_count[t] == 0 && !pmap_locked[SPACE(p)] -> /* awaited */
		assert(visitors[SPACE(p)] > 0)
	   }
#else
	:: atomic { wire_count[t] == 0 -> assert(visitors[SPACE(p)] > 0) }
#endif
	:: wire_count[t] != 0
	fi
}

inline pmap_audit(p)
{
#ifdef AUDIT_BY_NAME
	atomic { /* audit_upper */
		!pmap_locked[SPACE(p)] -> assert(UPPER(p) == NONE || pt_leads_to(UPPER(p), p))
	};
#endif
	pmap_table_next(p);
	if
	:: t != NONE -> audit_pages(p); pmap_table_unlock()
	:: else
	fi
}

/* ---- The end of space 0 ---- */

inline pmap_destroy()
{
	p = 0;
	pmap_remove(p);
	if
	:: kind != TWO_SPACES -> p = 1; pmap_remove(p)
	:: else
	fi;
#ifndef DESTROYED_UNLOCKED
	atomic { !pmap_locked[0] -> assert(no_tables(0) && all_flushed(0)) };
#endif
	destroyed = true
}

/* ---- Processors ---- */

#define may_use(s)  (!dying || (s) != 0)
#define some_place  (may_use(0) || kind == TWO_SPACES)
#define some_object !(object_locked[0] && object_locked[1])

#define has_page(o)  (page[o] != NONE && !object_locked[o])

inline use_place()
{
	if
	:: may_use(SPACE(0)) -> p = 0
	:: may_use(SPACE(1)) -> p = 1
	fi;
	users[SPACE(p)]++
}

inline lock_object()
{
	if
	:: !object_locked[0] -> o = 0
	:: !object_locked[1] -> o = 1
	fi;
	object_locked[o] = true
}

/* The first steps of processors are in order, as they are all alike. */
#define may_begin steps > 0 && me <= begun
inline begin()
{
	steps--;
	begun = (me == begun -> me + 1 : begun)
}

inline finish()
{
	p = 0;
	o = 0;
	t = NONE
}

/* A processor; it remembers the table of place 0. */
proctype processor(byte me)
{
	byte p, o, t, old, kept, unlinked, recent = 1;
	bool emptied, failed, found;

end:	do
	:: atomic { /* Page o is shown at p, and made if there is none. */
		may_begin && some_place && some_object -> begin();
		use_place();
		lock_object();
		if
		:: page[o] == NONE -> vm_page_alloc(page[o], IS_PAGE)
		:: else
		fi
	   };
		if
		:: page[o] != NONE -> pmap_enter(p, page[o])
		:: else
		fi;
		atomic { unlock(object_locked[o]); users[SPACE(p)]--; finish() }
	:: atomic { may_begin && some_place -> begin(); use_place() };
		pmap_remove(p);
		atomic { users[SPACE(p)]--; finish() }
	:: atomic { may_begin && some_place -> begin(); use_place() };
		pmap_audit(p);
		atomic { users[SPACE(p)]--; finish() }
	:: atomic { /* vm_object_page_remove */
		may_begin && (has_page(0) || has_page(1)) -> begin();
		if
		:: has_page(0) -> o = 0
		:: has_page(1) -> o = 1
		fi;
		object_locked[o] = true
	   };
		pmap_remove_all(page[o]);
		atomic {
			vm_page_free(page[o]);
			page[o] = NONE;
			unlock(object_locked[o]);
			finish()
		}
	:: atomic { may_begin && !dying && users[0] == 0 -> begin(); dying = true };
		pmap_destroy();
		finish()
	od
}

/* start: with page m of object n mapped at place n, by the table f. */
inline start(n, f, m)
{
	d_step {
		use[f] = IS_TABLE;
		name[f] = PT_NAME(n);
		wire_count[f]++;
		upper[TABLE(n)] = f;
		known_tables[TABLE(n)] = BIT(f);
		use[m] = IS_PAGE;
		page[n] = m;
		pv_insert(m, n);
		ENTRY(f, n) = m;
		known_pages[n] = BIT(m)
	}
}

init
{
	atomic {
		if
		:: kind = SAME_TABLE
		:: kind = TWO_TABLES
		:: kind = TWO_SPACES
		fi;
		if
		:: shared = false
		:: shared = true
		fi;
		start(0, 1, 2);
		if
		:: kind != SAME_TABLE -> start(1, 3, 4)
		:: else
		fi;
		run processor(0);
		run processor(1);
#if CPUS == 3
		run processor(2)
#endif
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shootdown: how processors forget translations that are not valid any more.
 *
 * To be read beside the code; what is modelled has the name of the function it models:
 *
 *	arch/x86_64/pmap.c		pmap_activate, pmap_destroy
 *	arch/x86_64/pmap_tlb.c		pcid_select, tlb_load, pmap_invalidate_range
 *	arch/x86_64/shootdown.c		ask, others, tlb_serve, forget, shootdown_leave,
 *					shootdown_interrupt
 *	arch/x86_64/context.c		context_switch
 *	kernel/base/spinlock.h		spinlock_lock
 *	arch/x86_64/include/machine/cpu.h	cpu_spin_poll
 *
 * change() is what op_remove, op_protect and mapping_replace do: an entry, flush, and then the
 * frame is free.
 *
 * Three processors, two user spaces of one page each, and the kernel's space, where no user page
 * is known.  A process is a processor; between two of its steps any other may take steps.  A
 * second process for each is its page walker: it caches a translation of the space that is loaded
 * whenever it likes, also while the kernel runs with interrupts off.
 *
 * Chosen at the start, so all are tried: tagged TLBs (PCIDs) or not, and then whether the two
 * spaces share a tag.  How many times something is changed or switched is bounded (CHANGES,
 * SWITCHES), so the run ends; everything else is done as often as one likes.
 *
 * What must hold:
 *	no access goes through a translation that was taken away once change() has freed the frame;
 *	no walker reads the tables of a space that was destroyed;
 *	nobody waits for ever (Spin: no invalid end state).
 *
 * Left out: kernel_pmap, where all processors are asked; ranges and batches, which are one page
 * here. All words that are shared are changed by locked instructions, each of which is a step
 * here, and a slot is filled before one of them, so there are no store buffers.
 *
 * Runs:
 *	-DCPUS=2 -DSTEPS=3
 *	-DCPUS=3 -DSTEPS=2
 *
 * Planted faults:
 *	ACK_BEFORE_FLUSH	assertion	a processor says it has forgotten before it has
 *	UNLOCKED_ENTRY		assertion	the entry is changed by a plain store: active is read before it is seen
 *	FREE_BEFORE_ANSWER	assertion	the frame is used anew before the others have answered
 *	ACTIVE_AFTER_LOAD	assertion	pmap_activate sets its bit when the tables are in use already
 *	LEFT_BEFORE_LOAD	assertion	pmap_activate clears the old space's bit while that is loaded
 *	NO_STALE		assertion	who takes rights away leaves no mark for tagged TLBs
 *	STALE_AFTER_LOOK	assertion	the mark is left after a look who has the space
 *	LOOK_BEFORE_ACTIVE	assertion	pcid_select looks at the mark before the bit is set
 *	NO_OWNER		assertion	pcid_select keeps what another space of the same tag has left
 *	LAZY_KEEPS		assertion	forget() ignores a space that no thread is using
 *	NO_LEAVE		assertion	a space is destroyed where it is still loaded
 *	NO_POLL			deadlock	who waits for answers does not answer
 *	SPIN_DEAF		deadlock	who waits for a lock does not answer
 *	CLEAR_AFTER_SERVE	deadlock	requests are cleared when they have been served
 *	NO_INTERRUPT		deadlock	nobody is interrupted
 */
#define SPACES 2
#define KERNEL 2 /* kernel_pmap; as a thread's space: none, any will do */


#define BIT(c) (1 << (c))
#define ALL    (BIT(CPUS) - 1)
#define FIRST(set) ((set) & 1 -> 0 : ((set) & 2 -> 1 : 2)) /* __builtin_ctz */

/* A pmap.  Its frames have numbers of their own; while one is mapped the other one is free. */
byte pte[SPACES];	 /* frame mapped, 0: none */
byte going[SPACES];	 /* the frame that is being taken away: not free yet */
bool locked[SPACES];	 /* the lock of its page table */
byte in_use[SPACES + 1]; /* active: processors that have it loaded */
byte stale[SPACES];	 /* processors that must flush when they load it */
bool dying, destroyed;	 /* space 0 */

/* A processor: struct percpu, its slot, its hardware. */
byte loaded[CPUS];	 /* loaded_pmap */
byte thread_pmap[CPUS];	 /* curthread->pmap */
byte heading[CPUS];	 /* ... of the thread that comes next */
byte requests[CPUS];
byte slot_pmap[CPUS];
byte waiting[CPUS];	 /* slot: those that have yet to forget */
byte owner[CPUS * 2];	 /* pcid_owner: by tag */
bool interrupt[CPUS];	 /* one is pending */
byte cr3[CPUS];
byte tlb[CPUS * 2];	 /* by tag: a frame, 0: nothing cached */

bool pcids, same_tag;
bool stale_access;
byte steps = STEPS, changes = 2;

#define FRAME(p, n) (2 * (p) + 1 + (n))
#define TAG(c, p)   (2 * (c) + (pcids && !same_tag -> (p) : 0))

/* ---- Hardware ---- */

/* cr3_write: load space p, and forget what is cached for its tag unless it is kept. */
inline cr3_write(p, keep)
{
	d_step {
		cr3[me] = p;
		if
		:: !pcids || (!keep && p != KERNEL) -> tlb[TAG(me, p)] = 0
		:: else
		fi;
		keep = false
	}
}

proctype walker(byte me)
{
end:	do
	:: atomic {
		cr3[me] != KERNEL && pte[cr3[me] % SPACES] != 0 && tlb[TAG(me, cr3[me])] == 0 ->
		assert(!destroyed || cr3[me] != 0); /* its tables are somebody else's now */
		tlb[TAG(me, cr3[me])] = pte[cr3[me]]
	   }
	od
}

/* ---- Answers: shootdown.c ---- */

inline flush(p)
{
	tlb[TAG(me, p)] = 0
}

inline forget(p)
{
	if
	:: p != loaded[me] /* left meanwhile: forgotten, or marked stale */
	:: p == loaded[me] && p != thread_pmap[me] ->
#ifndef LAZY_KEEPS
		pmap_activate(KERNEL)
#else
		skip
#endif
	:: p == loaded[me] && p == thread_pmap[me] -> flush(p)
	fi
}

inline tlb_serve()
{
	d_step {
		from = requests[me];
#ifndef CLEAR_AFTER_SERVE
		requests[me] = 0
#endif
	};
	do
	:: from != 0 ->
#ifdef ACK_BEFORE_FLUSH
		waiting[FIRST(from)] = waiting[FIRST(from)] & ~BIT(me);
#endif
		forget(slot_pmap[FIRST(from)]);
		d_step {
			waiting[FIRST(from)] = waiting[FIRST(from)] & ~BIT(me);
			from = from & (from - 1)
		}
	:: else -> break
	od;
#ifdef CLEAR_AFTER_SERVE
	requests[me] = 0
#endif
}

inline spinlock_lock(p)
{
	do
	:: atomic { !locked[p] -> locked[p] = true }; break
#ifndef SPIN_DEAF
	:: locked[p] && requests[me] != 0 -> tlb_serve() /* cpu_spin_poll */
#endif
	od
}

/* ---- Loading a space: pmap.c, pmap_tlb.c ---- */

inline pcid_select(p)
{
	if
	:: pcids && p != KERNEL ->
		d_step {
			keep = !(stale[p] & BIT(me));
			stale[p] = stale[p] & ~BIT(me);
#ifndef NO_OWNER
			keep = keep && owner[TAG(me, p)] == p + 1;
#endif
			owner[TAG(me, p)] = p + 1
		}
	:: else
	fi
}

inline set_active(p)
{
	in_use[p] = in_use[p] | BIT(me)
}

inline clear_active(p)
{
	in_use[p] = in_use[p] & ~BIT(me)
}

inline pmap_activate(p)
{
	if
	:: p == loaded[me]
	:: else ->
#if defined(ACTIVE_AFTER_LOAD)
		pcid_select(p);
		cr3_write(p, keep);
		set_active(p);
#elif defined(LOOK_BEFORE_ACTIVE)
		pcid_select(p);
		set_active(p);
		cr3_write(p, keep);
#elif defined(LEFT_BEFORE_LOAD)
		set_active(p);
		clear_active(loaded[me]);
		pcid_select(p);
		cr3_write(p, keep);
#else
		set_active(p);
		pcid_select(p); /* tlb_load */
		cr3_write(p, keep);
#endif
		d_step {
			clear_active(loaded[me]);
			loaded[me] = p
		}
	fi
}

/* context_switch: to a thread of space p, or to one without.  Interrupts off. */
inline context_switch(p)
{
	if
	:: p != KERNEL -> pmap_activate(p)
	:: else
	fi;
	thread_pmap[me] = p
}

/* ---- Taking rights away: pmap_tlb.c, shootdown.c ---- */

inline ask(p, set)
{
	d_step {
		slot_pmap[me] = p;
		waiting[me] = set
	};
	do
	:: set != 0 ->
		d_step {
#ifndef NO_INTERRUPT
			interrupt[FIRST(set)] = interrupt[FIRST(set)] || requests[FIRST(set)] == 0;
#endif
			requests[FIRST(set)] = requests[FIRST(set)] | BIT(me);
			set = set & (set - 1)
		}
	:: else -> break
	od;
	do
	:: waiting[me] == 0 -> break
#ifndef NO_POLL
	:: waiting[me] != 0 && requests[me] != 0 -> tlb_serve() /* cpu_spin_poll */
#endif
	od
}

inline mark_stale(p)
{
	stale[p] = (pcids -> stale[p] | (ALL & ~(in_use[p] & BIT(me))) : 0)
}

inline pmap_invalidate_range(p)
{
#if !defined(NO_STALE) && !defined(STALE_AFTER_LOOK)
	mark_stale(p);
#endif
	if
	:: in_use[p] & BIT(me) -> flush(p)
	:: else
	fi;
#ifdef UNLOCKED_ENTRY
	if
	:: pcids -> targets = in_use[p] & ~BIT(me) /* marking was a locked instruction */
	:: else
	fi;
#else
	targets = in_use[p] & ~BIT(me); /* others() */
#endif
#ifdef STALE_AFTER_LOOK
	mark_stale(p);
#endif
#ifdef FREE_BEFORE_ANSWER
	going[p] = 0;
#endif
	if
	:: targets != 0 -> ask(p, targets)
	:: else
	fi
}

#define OTHER_FRAME(p) FRAME(p, (pte[p] == FRAME(p, 0) -> 1 : 0))

/* change: the page is unmapped, or shows the other frame; the frame it had is free on return. */
inline change(p)
{
	spinlock_lock(p);
	if
	:: pte[p] != 0 ->
#ifdef UNLOCKED_ENTRY
		targets = in_use[p] & ~BIT(me);
#endif
		if
		:: d_step { going[p] = pte[p]; pte[p] = 0 }
		:: d_step { going[p] = pte[p]; pte[p] = OTHER_FRAME(p) }
		fi;
		pmap_invalidate_range(p)
	:: else
	fi;
	atomic {
		going[p] = 0;
		targets = 0;
		locked[p] = false
	}
}

/* fault: the page gets a frame (mapping_add); nobody need be told. */
inline fault(p)
{
	spinlock_lock(p);
	atomic {
		pte[p] = (pte[p] == 0 -> FRAME(p, 0) : pte[p]);
		locked[p] = false
	}
}

/* pmap_destroy: of space 0; no thread is in it or will be. */
inline pmap_destroy()
{
	if
	:: loaded[me] == 0 -> pmap_activate(KERNEL)
	:: else
	fi;
#ifndef NO_LEAVE
	targets = in_use[0] & ~BIT(me); /* shootdown_leave */
	do
	:: targets != 0 ->
		ask(0, targets);
		targets = in_use[0] & ~BIT(me)
	:: else -> break
	od;
	assert(in_use[0] == 0);
#endif
	destroyed = true
}

/* ---- Processors ---- */

#define ALL_UNUSED (UNUSED(0) && UNUSED(1) && (CPUS == 2 || UNUSED(CPUS - 1)))
#define UNUSED(c) (thread_pmap[c] != 0 && heading[c] != 0)

proctype processor(byte me)
{
	byte from, targets, space;
	bool keep;

end:	do
	:: atomic { interrupt[me] -> interrupt[me] = false };
		tlb_serve() /* shootdown_interrupt */

	/* A program: an access by what is cached that should not be; or a fault. */
	:: atomic {
		thread_pmap[me] != KERNEL && tlb[TAG(me, thread_pmap[me])] != 0 &&
		tlb[TAG(me, thread_pmap[me])] != pte[thread_pmap[me]] &&
		tlb[TAG(me, thread_pmap[me])] != going[thread_pmap[me]] ->
		stale_access = true;
		assert(!stale_access)
	   }
	:: atomic {
		thread_pmap[me] != KERNEL && pte[thread_pmap[me] % SPACES] == 0 ->
		space = thread_pmap[me]
	   };
		fault(space);
		space = 0

	/* The kernel, for somebody. */
	:: atomic { steps > 0 && changes > 0 -> steps--; changes-- };
		if
		:: !dying -> space = 0
		:: space = 1
		fi;
		change(space);
		space = 0
	:: atomic { steps > 0 -> steps-- };
		if
		:: heading[me] = KERNEL
		:: heading[me] = 1
		:: d_step { !dying -> heading[me] = 0 }
		fi;
		context_switch(heading[me])
	:: atomic {
		steps > 0 && !dying && ALL_UNUSED ->
		steps--;
		dying = true
	   };
		pmap_destroy()
	od
}

inline start(c, space, used)
{
	loaded[c] = space;
	cr3[c] = space;
	in_use[space] = in_use[space] | BIT(c);
	thread_pmap[c] = (used -> space : KERNEL);
	heading[c] = thread_pmap[c];
	owner[TAG(c, space)] = space + 1;
	run processor(c);
	run walker(c)
}

init
{
	atomic {
		if
		:: pcids = false
		:: pcids = true
		:: pcids = true; same_tag = true
		fi;
		pte[0] = FRAME(0, 0);
		pte[1] = FRAME(1, 0);
		start(0, 0, true);
		start(1, 1, true);
#if CPUS == 3
		start(2, 0, false)
#endif
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Formal model of the range states of a userptr batch, for spin.
 *
 * Processes: events of the CPU's address space (mm), threads that submit jobs
 * (submitter), the GPU (gpu), the thread that closes the handle (destroyer).
 * Functions, fields and locks have the names of the driver without the prefix
 * amdgpu_userptr_. What is modelled, what is not and why that is enough:
 * docs/design.md, "Formal model". How it is run: docs/model/run.
 *
 * Pages have no numbers. Whatever refers to a page of a range (page frame
 * number, DMA mapping, page table entry) is NONE, CUR for the page that the CPU
 * has there now, or OLD for one that was taken away. The moment in which a page is
 * taken away turns every CUR into OLD.
 *
 * The notifier lock is never held over anything that waits, so a section under it
 * is one atomic step. Every other step may be interleaved with all others.
 */

#ifndef RANGES
#define RANGES		2
#endif
#ifndef NOTIFIERS
#define NOTIFIERS	2
#endif
#ifndef EVENTS
#define EVENTS		2	/* concurrent events */
#endif
#ifndef SUBMITTERS
#define SUBMITTERS	1	/* concurrent submissions */
#endif

/* Mutants: each takes one thing out of the driver. */
#ifdef MUTANT_NO_SET_SEQ
#define SET_SEQ		0
#else
#define SET_SEQ		1
#endif
#ifdef MUTANT_ALONE_WHOLE_EVENT
#define ALONE_MASK	event_mask
#else
#define ALONE_MASK	(event_mask & NOTIFIER_MASK(n))
#endif

/* Notifier of a range: the last one has all that are left. */
#define NOTIFIER(r)	((r) < NOTIFIERS -> (r) : NOTIFIERS - 1)
#define NOTIFIER_MASK(n) \
	((n) < NOTIFIERS - 1 -> 1 << (n) : ((1 << RANGES) - 1) & ~((1 << (NOTIFIERS - 1)) - 1))
#define HAS(mask, i)	(((mask) >> (i)) & 1)

#define DIRTY	0
#define FAULTED	1
#define BOUND	2

#define NONE	0
#define CUR	1
#define OLD	2
#define KEEP	3	/* in pending: no update under way */

/* struct amdgpu_userptr_range */
byte state[RANGES];
bit dma[RANGES];
bit walk[RANGES];
bit vm_pte[RANGES];
bit vm_bind[RANGES];
bit vm_clear[RANGES];
/* struct amdgpu_userptr_ranges */
byte num[3];
bit unbound[RANGES];

/* the references to pages */
byte pfn_list[RANGES];		/* batch->dma.pfn_list */
byte dma_map[RANGES];		/* what the IOMMU has */
byte dma_address[RANGES];	/* ttm->dma_address */
byte pte[RANGES];		/* the GPU's page tables */
byte pending[RANGES];		/* updates of them that the GPU has not done yet */
bit pending_flush;		/* they wait for running jobs */

/* struct mmu_interval_notifier, struct mmu_notifier_subscriptions */
bit inserted[NOTIFIERS];
bit deferred[NOTIFIERS];	/* remove it with the end of the events */
bit hit[NOTIFIERS];		/* set_seq since the last read_begin */
bit invalidating[NOTIFIERS];	/* invalidate_seq is that of the events under way */
byte active_ranges;	/* active_invalidate_ranges */
bit odd;			/* invalidate_seq is odd */
bit walking;			/* somebody compares sequence numbers */

/* struct amdgpu_userptr_batch */
byte batch_event;		/* 0 or 1 + the process of the event */
bit fault_lock, dma_lock;
bit resv;			/* root PD and BO */
bit needs_update;		/* on vm->individual.needs_update */
bit linked;			/* the BO has a mapping in the VM */
bit closed, freed;
byte refs;			/* of the BO, by submissions */

/* jobs: one slot for each submitter */
#define QUEUED	1		/* waits for pending updates */
#define RUNNING	2
byte job[SUBMITTERS];
bit listed[SUBMITTERS];		/* the BO has the fence, too */
byte fences[EVENTS];		/* jobs that an event waits for */

byte quiet;			/* processes that changed their last */

inline lock(l)
{
	atomic { !l; l = 1 }
}

inline set_state(i, new)
{
	assert(!(new == BOUND && state[i] == DIRTY));
#ifndef MUTANT_COUNTER
	num[state[i]]--;
#else
	if
	:: state[i] == DIRTY || new == BOUND -> num[state[i]]--
	:: else
	fi;
#endif
	num[new]++;
	state[i] = new;
#ifdef MUTANT_UNBOUND
	unbound[i] = (new == DIRTY);
#else
	unbound[i] = (new != BOUND);
#endif
}

/* After each change of states: do counters and bits agree with them? */
inline check_counters()
{
	k = 0; x = 0;
	do
	:: k < RANGES -> x = x + (state[k] == BOUND);
#ifndef MUTANT_UNBOUND
		assert(unbound[k] == (state[k] != BOUND));
#endif
		k++
	:: else -> break
	od;
	assert(num[BOUND] == x && num[DIRTY] + num[FAULTED] + num[BOUND] == RANGES);
	k = 0; x = 0
}

inline vm_bo_invalidate()
{
	if
	:: linked -> needs_update = 1
	:: else
	fi
}

inline job_done(j)
{
	job[j] = 0;
	listed[j] = 0;
	k = 0;
	do
	:: k < EVENTS -> fences[k] = fences[k] & ~(1 << j); k++
	:: else -> break
	od;
	k = 0
}

#define JOBS_RUNNING	(job[0] == RUNNING || job[SUBMITTERS - 1] == RUNNING)
#define PENDING		(pending[0] != KEEP || pending[RANGES - 1] != KEEP || \
			 pending[RANGES / 2] != KEEP)

/* ---- the GPU ---- */

proctype gpu()
{
	byte k;

end:	do
	/* An update of a valid entry waits for the jobs before it, others do not. */
	:: d_step {
		PENDING && (!pending_flush || !JOBS_RUNNING) ->
		k = 0;
		do
		:: k < RANGES ->
			if
			:: pending[k] != KEEP -> pte[k] = pending[k]; pending[k] = KEEP
			:: else
			fi;
			k++
		:: else -> break
		od;
		pending_flush = 0;
		k = 0;
		do
		:: k < SUBMITTERS ->
			if
			:: job[k] == QUEUED -> job[k] = RUNNING
			:: else
			fi;
			k++
		:: else -> break
		od;
		k = 0
	   }
	/* A job may use any address of its VM at any time. */
	:: d_step {
		JOBS_RUNNING ->
		k = 0;
		do
		:: k < RANGES ->
			assert(pte[k] != OLD);	/* page taken away */
			assert(pte[k] == NONE || dma_map[k] == CUR);	/* IOMMU fault */
			k++
		:: else -> break
		od;
		k = 0
	   }
	:: d_step { job[0] == RUNNING -> job_done(0) }
#if SUBMITTERS > 1
	:: d_step { job[1] == RUNNING -> job_done(1) }
#endif
	od
}

/* ---- notifiers ---- */

inline dma_unmap(i)
{
#ifndef MUTANT_NO_UNMAP
	dma_map[i] = NONE;
#endif
	pfn_list[i] = NONE
}

/* Wait for the GPU, then unmap the ranges in mask. */
inline quiesce(mask)
{
#ifndef MUTANT_NO_WAIT
	/* dma_resv_wait_timeout: the fences that are there now */
	d_step {
		k = 0;
		do
		:: k < SUBMITTERS ->
			if
			:: job[k] -> fences[me] = fences[me] | (1 << k)
			:: else
			fi;
			k++
		:: else -> break
		od;
		k = 0
	}
	fences[me] == 0;
#endif
	/* nothing in here waits but the lock itself */
	d_step {
		!dma_lock ->
		i = 0;
		do
		:: i < RANGES ->
			if
			:: HAS(mask, i) && dma[i] -> dma_unmap(i); dma[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* Up to the end of the section under the notifier lock. */
inline invalidate_start(n)
{
	d_step {
		assert(!freed);
		stale = 0; mapped = 0; alone = 0;
		if
		:: SET_SEQ -> hit[n] = walking; invalidating[n] = 1
		:: else
		fi;
		i = 0;
		do
		:: i < RANGES ->
			if
			:: HAS(event_mask, i) && NOTIFIER(i) == n ->
				mapped = mapped || dma[i];
#ifndef MUTANT_NO_MARK
				if
				:: state[i] != DIRTY ->
					set_state(i, DIRTY);
					stale = 1;
					if
					:: !dma[i] -> pfn_list[i] = NONE
					:: else
					fi
				:: else
				fi
#endif
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		check_counters();
#ifndef MUTANT_NO_BO_INVALIDATE
		if
		:: stale -> vm_bo_invalidate()
		:: else
		fi;
#endif
		if
		:: mapped && batch_event != me + 1 ->
			if
			:: !batch_event -> batch_event = me + 1; finish = 1
			:: else -> alone = 1
			fi
		:: else
		fi;
		stale = 0; mapped = 0
	}
	if
#ifndef MUTANT_NOT_ALONE
	:: alone -> quiesce(ALONE_MASK); alone = 0
#endif
	:: else -> alone = 0
	fi
}

inline age(ref)
{
	if
	:: ref == CUR -> ref = OLD
	:: else
	fi
}

/* The callbacks have returned: the pages are taken away; then mn_itree_inv_end() */
inline take_away()
{
	d_step {
		i = 0;
		do
		:: i < RANGES ->
			if
			:: HAS(event_mask, i) ->
				assert(dma_map[i] == NONE);
				age(pfn_list[i]); age(dma_map[i]); age(dma_address[i]);
				age(pte[i]); age(pending[i])
			:: else
			fi;
			i++
		:: else -> break
		od;
		event_mask = 0;
		active_ranges--;
		if
		:: !active_ranges && odd ->
			odd = 0;
			i = 0;
			do
			:: i < NOTIFIERS ->
				invalidating[i] = 0;
				if
				:: deferred[i] -> deferred[i] = 0; inserted[i] = 0
				:: else
				fi;
				i++
			:: else -> break
			od
		:: else
		fi;
		i = 0
	}
}

/* Is a notifier of these ranges in the interval tree? */
#define HIT(n)	(inserted[n] && (event_mask & NOTIFIER_MASK(n)))

/* mn_itree_inv_start_range() */
inline event_begin(mask)
{
	atomic {
		event_mask = mask;
		active_ranges++;
		odd = odd || HIT(0) || HIT(NOTIFIERS - 1);
		goto begun
	}
}

proctype mm(byte me)
{
	byte event_mask, i, k, x;
	bit stale, mapped, alone, finish;

end:	do
#if RANGES == 1
	:: event_begin(1)
#else
	/* of two events it is enough that each pair comes once */
	:: EVENTS == 1 || me == 0 -> event_begin(1)
	:: EVENTS == 1 || me == 1 -> event_begin(2)
	:: event_begin(3)
#endif
#ifdef PROGRESS
	:: quiet++; goto stop
#endif
	od;
begun:
	if
	:: HIT(0) -> invalidate_start(0)
	:: else
	fi;
#if NOTIFIERS > 1
	if
	:: HIT(1) -> invalidate_start(1)
	:: else
	fi;
#endif
	if
	:: finish ->
		/* invalidate_finish */
		assert(!freed && batch_event == me + 1);
		quiesce(event_mask);
		atomic { batch_event = 0; finish = 0 }
	:: else
	fi;
	take_away();
	goto end;
stop:	skip
}

/* ---- faults ---- */

inline read_begin(n)
{
	atomic { hit[n] = 0; x = invalidating[n] }
	if
	:: x -> !invalidating[n]; x = 0
	:: else
	fi
}

#ifdef MUTANT_NO_RETRY
#define READ_RETRY(n)	0
#else
#define READ_RETRY(n)	hit[n]
#endif

/*
 * One pass over one window with everything. The first notifier is the one that
 * hmm_range_fault() looks at; it may start again, with a new sequence number.
 */
inline fault_pass()
{
	d_step {
		i = 0;
		do
		:: i < RANGES -> walk[i] = (state[i] == DIRTY); i++
		:: else -> break
		od;
		i = 0;
		walking = 1
	}
	read_begin(0);
#if NOTIFIERS > 1
	read_begin(1);
#endif
	do
	:: i < RANGES ->
		atomic {
			if
			:: walk[i] ->
				/* they belong to the holder of fault_lock */
				assert(!dma[i] && dma_map[i] == NONE);
				pfn_list[i] = CUR
			:: else
			fi;
			i++
		}
#ifndef MUTANT_NO_RESTART
	:: i == RANGES && hit[0] -> i = 0; read_begin(0)
#else
	:: i == RANGES && hit[0] -> read_begin(0); break
#endif
	:: i == RANGES -> break
	od;
	i = 0;
	d_step {
		do
		:: i < RANGES ->
			assert(!walk[i] || !dma[i]);
			if
			:: walk[i] && state[i] == DIRTY && !READ_RETRY(NOTIFIER(i)) ->
				set_state(i, FAULTED)
			:: else ->
				if
				:: state[i] == DIRTY -> pfn_list[i] = NONE
				:: else
				fi
			fi;
			walk[i] = 0;
			i++
		:: else -> break
		od;
		i = 0;
		walking = 0;
		hit[0] = 0;
		hit[NOTIFIERS - 1] = 0;
		check_counters()
	}
}

/* amdgpu_userptr_batch_fault */
inline batch_fault()
{
#ifdef ATOMIC_FAULT
	/* what a pass without any race does */
	if
	:: num[DIRTY] ->
		d_step {
			!invalidating[0] && !invalidating[NOTIFIERS - 1] ->
			i = 0;
			do
			:: i < RANGES ->
				if
				:: state[i] == DIRTY ->
					assert(!dma[i] && dma_map[i] == NONE);
					pfn_list[i] = CUR;
					set_state(i, FAULTED)
				:: else
				fi;
				i++
			:: else -> break
			od;
			i = 0;
			check_counters()
		}
	:: else
	fi
#else
	if
	:: num[DIRTY] ->
		lock(fault_lock);
#ifdef MUTANT_FAULT_DMA_LOCK
		lock(dma_lock);
#endif
		do
		:: num[DIRTY] -> fault_pass()
		:: !num[DIRTY] -> break
#ifdef ERRORS
		:: num[DIRTY] -> ret = 1; break		/* deadline, signal, hole */
#endif
		od;
#ifdef MUTANT_FAULT_DMA_LOCK
		dma_lock = 0;
#endif
		fault_lock = 0
	:: else
	fi
#endif
}

/* ---- page tables ---- */

inline update_begin(clear)
{
	d_step {
		!dma_lock -> dma_lock = 1;
#ifndef MUTANT_IDLE_LATE
		needs_update = 0;
#endif
		i = 0;
		do
		:: i < RANGES ->
			if
			:: unbound[i] ->
				flush = flush || vm_pte[i];
				if
				:: !clear && state[i] == FAULTED ->
					vm_bind[i] = 1;
#ifndef MUTANT_DMA_FLAG_LATE
					dma[i] = 1
#endif
				:: else ->
					if
					:: vm_pte[i] -> vm_clear[i] = 1
					:: else
					fi
				fi
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
	/* dma_lock is held all the time, which is what keeps notifiers waiting */
	atomic {
		do
		:: i < RANGES ->
			if
			:: vm_bind[i] ->
				assert(pfn_list[i] != NONE);
				if
				:: dma_map[i] == NONE -> dma_map[i] = pfn_list[i]
				:: else
				fi;
				dma_address[i] = dma_map[i]
			:: else
			fi;
			i++
#ifdef ERRORS
		:: i < RANGES && vm_bind[i] -> ret = 1; break	/* hmm_dma_map_pfn failed */
#endif
		:: i == RANGES -> break
		od;
		i = 0;
		dma_lock = 0
	}
}

inline update_end()
{
	d_step {
		i = 0;
		do
		:: i < RANGES && unbound[i] ->
			if
			:: vm_bind[i] ->
				vm_pte[i] = 1;
#ifdef MUTANT_DMA_FLAG_LATE
				dma[i] = 1;
#endif
				if
#if defined(MUTANT_END_ANY_STATE)
				:: !ret && state[i] != BOUND ->
					set_state(i, FAULTED);
					set_state(i, BOUND)
#elif defined(MUTANT_END_NO_DMA)
				:: !ret && state[i] == FAULTED ->
					set_state(i, BOUND)
#else
				:: !ret && state[i] == FAULTED && dma[i] ->
					set_state(i, BOUND)
#endif
				:: else
				fi
			:: !vm_bind[i] && vm_clear[i] && !ret -> vm_pte[i] = 0
			:: else
			fi;
			vm_bind[i] = 0;
			vm_clear[i] = 0;
			i++
		:: i < RANGES && !unbound[i] -> i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < RANGES ->
#ifdef FRESH
			if
			:: state[i] != BOUND -> dma_address[i] = NONE
			:: else
			fi;
#else
			dma_address[i] = NONE;
#endif
			i++
		:: else -> break
		od;
		i = 0;
		check_counters();
#ifdef MUTANT_IDLE_LATE
		needs_update = 0;
#endif
#ifndef MUTANT_NO_REQUEUE
		if
		:: ret -> vm_bo_invalidate()
		:: else
		fi
#endif
	}
}

/*
 * amdgpu_userptr_batch_vm_update. fresh: the mapping is new, or was changed, so the
 * ranges that are BOUND are written as well.
 */
inline vm_update(clear)
{
	if
	:: num[BOUND] == RANGES && !needs_update && !fresh -> skip
	:: else ->
		/* a second update in a row goes behind the first */
		!PENDING;
		update_begin(clear);
		do
		:: !ret && i < RANGES ->
			atomic {
				if
				:: vm_bind[i] || (fresh && !clear && state[i] == BOUND) ->
					pending[i] = dma_address[i];
					pending_flush = pending_flush || flush
				:: else ->
					if
					:: vm_clear[i] ->
						pending[i] = NONE;
						pending_flush = pending_flush || flush
					:: else
					fi
				fi;
				i++
			}
#ifdef ERRORS
		:: !ret && i < RANGES -> ret = 1	/* no memory, signal */
#endif
		:: ret || i == RANGES -> break
		od;
		update_end();
		flush = 0;
		fresh = fresh && clear
	fi
}

/* ---- amdgpu_cs_ioctl ---- */

/* What a job that is submitted now would find behind an address. */
#define WILL_BE(i)	(pending[i] != KEEP -> pending[i] : pte[i])

/* Final check and fence: one section under the notifier lock. */
inline cs_submit()
{
#ifdef MUTANT_CHECK_UNLOCKED
	if
	:: !ret && ((listing && num[BOUND] != RANGES) || needs_update) -> ret = 1
	:: else
	fi;
#endif
	d_step {
		if
		:: ret
#ifndef MUTANT_CHECK_UNLOCKED
#ifndef MUTANT_NO_VALID
		:: !ret && listing && num[BOUND] != RANGES -> ret = 1
#endif
#ifndef MUTANT_NO_NEEDS_UPDATE
		:: !ret && needs_update -> ret = 1
#endif
#endif
		:: else ->
			job[me] = (PENDING -> QUEUED : RUNNING);
			listed[me] = listing;
			i = 0;
			do
			:: i < RANGES ->
				assert(WILL_BE(i) != OLD);
				/* a job that lists the BO finds all of it */
				assert(!(listing && linked) ||
				       (WILL_BE(i) == CUR && dma_map[i] == CUR));
				i++
			:: else -> break
			od;
			i = 0
		fi
	}
}

proctype submitter(byte me)
{
	byte i, k, x;
	bit listing, flush, ret, fresh;

end:	do
	:: atomic { !closed && !job[me] -> listing = 1; refs++ }; goto begun
#ifndef PROGRESS
	:: atomic { !job[me] -> listing = 0 }; goto begun
#endif
	od;
begun:
	if
	:: listing -> batch_fault()
	:: else
	fi;
	if
	:: !ret ->
		lock(resv);
		if
		:: listing && linked ->
#ifdef FRESH
			if
			:: fresh = 1
			:: fresh = 0
			fi;
#endif
			vm_update(0)
		:: else
		fi;
		/* amdgpu_vm_handle_moved */
		do
		:: !ret && needs_update ->
			if
			:: listing -> vm_update(0)
			:: else -> vm_update(1)
			fi
		:: ret || !needs_update -> break
		od;
		cs_submit();
		resv = 0
	:: else
	fi;
#ifdef PROGRESS
	if
	:: ret && quiet == EVENTS ->
accept_again:	skip
	:: ret && quiet != EVENTS
	:: !ret
	fi;
#endif
	atomic {
		refs = refs - listing;
		listing = 0; ret = 0; flush = 0; fresh = 0
	}
	goto end
}

/* ---- the end ---- */

#ifdef DESTROY
/* mmu_interval_notifier_remove */
inline notifier_remove(n)
{
	d_step {
		if
		:: odd -> deferred[n] = 1
		:: else -> inserted[n] = 0
		fi
	}
	!inserted[n]
}

inline free_dma()
{
	d_step {
		!dma_lock ->
		i = 0;
		do
		:: i < RANGES ->
			if
			:: dma[i] -> dma_map[i] = NONE; dma[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

proctype destroyer()
{
	byte i;

#ifndef MUTANT_FREE_BUSY
	/* amdgpu_gem_object_close: the mapping goes */
	lock(resv);
	d_step { linked = 0; needs_update = 0 }
	!PENDING;
	d_step {
		i = 0;
		do
		:: i < RANGES -> pending[i] = NONE; i++
		:: else -> break
		od;
		i = 0;
		pending_flush = 1
	}
	d_step { resv = 0; closed = 1 }
	/* TTM destroys the page array when the BO is idle */
	!refs && !PENDING && !listed[0] && !listed[SUBMITTERS - 1];
#else
	lock(resv);
	d_step { linked = 0; needs_update = 0 }
	d_step { resv = 0; closed = 1 }
	!refs;
#endif
	/* amdgpu_userptr_batch_free: no DMA mapping is without a notifier */
#ifndef MUTANT_FREE_NOTIFIERS_FIRST
	free_dma();
#endif
#ifndef MUTANT_NOTIFIER_LEFT
	notifier_remove(0);
#endif
#if NOTIFIERS > 1
	notifier_remove(1);
#endif
#ifdef MUTANT_FREE_NOTIFIERS_FIRST
	free_dma();
#endif
	d_step {
		freed = 1;
		do
		:: i < RANGES ->
			assert(dma_map[i] == NONE && pte[i] == NONE);
			pfn_list[i] = NONE; dma_address[i] = NONE; state[i] = DIRTY;
			i++
		:: else -> break
		od;
		i = 0
	}
}
#endif

init {
	byte i;

	atomic {
		do
		:: i < RANGES ->
			state[i] = DIRTY; unbound[i] = 1; pending[i] = KEEP; i++
		:: else -> break
		od;
		num[DIRTY] = RANGES;
		inserted[0] = 1;
		inserted[NOTIFIERS - 1] = 1;
		linked = 1;
		run gpu();
		for (i : 0 .. EVENTS - 1) {
			run mm(i)
		}
		for (i : 0 .. SUBMITTERS - 1) {
			run submitter(i)
		}
#ifdef DESTROY
		run destroyer()
#endif
		i = 0
	}
}

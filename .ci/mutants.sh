# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Kernels broken on purpose, one change each, and the test that must notice it. Sourced by the
# suites mutants, which builds and boots them, and static, which only makes them.

amdgpu=drivers/gpu/drm/amd/amdgpu
copy=$OUT/project	# where a mutant is made
batch=/build/igt-tests/amd_userptr_batch
userq=/build/igt-tests/amd_userptr_userq
map=/build/igt-tests/amd_userptr_map
evict=/build/igt-tests/amd_userptr_evict
fixes=hooks/linux-7.3

# name; file: the end of a name amdgpu_userptr_batch*, a path below amdgpu/, or "linux" for Linux as it
# is, without fixes and hooks; sed's script, which must change the file, or "drop" for a patch that is
# left out; options of ./run; what the virtual GPU must complain of (see complained), if it can; test
# with arguments.
# A script for a patch changes added lines. If it has to change context, the context before the change
# must not be longer than that behind it, or patch takes the hunk for one at the end of the file.
mutants()
{
	# lockup_timeout as in vm/boot.sh
	local module="fw_load_type=0 dc=0 lockup_timeout=30000"
	cat <<-EOF
	mark-removed|_mn.c|s/^\t\tamdgpu_userptr_range_set_state(rs, rs->by_addr\[pos\], AMDGPU_USERPTR_DIRTY);$/;/|||$batch --run-subtest invalidate-span
	wrong-range-index|_mn.c|s/^\t\tamdgpu_userptr_range_set_state(rs, rs->by_addr\[pos\], AMDGPU_USERPTR_DIRTY);$/amdgpu_userptr_range_set_state(rs, pos, AMDGPU_USERPTR_DIRTY);/|||$batch --run-subtest invalidate-*
	invalid-entries-kept|_mn.c|s/^\tif (marked)$/\tif (!marked)/|--iommu|unmapped|$batch --run-subtest unlisted
	wait-removed|_mn.c|s/dma_resv_wait_timeout(batch->bo->parent->tbo.base.resv,/1 ?: &/|--iommu|unmapped|$batch --run-subtest busy-*
	walk-not-checked|_walk.c|s/mmu_interval_read_retry(&n->base, n->seq)/false/|||${batch}_race --run-subtest consistent-*
	final-check-missing|.c|s/^\tif (amdgpu_userptr_ranges_clean(&batch->ranges) &&$/\tif (batch \&\&/|||${batch}_race --run-subtest consistent-move-two
	no-deadline|_walk.c|s/time_after(jiffies, deadline)/false/g|||${batch}_race --run-subtest livelock-reclaim
	lost-for-ever|.c|s/^\tif (batch->lost)$/\tif (batch)/|||${batch}_inject --run-subtest forced-invalidation-for-ever
	interrupted-for-ever|_walk.c|s/(batch->created && ktime_after(ktime_get(), enough))/true/; s/if (fatal_signal_pending(current))$/if (signal_pending(current))/|||${batch}_race --run-subtest signal-*
	notifiers-leaked|.c|s/^\tamdgpu_userptr_batch_remove_notifiers(batch);$//|||$batch
	flush-missing|_vm.c|s/last && up->flush/false/||stale|$batch
	fragments-across-ranges|_vm.c|s/up->batch->ranges.starts, up->last_update/NULL, up->last_update/|||$batch
	wrong-page-of-range|_vm.c|s/flags, mapping->offset + from, 0, mem,/flags, 0, 0, mem,/|||$batch
	all-ranges-written|_vm.c|s/^\t\tif (!fresh) {$/\t\tif (false) {/; s/(fresh \&\& up->writes \&\&$/(up->writes \&\&/|||${batch}_debug --run-subtest restore-only-changed*
	dma-mapping-kept|_mn.c|s/^\t\t\tamdgpu_userptr_batch_dma_unmap(batch, r);$//|--iommu||$batch
	not-marked-dirty|_dma.c|s/^\tamdgpu_userptr_mark_dirty(batch, r);$//|||${batch}_pages --run-subtest kept-*
	bytes-not-returned|.c|s/^\tatomic64_sub(batch->accounted, &mgr->bytes);$//|||${batch}_uapi
	owner-not-checked|.c|s/^\treturn bo->userptr_batch->mm;$/\treturn current->mm;/|||${batch}_life --run-subtest inherit-*
	final-check-missing-userq|$fixes/*restore-BOs-with*|s/^+\telse if (!amdgpu_userq_userptrs_valid(rs))$/+\telse if (false)/|||${batch}_userq_race --run-subtest storm-*-sdma
	tlb-flush-by-cpu-missing|$fixes/*page-table-updates-by-the-CPU*|s/^+\tif (!fence)$/+\tif (!fence ? true : !*fence) { tlb_cb->vm = vm; amdgpu_vm_tlb_seq_cb(NULL, \&tlb_cb->cb); return; }/; s/^+\t\tfence = \&flush;$/+\t\t;/|--module-args "$module dpm=1 user_queue=1 vm_update_mode=3"|stale|$userq --run-subtest replace-bo-*
	split-leftovers|$fixes/*not-up-to-date-too*|drop|||${batch}_access --run-subtest split-*
	dpm-oops|$fixes/*no-overdrive*|drop|--module-args "$module dpm=0 user_queue=1"||$userq --run-subtest bo-first-sdma
	first-list-only|$fixes/*lock-all-BOs*|s/^+\t\t&vm->individual\.needs_update,$/+/|||$userq --run-subtest follow-one-*
	userptr-placed-too-early|$fixes/*without-pages*|s/^+\t\tif (amdgpu_ttm_tt_is_userptr(bo->tbo\.ttm)) {$/+\t\tif (false) {/|||$userq --run-subtest many-64-novalidate-sdma
	restarted-before-restore|$fixes/*restore-BOs-with*|s/^+\tret = amdgpu_userq_update_vm(rs);$/+\tret = 0;/; s/^+\telse if (!amdgpu_userq_userptrs_valid(rs))$/+\telse if (false)/||fault|${batch}_userq --run-subtest follow-dontneed-*
	restore-forgotten|$fixes/*restore-that-failed-again*|s/^+\t\tamdgpu_userq_retry_restore(uq_mgr);$/+\t\t;/|||${batch}_userq --run-subtest gone-alone-*
	stale-entries-not-waited-for|_vm.c|s/? &vm->last_update :$/? \&bo_va->last_pt_update :/|||${batch}_inflight --run-subtest unlisted-*
	clear-not-waited-for|$fixes/*what-they-still-use*|s/^ \(\tr = amdgpu_vm_clear_freed(adev, vm, \)&vm->last_update);$/-\1\&vm->last_update);\n+\1NULL);/; s/^ \(\t\treturn -EINVAL;\)$/-\1\n+\1/|||${batch}_inflight --run-subtest unmapped-*
	freed-queue-runs|$fixes/*eviction-does-not-find*|s/^+\t\tif (amdgpu_userq_stop(queue))$/+\t\tif (false)/|||$userq --run-subtest free-referenced-*
	fence-drivers-dropped|$fixes/*report-a-restore*|s/^+\t\tif (xa_alloc(&userq->fence_drv_xa, /+\t\tif (1 ?: xa_alloc(\&userq->fence_drv_xa, /|||$userq --run-subtest missing-wait-*
	unfinished-work-waited-for|$fixes/*ends-with-the-device*|s/^+\t\tamdgpu_userq_fence_driver_force_completion(queue);$/+\t\t;/|||${batch}_device --run-subtest unbind-queue-*
	mapped-late|$fixes/*mapped-late*|s/^+\t\tif (amdgpu_userq_must_restore(vm, bo_va->base\.bo))$/+\t\tif (false)/; s/^+\tdma_fence_wait(ev_fence, false);$/+\t;/|||$userq --run-subtest map-late-*
	cleared-beside-queues|$fixes/*what-they-still-use*|drop||fault|$map --run-subtest beside-*
	restored-in-reset|$fixes/*no-restore-during-a-reset*|drop||absent|${batch}_userq_reset --run-subtest reset-restoring-sdma
	restored-asleep|$fixes/*system-resume*|s/^+\tWRITE_ONCE(adev->userq_suspended, true);$/+\t;/|||${batch}_userq_reset --run-subtest sleep-devices-idle-*
	evicted-queues-resumed|$fixes/*system-resume*|s/^+\t\tif (amdgpu_userq_is_evicted(uqm))$/+\t\tif (false)/|||${batch}_userq_reset --run-subtest sleep-devices-gone-*
	moved-tables-not-flushed|$fixes/*have-moved*|drop||stale|$evict --run-subtest queue-tables-waiting-*
	linux-follow|linux|||fault|$userq --run-subtest follow-one-*
	linux-storm|linux||||$userq --run-subtest storm-dontneed-sdma
	linux-replace|linux||--module-args "$module dpm=1 user_queue=1 vm_update_mode=3"|stale|$userq --run-subtest replace-*
	linux-no-dpm|linux||--module-args "$module dpm=0 user_queue=1"||$userq --run-subtest bo-first-sdma
	linux-map-late|linux||||$userq --run-subtest map-late-changed-*
	linux-unlisted|linux||||$map --run-subtest unlisted-*
	linux-wptr|linux||||$map --run-subtest wptr-novalidate-sdma
	linux-missing|linux||||$userq --run-subtest missing-signal-*
	linux-free-referenced|linux||||$userq --run-subtest free-referenced-*
	linux-many|linux||||$userq --run-subtest many-64-novalidate-sdma
	EOF
}

# make_mutant FILE SCRIPT: a copy of the project with one change
make_mutant()
{
	local f=$amdgpu/amdgpu_userptr_batch$1
	[[ $1 != hooks/* ]] || f=$(compgen -G "$amdgpu/$1") || return
	rm -rf "$copy"
	mkdir -p "$copy"
	project_files | tar -cf - -T - | tar -xf - -C "$copy" || return
	if [ "$1" = linux ]; then
		# the uAPI header stays, libdrm and the tests are built with it
		rm -r "${copy:?}/drivers"
		sed -i '/^CONFIG_DRM_AMDGPU_USERPTR_/d' "$copy/vm/kernel/fast.config"
		return
	fi
	if [ "$2" = drop ]; then
		rm "$copy/$f"
		return
	fi
	sed -i "$2" "$copy/$f"
	if cmp -s "$copy/$f" "$f"; then
		echo "the change does not apply to $f any more"
		return 1
	fi
}

# complained WHAT LOG: did the virtual GPU, in its log, count a use of a translation that should have
# been flushed (stale), of memory that was not mapped for DMA (unmapped), an access without a valid
# page table entry (fault), or that MES was told to remove a queue that it has not (absent)?
complained()
{
	local -A counter=(
		[stale]="gmc: stale translations used"
		[unmapped]="gmc: DMA to unmapped addresses"
		[fault]="gmc: faults reported"
		[absent]="mes: absent queue removed"
	)
	grep -q "^vgpu: *[1-9][0-9]* .*${counter[$1]:?}\$" "$2"
}

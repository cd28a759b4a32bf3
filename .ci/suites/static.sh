# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sources: style, compiler and sparse warnings, kernel-doc, sizes of the uAPI. Nothing runs.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

amdgpu=drivers/gpu/drm/amd/amdgpu
mapfile -t files < <(project_files)
mapfile -t kernel_files < <(printf '%s\n' "${files[@]}" | grep "^$amdgpu/.*\.[ch]$")
mapfile -t hooks < <(printf '%s\n' "${files[@]}" | grep "^$amdgpu/hooks/.*\.patch$")
uapi=include/uapi/drm/amdgpu_drm.h

# every file says what its licence is; a patch has that of the file it changes
spdx()
{
	local f bad=0
	for f in "${files[@]}"; do
		case $f in
		LICENSE | *.patch | *.png | vgpu/tests/seeds/*) continue ;;
		esac
		head -n 5 "$f" | grep -q 'SPDX-License-Identifier: [A-Z]' || {
			echo "$f: no SPDX line"
			bad=1
		}
	done
	return $bad
}

file_length()
{
	local f lines bad=0
	for f in "${files[@]}"; do
		case $f in
		*.c | *.h | *.sh | *.py | check | run | vm/*) ;;
		*) continue ;;
		esac
		lines=$(wc -l <"$f")
		[ "$lines" -lt 900 ] || {
			echo "$f: $lines lines"
			bad=1
		}
	done
	return $bad
}

# the change to existing amdgpu files stays small, for each kernel series on its own; what
# mends upstream's own defects (fix-*.patch) is another matter
hook_lines()
{
	local dir n bad=0
	[ ${#hooks[@]} -gt 0 ] || {
		echo "no hook patches"
		return 1
	}
	while read -r dir; do
		n=$(cat "$dir"/hook-*.patch | grep -c '^[+-]\([^+-]\|$\)')
		echo "$dir: $n changed lines"
		[ "$n" -le 150 ] || bad=1
	done < <(dirname "${hooks[@]}" | sort -u)
	return $bad
}

# trace headers are written in a way of their own
trace_style=,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE,SPACING

# MACRO_ARG_REUSE and COMPLEX_MACRO cannot be met by an iterator; a hook has no commit
# message; the ioctl table's lines are as long as their neighbours; no git tree is here to
# look commits up in
checkpatch()
{
	local ignore=MACRO_ARG_REUSE,COMPLEX_MACRO,COMMIT_MESSAGE,FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID
	case $1 in
	include/*) ignore+=,LONG_LINE ;;
	*_trace.h) ignore+=$trace_style ;;
	esac
	case $1 in
	*.patch) set -- --no-signoff "$PROJECT/$1" ;;
	*) set -- -f "$PROJECT/$1" ;;
	esac
	(cd "$SRC" && scripts/checkpatch.pl --strict --terse --no-summary --ignore "$ignore" "$@")
}

# new warnings only: the file had some before us
kernel_doc()
{
	local doc=$SRC/scripts/kernel-doc
	in_tree python3 "$doc" -none -Wall "${kernel_files[@]}" || return
	in_tree python3 "$doc" -none -Wall "$SRC/$uapi" 2>&1 | grep -i userptr_batch && return 1
	return 0
}

# uAPI structs have one layout, for 32-bit programs as well
uapi_sizes()
{
	cat >"$OUT/sizes.c" <<-EOF
	#include <amdgpu_drm.h>
	#define SIZE(type, size) _Static_assert(sizeof(struct type) == size, #type)
	#define AT(type, field, offset) \
		_Static_assert(__builtin_offsetof(struct type, field) == offset, #type)
	SIZE(drm_amdgpu_gem_userptr_range, 16);
	SIZE(drm_amdgpu_gem_userptr_batch, 40);
	SIZE(drm_amdgpu_info_gem_userptr_batch, 32);
	AT(drm_amdgpu_gem_userptr_batch, ranges, 0);
	AT(drm_amdgpu_gem_userptr_batch, flags, 16);
	AT(drm_amdgpu_gem_userptr_batch, handle, 24);
	AT(drm_amdgpu_gem_userptr_batch, size, 32);
	EOF
	in_tree gcc "$1" -ffreestanding -fsyntax-only -Wall -Wextra -Wpadded -Werror=padded \
		-I"$BUILD/include/uapi/drm" -isystem /usr/include/libdrm \
		-isystem /usr/include/x86_64-linux-gnu -isystem /usr/include \
		-Wno-padded "$OUT/sizes.c"
}

# our objects once more, in a place of their own, with extra warnings and sparse; what
# comes from files that are not ours is not ours to fix
kernel_warnings()
{
	local obj=$CHECK_CACHE/obj objects=() f
	for f in "${kernel_files[@]}"; do
		case $f in
		*.c) objects+=("${f%.c}.o") ;;
		esac
	done
	mkdir -p "$obj"
	cmp -s "$KERNEL/config" "$obj/.config" || cp "$KERNEL/config" "$obj/.config"
	for f in "${objects[@]}"; do
		rm -f "$obj/$f"
	done
	in_tree nice make -s -C "$SRC" O="$obj" -j2 modules_prepare || return
	in_tree nice make -C "$SRC" O="$obj" -j2 C=1 W=1 "${objects[@]}" 2>&1 | tee "$OUT/build.log"
	[ "${PIPESTATUS[0]}" -eq 0 ] || return 1
	! grep -E "^[^ ]*($(IFS='|'; echo "${kernel_files[*]##*/}")):[0-9]+.*(warning|error)" "$OUT/build.log"
}

# a mail of the series: as checkpatch above, but now there is a message as well
checkpatch_mail()
{
	local ignore=MACRO_ARG_REUSE,COMPLEX_MACRO,FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID
	! grep -q '^+++ b/include/uapi' "$1" || ignore+=,LONG_LINE
	! grep -q '^+++ b/.*_trace\.h' "$1" || ignore+=$trace_style
	(cd "$SRC" && scripts/checkpatch.pl --strict --terse --no-summary --ignore "$ignore" "$1")
}

# what the kernel's documentation pulls out of our files is there
documentation()
{
	local page title file bad=0
	for page in "$amdgpu"/Documentation/*.rst; do
		while read -r file title; do
			[ -e "$SRC/$file" ] && grep -q "DOC: $title\$" "$SRC/$file" && continue
			echo "$page: no section \"$title\" in $file"
			bad=1
		done < <(awk '/^.. kernel-doc::/ { file = $3 } /^ *:doc:/ { sub(/^ *:doc: */, ""); print file, $0 }' "$page")
		while read -r file; do
			grep -q "kernel-doc:: .*/${file##*/}\$" "$page" || {
				echo "$page: nothing of $file"
				bad=1
			}
		done < <(grep -l '^ \* DOC:' "${kernel_files[@]}")
	done
	return $bad
}

# hooks carried over to a tree of the next series that changed nothing are the same hooks;
# what moved, what no longer fits and a number that is taken are told
port()
{
	local tree=$OUT/port/tree out=$OUT/port/out f said=$OUT/port/said
	mkdir -p "$tree"
	cp -r "$SRC.orig/files/." "$tree/"
	printf '%s\n' 'VERSION = 99' 'PATCHLEVEL = 1' >"$tree/Makefile"
	in_tree python3 vm/host/port.py . "$tree" "$out" || return
	for f in "${hooks[@]}"; do
		case $f in */"linux-$(sed -n 's/^VERSION = //p' "$SRC/Makefile").$(sed -n 's/^PATCHLEVEL = //p' "$SRC/Makefile")"/*) ;; *) continue ;; esac
		cmp "$f" "$out/$amdgpu/hooks/linux-99.1/${f##*/}" || return
	done
	[ ! -e "$out/$uapi.patch" ] || return

	sed -i '1i /* one line more */' "$tree/$amdgpu/amdgpu_vm.c"
	sed -i 's/mutex_init(&adev->notifier_lock)/lock_init(adev)/
		s/mutex_init(&adev->psp.*/something_else();/' "$tree/$amdgpu/amdgpu_device.c"
	sed -i 's/i < ttm->num_pages; ++i)/i != ttm->num_pages; ++i)/' "$tree/$amdgpu/amdgpu_ttm.c"
	sed -i '/^#define DRM_AMDGPU_PROC_OPTIONS/i #define DRM_AMDGPU_OTHER\t0x1B' "$tree/$uapi"
	if in_tree python3 vm/host/port.py . "$tree" "$out" >"$said"; then
		echo "says that all is well:"
		cat "$said"
		return 1
	fi
	cat "$said"
	grep -q 'BY HAND .*amdgpu_ttm.c: hunk 1 FAILED' "$said" &&
		grep -q 'BY HAND .*ioctl number 0x1b: .*OTHER' "$said" &&
		grep -q ' [1-9][0-9]* moved' "$said" &&
		grep -q 'no such array' "$out/$amdgpu/hooks/linux-99.1/"*.rej
}

# every subtest is documented and nothing else is
igt_docs()
{
	in_tree python3 .ci/igt_docs.py "$BUILD/igt-tests" igt-tests/*.c
}

# patches_apply PROJECT: to the kernel's files as they were
patches_apply()
{
	local linux=$OUT/linux
	rm -rf "$linux" "$linux.orig"
	cp -r "$SRC.orig/files" "$linux" && cp "$SRC/Makefile" "$linux" &&
		in_tree bash vm/host/sync-source "$1" "$linux"
}

# every mutant of the suite mutants still changes something, and the patches behind it apply
mutants_apply()
{
	local name file script bad=0
	# shellcheck source=.ci/mutants.sh
	. .ci/mutants.sh
	while IFS='|' read -r name file script _; do
		make_mutant "$file" "$script" && { [[ $file != hooks/* ]] || patches_apply "$copy"; } && continue
		echo "mutant $name"
		bad=1
	done < <(mutants)
	rm -rf "$copy" "$OUT/linux" "$OUT/linux.orig"
	return $bad
}

# the formal model: verified as it is, and wrong with any one thing taken out
model()
{
	local name mutant log
	while read -r name mutant; do
		log=$OUT/model-$name
		verdict "model${mutant:+-without} $name" "$log" in_tree docs/model/run "$name" "$log.d"
	done < <(in_tree docs/model/run --list)
}

verdict spdx "$OUT/spdx" spdx
verdict file-length "$OUT/file-length" file_length
verdict hook-lines "$OUT/hook-lines" hook_lines
# SC2034: variables that another sourced file uses; SC2054: commas inside QEMU's options
for f in "${files[@]}"; do
	head -n 3 "$f" | grep -q -E '^#!.*/(ba|da)?sh|^# shellcheck shell' || continue
	verdict "shellcheck $f" "$OUT/shellcheck-${f//\//_}" in_tree shellcheck -x -S warning -e SC2034,SC2054 "$f"
done
for f in "${kernel_files[@]}"; do
	verdict "checkpatch ${f##*/}" "$OUT/checkpatch-${f##*/}" checkpatch "$f"
done
for f in "${hooks[@]}" "$uapi.patch"; do
	verdict "checkpatch ${f##*/}" "$OUT/checkpatch-${f##*/}" checkpatch "$f"
done
verdict kernel-doc "$OUT/kernel-doc" kernel_doc
verdict uapi-sizes-64 "$OUT/uapi-64" uapi_sizes -m64
verdict uapi-sizes-32 "$OUT/uapi-32" uapi_sizes -m32
verdict kernel-warnings "$OUT/kernel-warnings" kernel_warnings
verdict igt-docs "$OUT/igt-docs" igt_docs
verdict port "$OUT/port.log" port
verdict documentation "$OUT/documentation" documentation
verdict mutants "$OUT/mutants" mutants_apply
verdict series "$OUT/series" in_tree python3 -B .ci/series_test.py
# made from the files, applied with git am, and the same files again
verdict export "$OUT/export.log" vm/export -q "$OUT/export" --signoff "Nobody <nobody@example.org>"
for f in "$OUT"/export/linux/*.patch; do
	case $f in *-cover-letter.patch) continue ;; esac
	verdict "checkpatch mail ${f##*/}" "$OUT/checkpatch-mail-${f##*/}" checkpatch_mail "$f"
done
model

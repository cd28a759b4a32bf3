# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Build every patch of an exported series on its own. Sourced by vm/export, whose directory
# for temporary files is "work"; "verify" says how much is built.
#
# Each series is applied patch by patch. For linux that is done in a repository of the touched
# files; they lie over a farm of links to the kernel source, which is what is built.
# shellcheck disable=SC2154

AMDGPU=drivers/gpu/drm/amd/amdgpu

# mails DIR: the patches of a series, without the cover letter
mails() { find "$1" -name '[0-9]*.patch' ! -name '0000-*' | LC_ALL=C sort; }

# in_repo DIR COMMAND [ARGS]: a shell command there, with a git that knows who it is
in_repo()
{
	local dir=$1 cmd=$2
	shift 2
	in_tree bash -ec 'cd "$1"; shift; cmd=$1; shift
		export GIT_AUTHOR_NAME=- GIT_AUTHOR_EMAIL=- GIT_COMMITTER_NAME=- GIT_COMMITTER_EMAIL=-
		eval "$cmd"' - "$dir" "$cmd" "$@"
}

# expand DIR: a real directory in FARM in place of the link, with links to what is in it
expand()
{
	local dir=$1
	[ "$dir" != . ] || return 0
	# outermost first: a directory below a link looks real and is the source's
	expand "$(dirname "$dir")" || return
	[ -L "$FARM/$dir" ] || [ ! -d "$FARM/$dir" ] || return 0
	rm -f "$FARM/$dir"
	mkdir "$FARM/$dir" || return
	[ ! -d "$SRC/$dir" ] || find "$SRC/$dir" -mindepth 1 -maxdepth 1 -exec ln -s -t "$FARM/$dir" {} +
}

# farm_make: FARM and REPO, with the files as they were before us. A header must not be reached
# through a linked directory from which "../" leads to the patched source: the directories of
# amd, and that of define_trace.h, are real ones.
farm_make()
{
	local f dir
	rm -rf "$FARM" "$REPO" "$TOP"/obj-*/drivers
	mkdir -p "$FARM" "$REPO" || return
	find "$SRC" -mindepth 1 -maxdepth 1 -exec ln -s -t "$FARM" {} +
	expand include/trace || return
	while IFS= read -r dir; do
		expand "$dir" || return
	done < <(cd "$SRC" && find drivers/gpu/drm/amd -type d ! -path '*/include/*')
	while IFS= read -r f; do
		expand "$(dirname "$f")" || return
		# what is written below must never reach the source
		[ "$(realpath "$FARM/$(dirname "$f")")" = "$(realpath "$FARM")/$(dirname "$f")" ] || return
		rm -f "$FARM/$f"
		[ -e "$SRC.orig/files/$f" ] || continue
		mkdir -p "$REPO/$(dirname "$f")"
		cp "$SRC.orig/files/$f" "$REPO/$f"
		cp "$SRC.orig/files/$f" "$FARM/$f"
	done <"$SRC.orig/touched"
	in_repo "$REPO" 'git init -q && git add -Af && git commit -q -m base'
}

# farm_am PATCH: apply it in REPO, bring FARM to the same state
farm_am()
{
	local f
	in_repo "$REPO" 'git am -q "$1"' "$1" || return
	while IFS= read -r f; do
		mkdir -p "$FARM/$(dirname "$f")" && rm -f "$FARM/$f" && cp "$REPO/$f" "$FARM/$f" || return
	done < <(in_repo "$REPO" 'git show --format= --name-only')
}

farm_objects() { in_tree nice make -C "$FARM" O="$OBJ" -j"$(nproc)" "$@"; }

# farm_config on|off: the fast kernel's configuration, with or without our option, in a state of
# the series that may not know all of it. Sets OBJ: one directory for each, because a change of
# the configuration makes much of what does not matter here afresh.
farm_config()
{
	OBJ=$TOP/obj-$1
	mkdir -p "$OBJ"
	cp "$work/config" "$OBJ/.config"
	[ "$1" = on ] || sed -i '/^CONFIG_DRM_AMDGPU_USERPTR=/d' "$OBJ/.config"
	farm_objects -s olddefconfig
}

# users: files that call what the last commit changes in headers; if it changes headers that were
# there before, one that includes nearly everything
users()
{
	local names
	names=$(in_repo "$REPO" 'git show --format= --diff-filter=M -U0 -- "*.h"' | sed -n 's/^[+-]//p')
	[ -n "$names" ] || return 0
	echo "$AMDGPU/amdgpu_drv.c"
	names=$(grep -oE '\bamdgpu_[a-z0-9_]+\(' <<<"$names" | tr -d '(' | sort -u | paste -sd '|')
	[ -n "$names" ] || return 0
	(cd "$FARM" && grep -lE "\<($names)\(" "$AMDGPU"/*.c)
}

# objects FILE...: what the configuration in OBJ builds of them
objects()
{
	local f
	for f; do
		case $f in
		*/amdgpu_userptr_*) grep -q '^CONFIG_DRM_AMDGPU_USERPTR=y' "$OBJ/.config" || continue ;;
		*/amdgpu_amdkfd*) grep -q '^CONFIG_HSA_AMD=y' "$OBJ/.config" || continue ;;
		*/amdgpu_hmm.c) grep -q '^CONFIG_HMM_MIRROR=y' "$OBJ/.config" || continue ;;
		*/tests/*) continue ;;
		# the rest of amd is built from there, and by no other name
		drivers/gpu/drm/amd/[!/]*/*) [ "${f#"$AMDGPU"/}" != "$f" ] || f=$AMDGPU/../${f#drivers/gpu/drm/amd/} ;;
		esac
		[ "$f" = "${f%.c}" ] || echo "${f%.c}.o"
	done | sort -u
}

# warnings FILE...: compile them once more, W=1 and sparse; prints what is said about anything,
# without numbers, because lines move
warnings()
{
	local list
	mapfile -t list < <(objects "$@")
	[ ${#list[@]} -gt 0 ] || return 0
	printf 'building %s\n' "${list[@]}" >&2
	(cd "$OBJ" && rm -f "${list[@]}")
	farm_objects -k C=1 W=1 "${list[@]}" >"$work/objects.log" 2>&1 || {
		cat "$work/objects.log" >&2
		return 1
	}
	sed -nE '/warning:|error:/ { s,^.*(drivers|include)/,\1/,; s/:[0-9]+(:[0-9]+)*:? /: /; p }' \
		"$work/objects.log" | sort -u
}

# symbols: what objects need of new ones is there
symbols()
{
	local bad
	bad=$(in_tree bash -c 'cd "$1" && ls *.o >/dev/null 2>&1 || exit 0
		comm -23 <(nm -u *.o | awk "\$1 == \"U\" && \$2 ~ /userptr_(batch|range|ranges|notifier)/ { print \$2 }" | sort -u) \
			<(nm -g --defined-only *.o | awk "NF == 3 { print \$3 }" | sort -u)' - "$OBJ/$AMDGPU")
	[ -z "$bad" ] && return
	printf 'not defined yet: %s\n' $bad
	return 1
}

# before FILE...: what existing files are warned about without us
before()
{
	# grep -f of an empty line matches everything, of no line nothing
	echo "-" >"$work/before"
	farm_config on && warnings "$@" >>"$work/before"
}

# patch_builds FILE...: the state after a patch that changes FILEs, with and without our option
# (VERIFY_OPTIONS="on off")
patch_builds()
{
	local option options new=0 files
	read -ra options <<<"${VERIFY_OPTIONS:-on off}"
	mapfile -t files < <(users; printf '%s\n' "$@")
	for option in "${options[@]}"; do
		farm_config "$option" || return
		if [ "$verify" = all ] && [ "$option" = on ]; then
			farm_objects "$AMDGPU/" || return
		fi
		warnings "${files[@]}" >"$work/warnings" && symbols || return
		! grep -vxF -f "$work/before" "$work/warnings" || new=1
	done
	[ $new = 0 ] || echo "warnings that the source did not have before"
	[ $new = 0 ]
}

progress_verify() { tail -n 1 "$CACHE/log/verify.log" | cut -c1-60; }

verify_linux()
{
	local p files patches existing
	TOP=$CACHE/verify FARM=$CACHE/verify/linux REPO=$CACHE/verify/repo
	FLAVOUR=fast
	stage verify "kernel configuration" kernel_config "$TOP/config"
	cp "$TOP/config/.config" "$work/config"
	stage verify "source before the series" farm_make
	mapfile -t existing < <(cd "$SRC.orig/files" && find . -name '*.c' | sed 's,^\./,,')
	stage verify "warnings before the series" before "${existing[@]}"

	mapfile -t patches < <(mails "$1")
	for p in "${patches[@]}"; do
		stage verify "${p##*/}: git am" farm_am "$p"
		mapfile -t files < <(in_repo "$REPO" 'git show --format= --name-only')
		stage verify "${p##*/}: build" patch_builds "${files[@]}"
	done
	rm -rf "$FARM" "$REPO"
}

verify_checkpatch()
{
	in_tree bash -c '
		cd "$1" && shift
		for p; do
			ignore=MACRO_ARG_REUSE,COMPLEX_MACRO,FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID
			! grep -q "^+++ b/include/uapi" "$p" || ignore+=,LONG_LINE
			! grep -q "^+++ b/.*_trace\.h" "$p" || ignore+=,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE,SPACING
			scripts/checkpatch.pl --strict --terse --no-summary --ignore "$ignore" "$p" || exit
		done' - "$SRC" "$@"
}

# verify_libdrm DIR SOURCE
verify_libdrm()
{
	local dir=$1 top=$CACHE/verify/libdrm p patches
	rm -rf "$top"
	mkdir -p "$top/source"
	if [ -d "$2" ]; then
		in_tree cp -r "$2/." "$top/source" && rm -rf "$top/source/.git"
	else
		in_tree tar -C "$top/source" --strip-components=1 --no-same-owner -xf "$2"
	fi || return
	in_repo "$top/source" 'git init -q && git add -Af && git commit -q -m base' || return
	mapfile -t patches < <(mails "$dir")
	for p in "${patches[@]}"; do
		in_repo "$top/source" '
			git am -q "$1"
			out=../${1##*/}.build
			meson setup "$out" --wrap-mode nodownload -Dauto_features=disabled -Damdgpu=enabled
			meson compile -C "$out"
			meson test -C "$out" --print-errorlogs' "$p" || return
	done
	rm -rf "$top"
}

# verify_all DIR LIBDRM: DIR as ./run --export has written it
verify_all()
{
	local patches
	EXTRA_RO_BINDS+=("$1")
	mkdir -p "$CACHE/verify"
	exec {verify_fd}>"$CACHE/verify/lock"
	flock -n "$verify_fd" || die $EX_USAGE "another --verify is running on this cache"
	mapfile -t patches < <(mails "$1/linux")
	stage verify "checkpatch" verify_checkpatch "${patches[@]}"
	stage verify "libdrm, each patch" verify_libdrm "$1/libdrm" "$2"
	verify_linux "$1/linux"
	say "every patch builds"
}

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Build every patch of an exported series on its own. Sourced by vm/export.
#
# Each series is applied patch by patch. For linux that is done in a repository of the touched
# files; they lie over a farm of links to the kernel source, which is what is built. "work" is
# vm/export's own directory.
# shellcheck disable=SC2154

# mails DIR: the patches of a series, without the cover letter
mails() { find "$1" -name '[0-9]*.patch' ! -name '0000-*' | LC_ALL=C sort; }

# verify_linux_source FARM REPO: the farm, with the files as they were before us
verify_linux_source()
{
	local farm=$1 repo=$2 f
	rm -rf "$farm" "$repo"
	cp -as "$SRC/" "$farm" && mkdir -p "$repo" || return
	while IFS= read -r f; do
		rm -f "$farm/$f"
		[ -e "$SRC.orig/files/$f" ] || continue
		mkdir -p "$repo/$(dirname "$f")"
		cp "$SRC.orig/files/$f" "$repo/$f"
		cp "$SRC.orig/files/$f" "$farm/$f"
	done <"$SRC.orig/touched"
	rmdir "$farm/drivers/gpu/drm/amd/amdgpu/tests" 2>/dev/null
	in_repo "$repo" 'git init -q && git add -Af && git commit -q -m base'
}

# in_repo DIR COMMAND [ARGS]: a shell command there, with a git that knows who it is
in_repo()
{
	local dir=$1 cmd=$2
	shift 2
	in_tree bash -ec 'cd "$1"; shift; cmd=$1; shift
		export GIT_AUTHOR_NAME=- GIT_AUTHOR_EMAIL=- GIT_COMMITTER_NAME=- GIT_COMMITTER_EMAIL=-
		eval "$cmd"' - "$dir" "$cmd" "$@"
}

# verify_am REPO FARM PATCH: apply one patch, bring the farm to the same state
verify_am()
{
	local repo=$1 farm=$2 f
	in_repo "$repo" 'git am -q "$1"' "$3" || return
	while IFS= read -r f; do
		if [ -e "$repo/$f" ]; then
			mkdir -p "$farm/$(dirname "$f")"
			cmp -s "$repo/$f" "$farm/$f" || cp "$repo/$f" "$farm/$f"
		fi
	done < <(in_repo "$repo" 'git show --format= --name-only')
}

# verify_make FARM OBJ ARGS...
verify_make()
{
	local farm=$1 obj=$2
	shift 2
	in_tree nice make -C "$farm" O="$obj" -j"$(nproc)" "$@"
}

# verify_config FARM OBJ off|on: the configuration of the fast kernel, in a state of the series
# that may not know all of its options
verify_config()
{
	local farm=$1 obj=$2
	mkdir -p "$obj"
	cp "$work/config" "$obj/.config.new"
	[ "$3" = on ] || sed -i '/^CONFIG_DRM_AMDGPU_USERPTR=/d' "$obj/.config.new"
	cmp -s "$obj/.config.new" "$obj/.config.asked" || cp "$obj/.config.new" "$obj/.config"
	mv "$obj/.config.new" "$obj/.config.asked"
	verify_make "$farm" "$obj" -s olddefconfig && verify_make "$farm" "$obj" -s modules_prepare
}

# verify_objects FARM OBJ FILE...: the files once more, W=1 and sparse; prints the warnings
verify_objects()
{
	local farm=$1 obj=$2 f objects=()
	shift 2
	for f; do
		case $f in
		*/tests/*) continue ;;
		*.c) objects+=("${f%.c}.o") ;;
		esac
	done
	[ ${#objects[@]} -gt 0 ] || return 0
	(cd "$obj" && rm -f "${objects[@]}")
	verify_make "$farm" "$obj" -k C=1 W=1 "${objects[@]}" >"$work/objects.log" 2>&1 || {
		cat "$work/objects.log"
		return 1
	}
	# without numbers: lines move, what is said about them does not
	grep -E 'warning:|error:' "$work/objects.log" |
		sed 's,^.*\(drivers/\|include/\),\1,; s/:[0-9]*\(:[0-9]*\)*: /: /' | sort -u
}

# verify_patch FARM OBJ FILE...: all of amdgpu, then the FILEs
verify_patch()
{
	local farm=$1 obj=$2 name new=0 dir=drivers/gpu/drm/amd/amdgpu
	shift 2
	verify_config "$farm" "$obj/on" on && verify_config "$farm" "$obj/off" off || return
	verify_make "$farm" "$obj/on" "$dir/" || return
	if in_tree nm -u "$obj/on/$dir/amdgpu.o" | grep ' amdgpu_'; then
		echo "amdgpu.o: undefined symbols of its own"
		return 1
	fi
	for name in on off; do
		verify_objects "$farm" "$obj/$name" "$@" >"$work/warnings" || {
			cat "$work/warnings"
			return 1
		}
		if grep -vxF -f "$work/warnings.base" "$work/warnings"; then
			new=1
		fi
	done
	if [ $new = 1 ]; then
		echo "warnings that the source did not have before"
		return 1
	fi
}

progress_verify() { tail -n 1 "$CACHE/log/verify.log" | cut -c1-60; }

verify_linux()
{
	local dir=$1 top=$CACHE/verify farm repo p files patches existing=()
	farm=$top/linux repo=$top/repo
	mkdir -p "$top"
	FLAVOUR=fast
	stage verify "kernel configuration" kernel_config "$top/config"
	cp "$top/config/.config" "$work/config"
	stage verify "source before the series" verify_linux_source "$farm" "$repo"

	# what the existing files are warned about without us
	mapfile -t existing < <(cd "$SRC.orig/files" && grep -xE '.*\.c' "$SRC.orig/touched" | while read -r f; do
		[ ! -e "$f" ] || echo "$f"
	done)
	: >"$work/warnings.base"
	stage verify "warnings before the series" verify_base "$farm" "$top/obj" "${existing[@]}"

	mapfile -t patches < <(mails "$dir")
	for p in "${patches[@]}"; do
		stage verify "${p##*/}: git am" verify_am "$repo" "$farm" "$p"
		mapfile -t files < <(in_repo "$repo" 'git show --format= --name-only')
		stage verify "${p##*/}: build" verify_patch "$farm" "$top/obj" "${files[@]}"
	done
	rm -rf "$farm" "$repo"
}

verify_base()
{
	local farm=$1 obj=$2 name
	shift 2
	for name in on off; do
		verify_config "$farm" "$obj/$name" "$name" &&
			verify_objects "$farm" "$obj/$name" "$@" >>"$work/warnings.base" || return
	done
	# grep -f of an empty file matches nothing, of an empty line everything
	echo "-" >>"$work/warnings.base"
}

verify_checkpatch()
{
	in_tree bash -c '
		cd "$1" && shift
		for p; do
			ignore=MACRO_ARG_REUSE,COMPLEX_MACRO,FILE_PATH_CHANGES
			! grep -q "^+++ b/include/uapi" "$p" || ignore+=,LONG_LINE
			scripts/checkpatch.pl --strict --terse --no-summary --ignore "$ignore" "$p" || exit
		done' - "$SRC" "$@"
}

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
	take_lock
	mapfile -t patches < <(mails "$1/linux")
	stage verify "checkpatch" verify_checkpatch "${patches[@]}"
	stage verify "libdrm, each patch" verify_libdrm "$1/libdrm" "$2"
	verify_linux "$1/linux"
	drop_lock
	say "every patch builds"
}

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Do the tests notice a kernel that is broken on purpose? Each mutant is one change to the
# kernel part, built and booted, and a test that must fail with it. Not among the suites that
# run by default: it builds one kernel module for each. MUTANTS="NAME..." chooses some.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

# shellcheck source=.ci/mutants.sh
. .ci/mutants.sh

# run_in DIR LOG OPTIONS COMMAND: sets vgpu_log
run_in()
{
	local options status pid
	set -f
	# options may have words in quotes
	eval "options=($3)"
	# shellcheck disable=SC2086
	"$1/run" -q --timeout 400 "${options[@]}" -- $4 </dev/null >>"$2" 2>&1 &
	pid=$!
	set +f
	wait $pid
	status=$?
	vgpu_log=$(compgen -G "$VM_LOGS/*-$pid/vgpu")
	return $status
}

chosen() { [[ -z ${MUTANTS:-} || " $MUTANTS " == *" $1 "* ]]; }

# without a change the same tests pass, or the rest says nothing
while IFS='|' read -r options complaint command; do
	name="unchanged $options ${command##*/}"
	log=$OUT/$(tr -c 'a-z0-9\n' - <<<"$name").log
	if ! run_in . "$log" "$options" "$command"; then
		fail "$name" "$log"
	elif [ -n "$complaint" ] && complained "$complaint" "$vgpu_log"; then
		fail "$name" "the virtual GPU complains ($complaint): $vgpu_log"
	else
		ok "$name"
	fi
done < <(mutants | while IFS='|' read -r name _ _ options complaint command; do
	chosen "$name" && printf '%s|%s|%s\n' "$options" "$complaint" "$command"
done | sort -u)

# a run that was lost, whose test failed, or of which the virtual GPU complained
while IFS='|' read -r name file script options complaint command; do
	log=$OUT/$name.log
	chosen "$name" || continue
	make_mutant "$file" "$script" >"$log" 2>&1 || {
		fail "$name" "$(tail -n 1 "$log")"
		continue
	}
	run_in "$copy" "$log" "$options" "$command"
	status=$?
	case $status in
	0)
		# not every complaint fails the run
		if [ -n "$complaint" ] && complained "$complaint" "$vgpu_log"; then
			ok "$name" "the virtual GPU complains ($complaint)"
		else
			fail "$name" "not noticed by $command: $log"
		fi
		;;
	2 | 24[1-7] | 77) fail "$name" "status $status: $log" ;;
	*)
		if [ -n "$complaint" ] && ! complained "$complaint" "$vgpu_log"; then
			fail "$name" "status $status, but the virtual GPU does not complain ($complaint): $vgpu_log"
			continue
		fi
		;;&
	240) ok "$name" "VM lost" ;;
	248) ok "$name" "the virtual GPU counts errors" ;;
	*) ok "$name" "${command##*/}: $(grep -om 1 'Subtest [^ ]*: FAIL\|[a-z0-9-]*: CRASH' "$log" || echo "status $status")" ;;
	esac
done < <(mutants)

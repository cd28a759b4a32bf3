# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Boot the VM, run one command in it, say how it went. Sourced after the others.
# The caller sets the VM_* variables below before vm_run.

VM_GPUS=1			# how many virtual GPUs; 0: none
VM_GPUS_MAX=4			# as many as supervise watches
VM_DRIVER=1			# 0: do not load amdgpu
# The driver's own limit for a job is 2 s, which an emulated CPU on a busy machine can miss
# although the job is done.
VM_MODULE_ARGS="fw_load_type=0 dpm=1 dc=0 user_queue=1 lockup_timeout=30000"
VM_IOMMU=0			# 1: an IOMMU in front of the GPU, in strict mode
VM_GPU_ARGS=			# more words for the virtual GPU's process
VM_SHARE=			# host directory for /share, or empty
VM_TIMEOUT=0			# seconds for the whole VM, 0: no limit
VM_SILENCE=${VM_SILENCE:-180}	# the VM is lost when nothing was heard for so many seconds
VM_TTY=0			# 1: the command gets our terminal
VM_APPEND=			# more words for the kernel's command line
VM_CPUS=2
VM_SWAP_MIB=2048		# zram swap in the guest
VM_RAM_MIB=${VM_RAM_MIB:-}	# guest memory; empty: what the machine has room for

# ram_for_guest: MiB. 10 GiB are reserved, not used: the guest takes what it touches.
ram_for_guest()
{
	local have limit used
	have=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null)
	if [[ "$limit" =~ ^[0-9]+$ ]]; then
		used=$(cat /sys/fs/cgroup/memory.current)
		limit=$(((limit - used) / 1048576))
		[ "$limit" -ge "$have" ] || have=$limit
	fi
	if [ "$have" -ge 12288 ]; then
		echo 10240
	else
		echo $((have * 3 / 4 / 256 * 256))
	fi
}

# Whether KVM works is known only by booting a guest: where /dev/kvm is itself a
# paravirtual one, guests hang without a word. Tried once per machine and kernel.
accel_probe()
{
	local answer run=$RUN_DIR key
	key=$(uname -r)
	ACCEL=tcg,thread=multi
	[ -w /dev/kvm ] || return 0
	answer=$(sed -n "s/^$key //p" "$CACHE/kvm" 2>/dev/null)
	if [ -z "$answer" ]; then
		answer=no
		qemu_args kvm 512
		QEMU+=(-append "console=ttyS0 panic=-1 vm.probe=1")
		: >"$run/kvm.report"
		in_tree "$GUEST/supervise" -t 20 -a 20 -c "$CACHE/log/kvm.log" -r "$run/kvm.report" \
			-- "${QEMU[@]}" >/dev/null 2>&1
		grep -q '^status 0' "$run/kvm.report" && answer=yes
		echo "$key $answer" >"$CACHE/kvm"
		say "KVM works here: $answer"
	fi
	[ "$answer" = yes ] && ACCEL=kvm
	return 0
}

# qemu_args ACCEL MIB: fill QEMU with what every guest has
qemu_args()
{
	QEMU=(qemu-system-x86_64 -accel "$1" -M q35 -smp "$VM_CPUS" -m "${2}M"
		-object "memory-backend-memfd,id=ram,size=${2}M,share=on,reserve=off"
		-machine memory-backend=ram -nodefaults -no-user-config -nographic -no-reboot
		-chardev stdio,id=console,signal=off -serial chardev:console
		-device pcie-root-port,id=virtio,chassis=2,slot=2
		-chardev socket,id=monitor,fd=4 -mon chardev=monitor,mode=readline
		-chardev socket,id=frames,fd=3 -object rng-random,id=rng,filename=/dev/urandom
		-kernel "$KERNEL/bzImage" -initrd "$GUEST/initramfs")
	# 5-level page tables only make every walk of an emulated CPU longer
	if [ "$1" = kvm ]; then
		QEMU+=(-cpu host)
	else
		QEMU+=(-cpu "max,la57=off")
	fi
	VIRTIO_FUNCTIONS=0
	virtio_args virtio-serial-pci
	QEMU+=(-device virtserialport,chardev=frames,name=vm.frames)
	virtio_args virtio-rng-pci,rng=rng
}

# virtio_args DEVICE: a virtio device that keeps its state while the guest sleeps. The
# guest's 9p driver has neither suspend nor resume and would hang. QEMU offers this only
# to devices behind a PCI Express port.
virtio_args()
{
	QEMU+=(-device "$1,bus=virtio,addr=0.$VIRTIO_FUNCTIONS,multifunction=on,x-pcie-pm-no-soft-reset=on")
	VIRTIO_FUNCTIONS=$((VIRTIO_FUNCTIONS + 1))
}

# share_args TAG DIR read: one host directory for the guest
share_args()
{
	QEMU+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap$([ "$3" = ro ] && echo ,readonly=on)")
	virtio_args "virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

# gpu_args N: virtual GPU N, a process and the device in QEMU that it serves. The files that
# all of them would write alike are written by the first.
gpu_args()
{
	local gpu=$1 files=() counters=counters.json port=org.amdgpu.vgpu.control bus=rp$1
	if [ "$gpu" = 0 ]; then
		files=(--write-rom "$RUN_DIR/rom" --write-firmware "$RUN_DIR/firmware")
	else
		counters=counters-$gpu.json
		port+=.$gpu
	fi
	# shellcheck disable=SC2086 # words are wanted
	write_words "$BUILD/vgpu/vgpu" --socket "$RUN_DIR/gpu$gpu" --strict \
		--control "$RUN_DIR/control$gpu" --counters "$VM_LOG/$counters" "${files[@]}" \
		$VM_GPU_ARGS >"$RUN_DIR/gpu$gpu.argv"
	if [ "$VM_IOMMU" = 0 ]; then
		# slot 2 is the virtio devices'
		QEMU+=(-device "pcie-root-port,id=$bus,chassis=$((gpu * 2 + 1)),slot=$((gpu * 2 + 1))")
	else
		# When the guest wakes from S3 it switches the IOMMU on before it numbers the buses,
		# so QEMU would look for what a device below a port has mapped by the wrong number.
		bus=pcie.0
	fi
	QEMU+=(-device "{\"driver\":\"vfio-user-pci\",\"bus\":\"$bus\",\"romfile\":\"$RUN_DIR/rom\",\"x-msg-timeout\":60000,\"socket\":{\"path\":\"$RUN_DIR/gpu$gpu\",\"type\":\"unix\"}}"
		-chardev "socket,id=control$gpu,path=$RUN_DIR/control$gpu"
		-device "virtserialport,chardev=control$gpu,name=$port")
}

# make_run_dir: sets RUN_DIR, a directory for one VM; those of killed runs are removed
make_run_dir()
{
	local d
	for d in "$CACHE"/run.*; do
		[ ! -e "$d/alive" ] || flock -n -x "$d/alive" true && rm -rf "$d"
	done
	RUN_DIR=$(mktemp -d "$CACHE/run.XXXXXX") || die $EX_SPACE "cannot write to $CACHE"
	exec {run_alive}>"$RUN_DIR/alive"
	flock -s "$run_alive"
}

write_words() { printf '%s\0' "$@"; }

# vm_run CMD...: sets VM_STATUS (what run exits with) and VM_LOG
vm_run()
{
	local append gpu supervise=() args=()

	case "$CACHE$PROJECT$VM_SHARE" in
	*[[:space:],]*) die $EX_USAGE "a path with a space or a comma cannot be shown to the VM: $CACHE, $PROJECT, $VM_SHARE" ;;
	esac
	[ -x "$TREE/usr/bin/qemu-system-x86_64" ] ||
		die $EX_QEMU "QEMU is missing: there is no $TREE/usr/bin/qemu-system-x86_64 (remove that tree, and the next run makes it anew)"
	make_run_dir
	mkdir -p "$RUN_DIR/firmware" "$CACHE/log/vm"
	VM_LOG=$CACHE/log/vm/$(date +%Y%m%d-%H%M%S)-$$
	mkdir -p "$VM_LOG"

	accel_probe
	[ -n "$VM_RAM_MIB" ] || VM_RAM_MIB=$(ram_for_guest)
	[ "$VM_RAM_MIB" -ge 1024 ] ||
		die $EX_MEMORY "a guest needs at least 1 GiB of free memory, there is room for $VM_RAM_MIB MiB"

	write_words "$@" >"$RUN_DIR/argv"
	write_words PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		"TERM=${TERM:-dumb}" LC_ALL=C.UTF-8 USER=root "VM_RAM_MIB=$VM_RAM_MIB" \
		"VM_KERNEL=$FLAVOUR" "VM_ACCEL=${ACCEL%%,*}" AMDGPU_ENABLE_USERQTEST=1 \
		IGT_AMD_ENGINE_CONTROL=/build/vgpu/vgpu-control "${VM_ENV[@]}" >"$RUN_DIR/env"
	if [ "$VM_DRIVER" = 1 ] && [ "$VM_GPUS" -gt 0 ]; then
		write_words /usr/sbin/modprobe amdgpu >"$RUN_DIR/modprobe"
	else
		: >"$RUN_DIR/modprobe"
	fi

	# also for whoever loads the module again
	echo "options amdgpu $VM_MODULE_ARGS" >"$RUN_DIR/modprobe.conf"

	# clocks of an emulated CPU are worth neither a watchdog nor a panic; a dead kernel must end the VM
	append="console=ttyS0 panic=-1 oops=panic hung_task_panic=1 tsc=unstable no_timer_check no5lvl"
	append+=" vm.cache=$CACHE vm.project=$PROJECT vm.build=$BUILD vm.kernel=$KERNEL"
	append+=" vm.swap=$VM_SWAP_MIB vm.tty=$VM_TTY vm.cwd=/root vm.gpus=$VM_GPUS"
	[ -z "$VM_SHARE" ] || append+=" vm.share=1"
	# without kernel rings the driver wants RS64 firmware (vgpu/firmware.c)
	case " $VM_MODULE_ARGS " in *" user_queue=2 "*) append+=" vm.firmware=/rs64" ;; esac
	# strict: what is unmapped is flushed before dma_unmap returns, not some time later
	[ "$VM_IOMMU" = 0 ] || append+=" intel_iommu=on iommu.strict=1 iommu.passthrough=0"

	qemu_args "$ACCEL" "$VM_RAM_MIB"
	share_args root "$TREE" ro
	share_args run "$RUN_DIR" ro
	share_args cache "$CACHE" ro
	share_args project "$PROJECT" ro
	if [ -n "$VM_SHARE" ]; then
		EXTRA_BINDS+=("$VM_SHARE")
		share_args share "$VM_SHARE" rw
	fi
	QEMU+=(-append "$append${VM_APPEND:+ $VM_APPEND}")
	# caching-mode: the guest tells of new mappings too, and QEMU passes them to the device.
	# Before the devices behind it. Virtio devices of this kind do not go through it.
	[ "$VM_IOMMU" = 0 ] || QEMU+=(-device "intel-iommu,caching-mode=on,intremap=off")
	for ((gpu = 0; gpu < VM_GPUS; gpu++)); do
		gpu_args $gpu
	done
	supervise=("$GUEST/supervise" -t "$VM_TIMEOUT" -a "$VM_SILENCE" -c "$VM_LOG/console" -r "$RUN_DIR/report")
	[ "$VM_TTY" = 0 ] || supervise+=(-i)
	printf '%q ' "${QEMU[@]}" >"$VM_LOG/qemu"
	say "$(cat "$VM_LOG/qemu")"

	args=("$VM_DIR/host/session" "$RUN_DIR" "$VM_LOG" "${supervise[@]}" -- "${QEMU[@]}")
	in_tree_exec "${args[@]}" <&0 &
	vm_pid=$!
	wait "$vm_pid"
	vm_pid=
	vm_judge
	rm -rf "$RUN_DIR"
	RUN_DIR=
}

# vm_judge: from the report to VM_STATUS, with a line for what is not the command's own doing
vm_judge()
{
	local kind text device log gpu
	read -r kind text < <(grep -v -e '^taint ' -e '^note ' "$RUN_DIR/report" 2>/dev/null)
	cp "$RUN_DIR/report" "$VM_LOG/" 2>/dev/null
	sed -n 's/^note /run: note: /p' "$RUN_DIR/report" >&2 2>/dev/null
	case $kind in
	status)
		VM_STATUS=$text
		;;
	failed)
		VM_STATUS=$EX_GPU
		say_error "$text (kernel log: $VM_LOG/console)"
		tail -n 15 "$VM_LOG/console" | sed 's/^/     | /' >&2
		;;
	qemu)
		VM_STATUS=$EX_QEMU
		say_error "QEMU does not run: $text (its words: $VM_LOG/console)"
		tail -n 5 "$VM_LOG/console" | sed 's/^/     | /' >&2
		;;
	*)
		VM_STATUS=$EX_LOST
		say_error "VM lost: ${text:-no report} (kernel log: $VM_LOG/console)"
		;;
	esac
	vm_taint "$(sed -n 's/^taint //p' "$RUN_DIR/report" 2>/dev/null)"
	for ((gpu = 0; gpu < VM_GPUS; gpu++)); do
		device=$(cat "$RUN_DIR/gpu$gpu.status" 2>/dev/null)
		[ "${device:-none}" != 0 ] || continue
		log=$VM_LOG/vgpu
		[ $gpu = 0 ] || log+=-$gpu
		say_error "the virtual GPU ended with status ${device:-none} (log: $log)"
		grep -E '^vgpu: +[0-9]+ +(error|guest)' "$log" | head -n 5 | sed 's/^/     | /' >&2
		[ "$VM_STATUS" != 0 ] || VM_STATUS=$EX_STRICT
	done
	vm_forget_old
}

say_error() { printf 'run: %s\n' "$*" >&2; }

# bits of Documentation/admin-guide/tainted-kernels.rst
vm_taint()
{
	local mask=${1:-0} said=
	[ $((mask & 1 << 7)) = 0 ] || said+=" died,"
	[ $((mask & 1 << 9)) = 0 ] || said+=" warned,"
	[ $((mask & 1 << 14)) = 0 ] || said+=" soft lockup,"
	[ $((mask & 1 << 5)) = 0 ] || said+=" bad page,"
	[ -z "$said" ] || say_error "the guest's kernel:${said%,} (kernel log: $VM_LOG/console)"
}

# keep the logs of the last 50 VMs
vm_forget_old()
{
	find "$CACHE/log/vm" -mindepth 1 -maxdepth 1 -type d | LC_ALL=C sort | head -n -50 |
		while read -r d; do rm -rf "$d"; done
}

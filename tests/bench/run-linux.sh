#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# run-linux.sh FOLDER [NAME...]
#
# The comparison bench on Linux: Debian's kernel for virtual machines, fetched into FOLDER by
# apt-get if it is not there, on the machine of tools/bench.  Prints `name.stat value unit` lines.
#
#	LINUX=FILE	another kernel
#	LEAN=0		as Debian configures it, not with all that costs time switched off
#	CPU, SHIFT	processor model (qemu64), speed of the clock (0)
#	SMP=2		two processors, side by side and in the host's time; not with SHIFT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)

# The kernel's image, unpacked from Debian's package.
fetch() (
    cd "$out"
    package=$(apt-cache depends linux-image-cloud-amd64 |
        sed -n 's/.*Depends: \(linux-image-.*\)/\1/p')
    if [ -z "$package" ]; then
        echo "run-linux: apt knows no linux-image-cloud-amd64 (apt-get update?)" >&2
        exit 1
    fi
    echo "run-linux: fetching $package" >&2
    apt-get -qq -o APT::Sandbox::User=root download "$package" >&2
    dpkg-deb --fsys-tarfile "$package"_*.deb | tar -xO --wildcards './boot/vmlinuz-*' >vmlinuz.part
    rm -f "$package"_*.deb
    mv vmlinuz.part vmlinuz
)

for tool in musl-gcc cpio qemu-system-x86_64; do
    command -v "$tool" >/dev/null || {
        echo "run-linux: no $tool: apt-get install musl-tools cpio qemu-system-x86" >&2
        exit 1
    }
done
linux=${LINUX:-$out/vmlinuz}
[ -e "$linux" ] || fetch
"$here/build.sh" "$out"

# Without mitigations, accounting, auditing and randomness: Linux at its best.
lean="mitigations=off init_on_alloc=0 cgroup_disable=memory audit=0 norandmaps nokaslr"
lean="$lean randomize_kstack_offset=off apparmor=0"
[ "${LEAN:-1}" = 1 ] || lean=
options="console=ttyS0 quiet panic=-1 transparent_hugepage=never $lean -- $*"

clock="-icount shift=${SHIFT:-0},sleep=off -accel tcg"
[ "${SMP:-1}" = 1 ] || clock="-accel tcg,thread=multi"

status=0
# shellcheck disable=SC2086 # $clock is several words
timeout -k 1 600 qemu-system-x86_64 $clock -machine pc \
    -cpu "${CPU:-qemu64}" -smp "${SMP:-1}" -m 512 -rtc base=2025-01-01T00:00:00,clock=vm -seed 1 \
    -nographic -no-reboot -nic none -monitor none -serial "file:$out/serial.log" \
    -kernel "$linux" -initrd "$out/initrd.cpio" -append "$options" \
    </dev/null >"$out/qemu.log" 2>&1 || status=$?
tr -d '\r' <"$out/serial.log" | grep -aE '^[a-z_0-9]+(\.[a-z0-9]+)? [^ ]+ [^ ]+$' || true
if [ "$status" -ne 0 ] || ! grep -aq '^bench_done' "$out/serial.log"; then
    echo "run-linux: it did not come to an end (status $status): $out/serial.log, $out/qemu.log" >&2
    exit 1
fi

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# build.sh FOLDER: build the comparison bench, a tiny program for exec, the first process, and
# Linux's initial file system of them, initrd.cpio.  Needs gcc, musl-gcc and cpio.
set -eu
src=$(cd "$(dirname "$0")" && pwd)
out=$1
rm -rf "$out/rootfs"
mkdir -p "$out/rootfs/dev"

musl-gcc -static -s -O2 -Wall -Wextra -Wno-unused-result -o "$out/rootfs/bench" "$src"/*.c
gcc -nostdlib -static -s -o "$out/rootfs/tiny" "$src/tiny.S"
gcc -nostdlib -static -s -o "$out/rootfs/init" "$src/init.S"
(cd "$out/rootfs" && find . | sort | cpio --quiet -o -H newc --reproducible) >"$out/initrd.cpio"

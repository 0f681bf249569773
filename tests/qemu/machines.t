#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Machines Pagoda runs on, from small to large, and machines it refuses in one clear line."""

import os
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

SIZES = (  # way of booting, memory, processors
    ("kernel", "32M", 1),
    ("iso", "32M", 1),
    ("uefi", "128M", 1),
    ("kernel", "16G", 1),
    ("iso", "16G", 1),
    ("kernel", "256M", 4),
)


def runs(how, mem, smp):
    result = machine.boot(how=how, mem=mem, smp=smp, cmdline=machine.run_cmdline("bin/hello", []))
    name = f"{how}, {mem}, {smp} processors: a program runs"
    tap.ok(result.kind == "done" and result.status == 0, name, result.report())


def refuses(name, words, **options):
    result = machine.boot(timeout=30, **options)
    log = result.serial.splitlines()
    ended = tap.equal(result.kind, "panic", f"{name}: the machine halts", result.report())
    said = ended and any(words in line for line in log)
    tap.ok(said, f"{name}: and says why", f"no {words!r} in\n{result.report()}")


for way, memory, processors in SIZES:
    runs(way, memory, processors)

refuses("a processor without long mode", "long mode", extra=("-cpu", "qemu32"))
refuses("a processor without no-execute", "NX", extra=("-cpu", "qemu64,-nx"))
refuses("8 MiB of memory", "too little", mem="8M")
with tempfile.NamedTemporaryFile() as archive:
    archive.write(b"no archive at all " * 100)
    archive.flush()
    refuses("a damaged archive", "archive is damaged", archive=archive.name)
refuses("a program that is not there", "has no bin/nothing", cmdline="run=bin/nothing")
refuses("no archive", "no archive", modules=False)
tap.done()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What processors have that QEMU's emulation lacks: x2APIC and PCIDs.  Interrupts between them,
shootdowns, the timer and switches of address spaces, on 1, 2 and 4 processors of Bochs, and on some
that have neither."""

import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import bochs
import machine
import tap

X2APIC, XAPIC = "^apic: number 0, x2APIC$", "^apic: number 0, xAPIC$"
TAGS, NO_TAGS = r"^pmap: address spaces have tags \(PCIDs\)$", "^pmap: address spaces have no tags$"
WITHOUT = "core2_penryn_t9600"  # a processor that has neither

TIMEOUT = 240  # seconds; the longest takes 25 on an idle host

# Processors, a program of the archive, and which of its tests, if not all.
PROGRAMS = (
    (4, "tests/smp", "PRT-11", "DEL-03", "FRK-01", "get their share", "where it may", "wake-up"),
    (2, "tests/smp", "PRT-11", "INH-04", "a process ends"),
    (2, "tests/proc", "exceptions", "wild", "a spinning", "a sleeping", "console", "deadline"),
    (4, "tests/sched"),
    (1, "tests/cow"),
    (1, "tests/cpus"),
    (2, "tests/cpus"),
    (4, "tests/cpus"),
)
TORTURE_SECONDS = 15  # of the machine's time
SEED = int(os.environ.get("SEED", time.time_ns() // 1000 % 1_000_000))


def on(smp):
    return f"{smp} processor{'s' if smp > 1 else ''} of Bochs"


def boot(smp, words, **options):
    return bochs.boot(cmdline=words, smp=smp, timeout=TIMEOUT, **options)


def says(name, result, *lines):
    for line in lines:
        tap.ok(re.search(line, result.serial, re.M), f"{name}: the log says {line}",
               result.report())  # fmt: skip


def features(name, result, smp):
    says(name, result, X2APIC, TAGS, f"^smp: {smp} of {smp} processors$")


def ended(name, result, status=0):
    good = result.kind == "done" and result.status == status
    tap.ok(good, f"{name}: ends with {status}", f"status {result.status}\n{result.report()}")


def program(run):
    smp, name, *tests = run
    return run, boot(smp, machine.run_cmdline(name, tests))


def judge(run, result):
    """One result for each test of the program, which speaks TAP; there are as many as planned."""
    smp, path, *_ = run
    name = f"{path} on {on(smp)}"
    features(name, result, smp)
    verdicts = re.findall(r"^(ok|not ok) \d+ - (.*)$", result.serial, re.M)
    for verdict, test in verdicts:
        tap.ok(verdict == "ok", f"{name}: {test}", result.report())
    planned = re.search(r"^1\.\.([1-9]\d*)$", result.serial, re.M)
    tap.equal(len(verdicts), int(planned[1]) if planned else "a plan", f"{name}: all its tests ran")
    ended(name, result)


def torture():
    words = machine.run_cmdline("bin/torture", [str(TORTURE_SECONDS), str(SEED)])
    return boot(4, words)


def without():
    return boot(2, "run=tests/cpus", model=WITHOUT)


def off_while_busy():
    """The one that ends the machine stops the others, which are in the midst of something."""
    return boot(4, machine.run_cmdline("bin/busy", ["off"]))


def panic_while_busy():
    return boot(4, machine.run_cmdline("bin/busy", ["assert"]))


def absent():
    return boot(2, "debug.absent=99 run=tests/cpus")


def judge_panic(result):
    """Non-maskable interrupts: the others are stopped by them, and each reports."""
    name = f"a kernel's fault while {on(4)} are busy"
    tap.equal(result.kind, "panic", f"{name}: it panics", result.report())
    features(name, result, 4)
    reports = re.split(r"^  processor (\d), .*\n", result.serial, flags=re.M)
    tap.equal(sorted(reports[1::2]), list("0123"), f"{name}: all report", result.serial)
    for number, report in zip(reports[3::2], reports[4::2]):
        tap.contains(report, "--- non-maskable interrupt at", f"{name}: {number} was stopped")


try:
    bochs.folder()
except machine.MachineError as error:
    tap.ok(False, "Bochs is there", error)
    tap.done()
with ThreadPoolExecutor(max_workers=int(os.environ.get("JOBS", "1"))) as pool:
    tortured = pool.submit(torture)
    others = [pool.submit(f) for f in (off_while_busy, without)]
    if machine.is_debug_build():
        others += [pool.submit(f) for f in (panic_while_busy, absent)]
    for finished in pool.map(program, PROGRAMS):
        judge(*finished)
    features("torture", tortured.result(), 4)
    ended(f"torture, {TORTURE_SECONDS} s on {on(4)}, seed {SEED}", tortured.result())
    features("switched off while busy", others[0].result(), 4)
    ended(f"switched off while {on(4)} are busy", others[0].result(), 7)
    says("processors with neither", others[1].result(), XAPIC, NO_TAGS, "^smp: 2 of 2 processors$")
    ended("processors with neither", others[1].result())
    if machine.is_debug_build():
        judge_panic(others[2].result())
        says("one does not answer", others[3].result(), X2APIC,
             "^smp: the processor with APIC 99 does not answer$", "^smp: 2 of 2 ")  # fmt: skip
        ended("one does not answer", others[3].result())
tap.done()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""User programs with rare things made common: frames from all over memory, all of it poisoned,
caches, batches and turns as small as they can be, stacks that grow two pages at a time."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

# See docs/running.md.
SWITCHES = "debug.poison debug.frames=scattered debug.small vm.sgrowsiz=8K vm.stack_guard_pages=1"
TOOK = "debug: poison everywhere, frames scattered, limits small"
PROGRAMS = (
    "failalloc", "map", "cow", "stack", "growth", "protect", "wire", "thread", "sched", "proc",
    "elf", "badargs", "lib",
)  # fmt: skip


def run(program):
    words = f"{SWITCHES} {machine.run_cmdline(f'tests/{program}', [])}"
    return program, machine.boot(cmdline=words, mem="256M", timeout=120)


def judge(program, result):
    """One result for each test of the program, which speaks TAP itself."""
    name = f"{program}, rare things being common"
    if result.kind != "done":
        tap.ok(False, f"{name}: it ends", f"{result.text}\n{result.report()}")
        return
    tap.contains(result.serial, TOOK, f"{name}: the switches are on")
    for verdict, test in re.findall(r"^(ok|not ok) \d+ - (.*)$", result.text, re.M):
        tap.ok(verdict == "ok", f"{name}: {test}", result.text)
    tap.equal(result.status, 0, f"{name}: its status")


if machine.is_debug_build():
    with ThreadPoolExecutor(max_workers=2) as pool:
        for finished in pool.map(run, PROGRAMS):
            judge(*finished)
else:
    tap.skip("rare things made common", "only debug kernels have the switches")
tap.done()

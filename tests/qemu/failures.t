#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What fails explains itself: faults of programs end only them, faults of the kernel say where."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

WHO = r"fault: process \d+ \(faults\), thread \d+: "
REGION = r"0x[0-9a-f]+-0x[0-9a-f]+ [r-][w-][x-] max [r-][w-][x-]"
HERE = rf"^  here  {REGION}"
BELOW, ABOVE = rf"^  below {REGION}.*lower$", rf"^  above {REGION}.*higher$"

# What `faults KIND` says: the reason on the first line, and lines that follow it in this order.
USER = {
    "null": ("write to 0, which is not mapped", ABOVE),
    "unmapped": ("write to 0x[0-9a-f]+, which is not mapped", BELOW, ABOVE),
    "readonly": ("write to 0x[0-9a-f]+, which is in a read-only region", BELOW, HERE, ABOVE),
    "exec": ("execution of 0x[0-9a-f]+, which is in a region that is not executable", HERE),
    "kernel": ("write to 0xffffffff80000000, which is outside user space",),
    "canonical": ("general protection fault: .*", "0x8000000000000000 is no canonical address"),
    "guard": ("write to 0x[0-9a-f]+, which is in a guard", HERE + " guard$"),
    "stack-guard": (
        "write to 0x[0-9a-f]+, which is in the guard of a stack",
        HERE + " stack gap$", ABOVE.replace(".*", " stack, begins .*"),
    ),
    "overflow": ("write to 0x[0-9a-f]+, which is below the main stack, beyond its limit", HERE),
    "object": ("write to 0x[0-9a-f]+, which is beyond the end of its object", HERE),
    "ud2": ("invalid opcode",),
    "div0": ("divide error",),
    "int3": ("breakpoint",),
    "cli": ("general protection fault: a privileged instruction.*",),
    "port": ("general protection fault: .*an I/O port.*",),
}  # fmt: skip
LAST = (r"^  rip   0x[0-9a-f]+, in reg", r"^trap \d+:", r"^rax [0-9a-f]{16}", r"cr2 [0-9a-f]{16}")


def trace(*functions):
    """A backtrace: these functions, in this order, each a line of its own, others between them."""
    return r"(?s:.*?)".join(rf"^  #\d+ +0x[0-9a-f]+ {f}\+0x[0-9a-f]+$" for f in functions)


def fault(function, caller="start"):
    """A backtrace from the report through the trap to the function at fault and its callers."""
    return trace("trap_dispatch") + r"\n  --- .* at kernel rip .*\n" + trace(function, caller)


# debug.fault=NAME: how the run ends, and what the log says of it, in this order.
KERNEL = {
    "null": ("kernel write, not present", "^0 is in user space",
             "^panic: a wild access of the kernel", fault("fault_null")),
    "wild": ("is in kernel_map", "^  below 0x", "level 4 ", "^panic: .*could not be served",
             fault("fault_wild")),
    "text": ("kernel write, protection", "is in the kernel's text", "level 1 .* -r--", "^panic: ",
             fault("fault_text")),
    "exec": ("kernel fetch, protection", "is in the kernel's data", "^panic: ",
             fault("fault_exec")),
    "canonical": ("^trap 13", "0x8000000000000000 is no canonical address",
                  "^panic: general protection fault in the kernel", fault("fault_canonical")),
    "stack": ("^trap 8", r"^panic: kernel stack overflow: thread \d+ \(start\)",
              trace("recurse", "recurse", "fault_stack", "debug_fault", "start")),
    "assert": ("^panic: .*two and two are 4$", "^cr0 .* cr2 ",
               trace("fault_assert", "debug_fault", "start")),
    "ubsan": (r"^panic: .*undefined behaviour: 0x7fffffff \+ 0x1 overflows 'int'",
              trace("fault_ubsan", "debug_fault")),
    "relock": (r'^panic: deadlock: "twice" wanted at fault_relock\+\S+ .* taken at fault_relock\+',
               trace("fault_relock", "debug_fault")),
    "order": (r'^panic: lock order: "first" .* at fault_order.* "second" .* taken at fault_order',
              '^  holds "second"', trace("fault_order", "debug_fault")),
    "sleep": ('^panic: sleepq_wait with "held asleep"', trace("fault_sleep", "debug_fault")),
    "freed": (r"^panic: .*zone kmalloc 64: free object \S+ was written to at \+8: 0x1",
              trace("fault_freed", "debug_fault")),
    "freed-frame debug.poison": (
        r"^panic: .* free frame 0x[0-9a-f]+ was written to at \+0x320: 0x1",
        trace("fault_freed_frame", "debug_fault"),
    ),
    "free-twice": (r"^panic: .*zone kmalloc 64: \S+ is freed twice",
                   trace("fault_free_twice", "debug_fault")),
}  # fmt: skip

ELSEWHERE = r'^  thread \d+ "elsewhere"'
FIRST = r"^  #0 +0x[0-9a-f]+ "  # of another backtrace

# Likewise on two processors: what is wrong on one, and what the other one has to say.
SEVERAL = {
    "null debug.cpu=1": ("^panic: a wild access", "^  processor 1, ", fault("fault_null"),
                         "^  processor 0, ", FIRST),
    "stack debug.cpu=1": ("^panic: kernel stack overflow", "^  processor 1, ",
                          r"\n  --- double fault at kernel rip", trace("recurse", "fault_stack"),
                          "^  processor 0, ", FIRST),
    "order debug.cpu=1": ('^panic: lock order: "first" .* while "second"', "^  processor 1, ",
                          '^  holds "second"', trace("fault_order"), "^  processor 0, ", FIRST),
    "cross": ('^panic: lock order: "second" .* at fault_cross.* "third" .* taken at fault_cross',
              "^  processor 0, ", '^  holds "third"', trace("fault_cross"),
              "^  processor 1, ", ELSEWHERE, '^  holds "second" .* taken at hold_second',
              trace("hold_second")),
    "held lock.hold_us=20000": (
        r'^panic: spinlock "first" was held for \d{6} us, taken at fault_held\+\S+, released at '
        r"fault_held\+\S+; lock.hold_us allows 20000$", trace("fault_held")),
    "stuck lock.hold_us=100000": (
        r'^panic: spinlock "first" \S+ is not released by processor 1$', "^  processor 0, ",
        '^  waits for "first" .* wanted at fault_stuck', trace("spinlock_wait", "fault_stuck"),
        "^  processor 1, ", ELSEWHERE, '^  holds "first" .* taken at keep_first',
        trace("keep_first")),
    "deaf lock.hold_us=100000": (
        r"^panic: processor 1 does not answer a shootdown of 0x[0-9a-f]+-0x[0-9a-f]+$",
        "^  processor 0, ", '^  holds "page table"', trace("pmap_shootdown", "fault_deaf"),
        "^  processor 1, ", ELSEWHERE, trace("be_deaf")),
    "mute": ("^panic: processor 1 does not answer$", "^panic: one of us is mute$",
             "^  processor 0, ", trace("fault_mute"), "^  processor 1, of which nothing is heard$",
             ELSEWHERE, '^  holds "first" .* taken at be_mute', '^  thread \\d+ "reaper"'),
}  # fmt: skip
MUTE_SECONDS = 15  # a mute processor is waited for, but not for long

LOOP_SECONDS = 10


def check(name, text, patterns):
    """One result: the patterns occur in the text in this order."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(text, at)
        if not found:
            return tap.ok(False, name, f"no {pattern!r} behind character {at} of\n{text}")
        at = found.end()
    return tap.ok(True, name)


def programs():
    """Each kind of fault at one prompt: it ends the program, and nothing else."""
    with machine.Machine(timeout=90) as m:
        m.expect(r"^\S*[$>#] ")
        for kind, (reason, *lines) in USER.items():
            before = len(m.serial.text())
            m.send(f"faults {kind}\r")
            m.expect(r"^\S*[$>#] ", timeout=20)
            said = m.serial.text()[before:]
            check(f"a program's fault: {kind}", said, [WHO + reason + "$", *lines, *LAST])
        m.send("hello\r")
        tap.ok(m.expect("[Hh]ello", timeout=20), "other programs go on", m.serial.text())


def boot(name, timeout=60, smp=None):
    words = f"run=bin/hello debug.fault={name}"
    return name, machine.boot(cmdline=words, timeout=timeout, smp=smp)


def boot_two(name):
    return boot(name, smp=2)


def panics(pool):
    for name, result in pool.map(boot, KERNEL):
        tap.equal(result.kind, "panic", f"a kernel's fault: {name}: it panics", result.report())
        check(f"a kernel's fault: {name}: it says why", result.serial, KERNEL[name])
    for name, result in pool.map(boot_two, SEVERAL):
        words = f"a kernel's fault on two processors: {name}"
        tap.equal(result.kind, "panic", f"{words}: it panics", result.report())
        check(f"{words}: it says why, of both", result.serial, SEVERAL[name])
        if name == "mute":
            tap.ok(result.seconds < MUTE_SECONDS, f"{words}: it is not waited for",
                   f"{result.seconds} s")  # fmt: skip


def in_a_call():
    """A fault inside a system call: the report names the process's regions and the call."""
    result = machine.boot(cmdline="run=bin/crash -- user")
    tap.equal(result.kind, "panic", "a kernel's fault in a call: it panics", result.report())
    check("a kernel's fault in a call: the regions and the call are named", result.serial,
          ("kernel write, protection", "is in user space", HERE + " stack$", "level 1 .*u",
           "^panic: a wild access of the kernel", fault("fault_user", "sys_debug"),
           r"\n  --- system call 0x103d\(0x3, .*\) at user rip"))  # fmt: skip


def busy():
    """A fault in a call while programs are busy everywhere: each processor says what it did."""
    name = "a kernel's fault while four processors are busy"
    result = machine.boot(cmdline=machine.run_cmdline("bin/busy", ["assert"]), smp=4)
    tap.equal(result.kind, "panic", f"{name}: it panics", result.report())
    reports = re.split(r"^  processor (\d), .*\n", result.serial, flags=re.M)
    tap.equal(sorted(reports[1::2]), list("0123"), f"{name}: all report", result.serial)
    tap.ok("fault_assert+" in reports[2], f"{name}: the one at fault first", result.serial)
    for report in reports[4::2]:
        check(f"{name}: a stopped one, through the interrupt that stopped it", report,
              [r'^  thread \d+ "', r"^  #0 +0x\w+ trap_dispatch_paranoid",
               r"^  --- non-maskable interrupt at (user|kernel) rip 0x"])  # fmt: skip


def triple_fault(cpu, **options):
    """What leaves nothing but QEMU's log."""
    name = f"a triple fault of processor {cpu}"
    result = boot(f"triple debug.cpu={cpu}", **options)[1]
    tap.equal(result.kind, "triple-fault", f"{name} is seen as one", result.report())
    said = "\n".join(result.diagnosis)
    check(f"{name}: its first fault is named", said,
          ["first fault: vector 13 ", f"  on processor {cpu}$", r"rip \S+ fault_triple\+"])


def endless_loop(cpu, result):
    name = f"a loop of processor {cpu} with interrupts off"
    tap.equal(result.kind, "timeout", f"{name}: the time limit ends it", result.report())
    said = "\n".join(result.diagnosis)
    check(f"{name}: where the processor is", said, [rf"processor {cpu} is at \S+ fault_loop\+"])
    check(f"{name}: the kernel says it too", result.serial,
          ["^panic: non-maskable interrupt", "  --- .* at kernel rip",
           trace("fault_loop", "start")])  # fmt: skip


def waiting(result):
    name = "a program that waits for ever"
    tap.equal(result.kind, "timeout", f"{name}: the time limit ends it", result.report())
    check(f"{name}: what its threads wait for", result.serial,
          ["^panic: non-maskable interrupt",
           r'^  thread \d+ "sh" of process \d+ sleeps: '])  # fmt: skip


def kernel():
    with ThreadPoolExecutor(max_workers=3) as pool:
        loop = pool.submit(boot, "loop", LOOP_SECONDS)
        loop_of_two = pool.submit(boot, "loop debug.cpu=1", LOOP_SECONDS, 2)
        idle = pool.submit(machine.boot, cmdline="run=bin/sh", timeout=LOOP_SECONDS)
        panics(pool)
        in_a_call()
        busy()
        triple_fault(0)
        triple_fault(2, smp=4)
        endless_loop(0, loop.result()[1])
        endless_loop(1, loop_of_two.result()[1])
        waiting(idle.result())
    result = boot("nonsense")[1]
    check("an unknown name is refused with a list", result.serial, ["there are null", "cannot"])


def release():
    result = boot("null")[1]
    tap.equal(result.status, 0, "a release kernel does no faults on purpose", result.report())
    tap.contains(result.serial, "option debug.fault needs a debug kernel", "and says so")


programs()
if machine.is_debug_build():
    kernel()
else:
    release()
tap.done()

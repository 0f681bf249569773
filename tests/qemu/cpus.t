#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""All processors come up and run threads: 1 to 16 of them, more than there is room for, some that
are not there or do not answer; and fifty times in a row.  They stop when the machine ends."""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

MOST = 16  # MACHINE_MAX_CPUS
BOOTS = 50
OFFS = 10


def boot(name, expected, says=(), cmdline="", **options):
    """One boot: so many processors run a thread each, and these lines are in the log."""
    words = f"{cmdline} run=tests/cpus".strip()
    result = machine.boot(cmdline=words, timeout=90, **options)
    hint = f"{result.text}\n{result.report()}"
    good = tap.ok(result.status == 0, f"{name}: threads run on all", hint)
    found = re.search(r"^# processors: (\d+)$", result.text, re.M)
    good = tap.equal(int(found[1]) if found else 0, expected, f"{name}: so many", hint) and good
    for line in says:
        good = tap.ok(re.search(line, result.serial, re.M), f"{name}: the log says so",
                      f"no {line!r}\n{hint}") and good  # fmt: skip
    return good


def sizes():
    for smp in range(1, MOST + 1):
        boot(f"{smp} processors", smp, [rf"^smp: {smp} of {smp} processors$"], smp=smp)
    boot("20 processors", MOST, smp=20, says=[
        "^acpi: 20 processors",
        f"^acpi: this kernel knows no more than {MOST} processors, 4 are not used$",
        f"^smp: {MOST} of {MOST} processors$",
    ])  # fmt: skip
    boot("4 sockets of a core with 2 threads", 8, smp="8,sockets=4,cores=1,threads=2")
    boot("numbers with gaps", 9, smp="9,sockets=3,cores=3,threads=1")


def limits():
    """smp.max, and what it cannot be."""
    for value, expected, says in (
        ("3", 3, "^smp: 3 of 4 processors$"),
        ("1", 1, "^smp: 1 of 4 processors$"),
        ("0", 1, "^smp: smp.max=0 is not from 1 to 16$"),
        ("17", 4, "^smp: smp.max=17 is not from 1 to 16$"),
        ("4294967297", 4, "^smp: smp.max=4294967297 is not from 1 to 16$"),
        ("all", 4, '^boot: option smp.max: "all" is not a number'),
    ):
        boot(f"smp.max={value}", expected, [says], cmdline=f"smp.max={value}", smp=4)


def absent():
    """Places without a processor, and a processor that does not answer."""
    boot("2 of 4 sockets are empty", 2, ["^acpi: 2 processors", "^smp: 2 of 2 "], smp="2,maxcpus=4")
    if machine.is_debug_build():
        silent = "^smp: the processor with APIC 99 does not answer$"
        boot("one does not answer", 4, [silent, "^smp: 4 of 4 "], cmdline="debug.absent=99", smp=4)


def off_while_busy():
    """Threads loop, fault and call on all processors when the machine is switched off."""
    missed = []
    for _ in range(OFFS):
        result = machine.boot(cmdline=machine.run_cmdline("bin/busy", ["off"]), smp=4, timeout=60)
        if result.kind != "done" or result.status != 7 or "panic" in result.serial:
            missed.append(result.report())
    tap.ok(not missed, f"{OFFS} times switched off while 4 processors are busy", "\n".join(missed))


def boots():
    done = subprocess.run(
        [os.path.join(machine.ROOT, "tools/boots"), "-n", str(BOOTS), "-s", "4"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    tap.ok(done.returncode == 0, f"{BOOTS} boots on 4 processors", done.stdout + done.stderr)


sizes()
limits()
absent()
off_while_busy()
boots()
tap.done()

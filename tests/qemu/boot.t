#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Pagoda comes up by each way of booting, and runs a program in run mode."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

WAYS = (("kernel", "multiboot 1"), ("iso", "BIOS and GRUB"), ("uefi", "UEFI and GRUB"))


def prompt(how, name):
    """The image as it is given away ends in a prompt that answers."""
    with machine.Machine(how=how, timeout=60) as m:
        ready = m.expect(r"pagoda: ready")
        prompted = ready and m.expect(r"^\S*[$>#] ")
        answered = False
        if prompted:
            m.send("help\r")
            answered = m.expect("vmmap")
        result = m.stop()
    tap.ok(ready, f"{name}: the kernel comes up", result.report())
    tap.ok(prompted, f"{name}: there is a prompt", result.report())
    tap.ok(answered, f"{name}: the prompt answers", result.report())


def run(how, name):
    """Run mode: output and status of one program."""
    result = machine.boot(how=how, cmdline=machine.run_cmdline("bin/hello", ["a b", ""]))
    tap.equal(result.kind, "done", f"{name}: a program runs and ends", result.report())
    tap.equal(result.status, 0, f"{name}: its status arrives", result.report())
    tap.contains(result.serial, "pagoda: ready", f"{name}: the kernel says that it is ready")
    tap.ok("pagoda: ready" not in result.text, f"{name}: the log stays out of its output")
    tap.contains(result.text, "a b", f"{name}: its arguments arrive")


for way, words in WAYS:
    prompt(way, words)
    run(way, words)
tap.done()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The debugger on a recorded run: from a panic back to the store that caused it."""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import debugger
import machine
import tap


def from_panic_to_store():
    """debug.fault=overrun stores beyond the end of a table and notices it in another function."""
    said = debugger.session([
        "continue", "backtrace", "watch ledger.total", "reverse-continue", "frame", "info locals",
        "reverse-stepi", "reverse-finish", "print ledger.total", "threads", "delete 2",
        "tbreak panic_assert", "continue",
    ], cmdline="debug.fault=overrun", replay=True)  # fmt: skip
    tap.contains(said.all, "The run ended as 'panic'", "the recorded run panics")
    tap.contains(said["backtrace"], "ledger_check", "continue goes to the panic, found by a check")
    tap.contains(said["frame"], "ledger_fill", "back to the function that stored too much")
    tap.contains(said["info locals"], "i = 17", "in the last turn of its loop")
    tap.contains(said["reverse-stepi"], "slot[i] = i", "one instruction back is the store itself")
    tap.contains(said["reverse-finish"], "fault_overrun", "and back to its caller")
    tap.contains(said["print ledger.total"], "= 120", "where the variable is still right")
    tap.contains(said["threads"], "start", "the commands of tools/gdb work in a recording")
    again = "Temporary breakpoint 3, panic_assert"
    tap.contains(said["continue"], again, "forwards again, into the same panic")


def user_variable():
    """A program's own variable, and the whole run of it twice the same."""
    said = debugger.session([
        "continue", "tbreak main", "reverse-continue", "next", "continue", "output",
        "tbreak sys_proc_exit", "reverse-continue", "backtrace", "reverse-step", "output",
    ], program=["bin/hello", "again"], replay=True)  # fmt: skip
    tap.contains(said["output"], 'argv[1] = "again"', "the program runs as it was recorded")
    tap.contains(said["reverse-continue"], "main (argc=2", "back from the end to its beginning")
    found = re.search(r"<signal handler called>[\s\S]*start\.c", said["backtrace"])
    tap.ok(found, "a backtrace into user mode in a recording", said["backtrace"])
    tap.ok("Traceback" not in said.all, "no traceback of Python", said.all)


if not debugger.is_here(debugger.GDB, "qemu-img"):
    tap.skip("going backwards", "gdb or qemu-img is not installed")
elif not machine.is_debug_build():
    tap.skip("going backwards", "a release kernel has no faults on purpose")
else:
    from_panic_to_store()
    user_variable()
tap.done()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tools/profile counts every instruction once, finds the functions and lines they belong to, and
says so when there is nothing to count."""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import release
import tap

PAGE_STORES = 512  # of `rep stosq` over a page
FAULTS = 2048  # in touch() of bin/bench
LOOP = 40  # instructions of its loop around each fault, at most


def command(*words):
    """(status, stdout and stderr) of a tool, for the release kernel."""
    done = subprocess.run(
        [os.path.join(machine.ROOT, "tools", words[0]), *words[1:]], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
        env=dict(os.environ, PAGODA_BUILD_DIR=release.DIRECTORY),
    )  # fmt: skip
    return done.returncode, done.stdout


def number(pattern, text):
    found = re.search(pattern, text, re.M)
    return float(found[1]) if found else -1.0


def row(function, text):
    """(instructions, calls) of a function."""
    found = re.search(rf"^ *([\d.]+) +[\d.]+ +([\d.]+) +[\d.]+  {function}\b", text, re.M)
    return (float(found[1]), float(found[2])) if found else (-1.0, -1.0)


def test_window():
    """Only what happens in touch() is counted, and all of it."""
    asked = ("profile", "-n", str(FAULTS), "-l", "-f", "touch", "bin/bench", "fault")
    status, text = command(*asked)
    tap.equal(status, 0, "a program is profiled", text)
    total = number(r"^([\d.]+) instructions per operation", text)
    measured = number(r"zero_fill_fault\.avg (\d+) insn", command("bench", "fault")[1])
    tap.ok(
        measured < total < measured + LOOP, "the instructions counted are those measured",
        f"profile {total}, bench {measured}\n{text}",
    )  # fmt: skip
    instructions, calls = row("pmap_zero_page", text)
    zeroed = PAGE_STORES <= instructions < PAGE_STORES + LOOP
    tap.ok(zeroed, "each turn of `rep` is an instruction", text)
    tap.ok(0.9 < calls < 1.1, "each fault zeroes a page: the calls are counted", text)
    tap.contains(text, "touch", "functions of the program are in the table")
    tap.contains(text, "rep stosq", "lines of the sources are shown")
    tap.equal(command(*asked)[1], text, "a second run gives the same to the digit")


def test_whole_run():
    status, text = command("profile", "-r", "1000", "hello")
    tap.equal(status, 0, "a whole run is profiled", text)
    for function in (r"\[firmware\]", "pmap_bootstrap", "program_start"):
        tap.ok(row(function, text)[0] > 0 or re.search(function, text), f"it has {function}", text)


def test_refusals():
    for words, says in (
        (("-f", "no_such_function", "bin/bench", "null"), "0 functions no_such_function"),
        (("-f", "bench_cow", "bin/bench", "null"), "never entered"),
        (("no_such_program",), "no such program"),
    ):
        status, text = command("profile", *words)
        tap.ok(status == 1 and says in text, f"profile {' '.join(words)}: refused", text)


if not tap.ok(*release.build()):
    tap.done()
if "-plugin" not in subprocess.run([machine.QEMU, "-help"], capture_output=True, text=True).stdout:
    tap.skip("profiles", "this QEMU has no plugins")
else:
    test_window()
    test_whole_run()
    test_refusals()
tap.done()

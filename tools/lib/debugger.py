# SPDX-License-Identifier: BSD-2-Clause
"""GDB in batch mode, for tests: what each command of a session has printed.

    said = debugger.session(["break main", "continue", "backtrace"], program=["bin/hello"])
    said["backtrace"]   its output; of a command that occurs several times, all of it
    said.all            everything, for the hint of a failed test
"""

import os
import shutil
import subprocess

import machine

DEBUG = os.path.join(machine.ROOT, "tools/debug")
GDB = os.environ.get("GDB", "gdb")
MARK = "@@ "
GRACE = 30  # seconds; GDB and QEMU have their own limits within


class Said(dict):
    """{command: what it printed}; "" of one that was not reached."""

    all = ""

    def __missing__(self, _):
        return ""


def is_here(*tools):
    """Are these programs installed?"""
    return all(shutil.which(tool) for tool in tools)


def session(commands, program=(), cmdline="", replay=False, timeout=60, smp=None):
    """Run GDB with these commands on a machine that runs program (name and arguments)."""
    command = [DEBUG, "--timeout", str(timeout), "--cmdline", cmdline]
    if replay:
        command += ["--replay", "--smp", "1"]
    elif smp is not None:
        command += ["--smp", str(smp)]
    for text in commands:
        command += ["--batch", f"echo \\n{MARK}{text}\\n", "--batch", text]
    limit = timeout * (2 if replay else 1) + GRACE
    if shutil.which("timeout"):
        command = ["timeout", "-k", "1", str(limit), *command]
    done = subprocess.run(
        [*command, *program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )  # fmt: skip
    return parse(done.stdout)


def parse(text):
    """The output of a session, taken apart."""
    said = Said()
    said.all = text
    current = None
    for line in text.splitlines():
        if line.startswith(MARK):
            current = line[len(MARK) :]
        elif current is not None:
            said[current] = said[current] + line + "\n"
    return said

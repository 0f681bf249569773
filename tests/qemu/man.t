#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tools/check-man finds a manual page that differs from its header, whatever the difference is."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

PAGES = os.path.join(machine.ROOT, "docs/man")
CHECK = os.path.join(machine.ROOT, "tools/check-man")

# What is wrong with a page: the page, what is replaced there, by what, and what the checker says.
FAULTS = [
    (
        "a wrong type", "vm_map_protect",
        '"vm_prot_t new_prot"', '"int new_prot"', "int new_prot",
    ),
    (
        "a wrong name", "vm_map_protect",
        '"vm_prot_t new_prot"', '"vm_prot_t prot"', "vm_prot_t prot",
    ),
    (
        "a missing star", "vm_map_find",
        '"vm_offset_t *addr"', '"vm_offset_t addr"', "vm_offset_t addr",
    ),
    ("a wrong result", "vm_map_wire", ".Ft kern_return_t", ".Ft void", "vm_map_wire is void"),
    (
        "a wrong order", "vm_map_protect", '.Fa "vm_offset_t start"\n.Fa "vm_offset_t end"',
        '.Fa "vm_offset_t end"\n.Fa "vm_offset_t start"', "vm_offset_t end, vm_offset_t start",
    ),
    (
        "a missing argument", "vm_map_protect",
        '.Fa "boolean_t set_max"\n', "", "boolean_t set_max",
    ),
    (
        "a function that is not there", "vm_map_wire",
        ".Fo vm_map_wire", ".Fo vm_map_guard", "vm_map_guard",
    ),
    (
        "a header that is not there", "vm_map_protect",
        ".In vm/vm_map.h", ".In vm/vm_maps.h", "vm/vm_maps.h",
    ),
    (
        "a wrong header", "vm_map_protect",
        ".In vm/vm_map.h", ".In vm/vm_fault.h", "vm/vm_fault.h",
    ),
    (
        "a function that is not in NAME", "vm_map_wire",
        ".Nm vm_map_wire ,\n", "", "vm_map_wire is not in NAME",
    ),
    (
        "a reference to no page", "vm_map_protect",
        ".Xr vm_charge 9", ".Xr vm_charges 9", "vm_charges(9)",
    ),
    (
        "a code that is not there", "vm_map_protect",
        "KERN_INVALID_ADDRESS", "KERN_HOLE", "KERN_HOLE",
    ),
    (
        "a constant that is not there", "vm_map_protect",
        ".Dv VM_MAP_WXORX", ".Dv VM_MAP_WX", "VM_MAP_WX in the sources",
    ),
    (
        "an argument that is not there", "vm_map_protect",
        ".Fa new_prot\n", ".Fa old_prot\n", "old_prot in the sources",
    ),
    ("a file that is not there", "pmap", ".Pa arch/x86_64/pmap.c", ".Pa pmap.c", "no file pmap.c"),
    (
        "a missing code", "vm_map_protect", ".It Dv KERN_ABORTED\n", "",
        "vm_map_protect may return KERN_ABORTED",
    ),
    ("a missing section", "vm_map_protect", ".Sh LOCKS", ".Sh NOTES", "sections are"),
]  # fmt: skip


def check(folder):
    """What the checker prints about the pages of a folder."""
    done = subprocess.run([CHECK, folder], capture_output=True, text=True, check=False)
    if done.stderr or done.returncode != (1 if done.stdout else 0):
        sys.exit(f"check-man: status {done.returncode}\n{done.stdout}{done.stderr}")
    return {re.sub(r":\d+:", ":", line) for line in done.stdout.splitlines()}


def read(path):
    with open(path, encoding="utf-8") as page:
        return page.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as page:
        page.write(text)


with tempfile.TemporaryDirectory() as scratch:
    folder = os.path.join(scratch, "man")
    shutil.copytree(PAGES, folder)
    before = check(folder)
    for what, name, old, new, said in FAULTS:
        path = os.path.join(folder, name + ".9")
        right = read(path)
        write(path, right.replace(old, new, 1))
        found = check(folder) - before
        tap.ok(
            any(said in line for line in found),
            f"check-man finds {what}",
            f"{name}(9), {old!r} made {new!r}: found {sorted(found)}, expected {said!r}",
        )
        write(path, right)
    os.remove(os.path.join(folder, "vm_map_wire.9"))
    found = "\n".join(check(folder) - before)
    tap.contains(found, "vm_map_wire has no page", "check-man finds a missing page")
tap.done()

# SPDX-License-Identifier: BSD-2-Clause
"""Planted faults: small changes of vm/ that a named test must notice.  tests/plants/ holds them:

    # a remark
    STK-06, STK-07: a bottom that lies outside of the map is accepted
    stack_check
    -	if (addrbos < vm_map_min(map) || addrbos >= vm_map_max(map) ||
    +	if (

Rows and what is broken, the function, then what is taken out (-), put in (+) and left ( ), up to an
empty line.  The function is looked for in vm/*.c, and in it the lines of '-' and ' ', in which any
space is like any other: layout, line numbers and files may change.  Both must be there just once.
"""

import dataclasses
import glob
import os
import re

import behaviours


class PlantError(Exception):
    """A plant that is not one any more: say which and why."""


@dataclasses.dataclass
class Plant:
    rows: list
    says: str
    function: str
    old: str
    new: str

    def apply(self, sources):
        """Plant it in one of sources {path: text}; (path, the changed text)."""
        path, begin, end = find_function(self.function, sources)
        body = sources[path][begin:end]
        found = list(re.finditer(r"\s+".join(map(re.escape, self.old.split())), body))
        if len(found) != 1:
            times = f"{self.function} has {len(found)} times what is to be changed"
            raise PlantError(f"{times}: {' '.join(self.old.split())}")
        at = found[0]
        changed = body[: at.start()] + self.new.strip() + body[at.end() :]
        return path, sources[path][:begin] + changed + sources[path][end:]


def find_function(name, sources):
    """(path, begin, end) of the one function of this name."""
    found = []
    for path, text in sources.items():
        definition = rf"^{re.escape(name)}\([^;{{]*\)\n\{{\n.*?^\}}"
        for body in re.finditer(definition, text, re.M | re.S):
            found.append((path, body.start(), body.end()))
    if len(found) != 1:
        raise PlantError(f"vm/ has {len(found)} functions {name}")
    return found[0]


def parse(text):
    """The plants of one file."""
    plants = []
    for block in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.M).strip("\n")):
        head, function, *change = block.split("\n")
        rows = behaviours.named(head)
        if not rows or not change or any(line[:1] not in ("-", "+", " ") for line in change):
            raise PlantError(f"not a plant:\n{block}")
        old = "\n".join(line[1:] for line in change if line[0] != "+")
        new = "\n".join(line[1:] for line in change if line[0] != "-")
        plants.append(Plant(rows, head.partition(": ")[2], function, old, new))
    return plants


def read_all():
    """All plants of the tree."""
    found = []
    for path in sorted(glob.glob(os.path.join(behaviours.ROOT, "tests/plants/*.plant"))):
        with open(path, encoding="utf-8") as f:
            found += parse(f.read())
    return found


def read_sources():
    """{path from the root of the tree: text} of what plants are put in."""
    sources = {}
    for path in sorted(glob.glob(os.path.join(behaviours.ROOT, "vm/*.c"))):
        with open(path, encoding="utf-8") as f:
            sources["vm/" + os.path.basename(path)] = f.read()
    return sources

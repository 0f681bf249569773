# SPDX-License-Identifier: BSD-2-Clause
"""Small faults in C sources, all compiled in at once.

A source file goes in, and a copy of it comes out in which every fault is present and asleep:

	if (a < b && f(x))	becomes		if (((MUT(3) ? (a) <= (b) : (a) < (b)) != MUT(4)) && ...

MUT(n) (tests/mutate/mutant.h) is true in the run that tries fault n.  So one build tries thousands.
What the source means is clang's to say: it prints its syntax tree, with the place of each node, as
JSON.  A node that comes out of a macro's body has no text of its own and is left alone; what stands
between a macro's parentheses has.

The kinds of faults:

	negate	a condition, or one operand of && and ||, is the contrary
	drop	an operand of && or || is left out; a statement is left out; a flag is left out of a
		mask, or no flag is given
	bound	< for <=, and so on
	page	a sum or difference of addresses or sizes, or what stands for a rounding of one, is a
		page more; one of page numbers is one more
	sign	+ for -, with other numbers
	code	another error, an error for success, false for true
"""

import hashlib
import json
import re
import subprocess

ENCODING = "latin-1"
RELATIONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
PAGE_TYPES = {"vm_offset_t", "vm_size_t", "vm_ooffset_t", "vm_paddr_t"}
INDEX_TYPES = {"vm_pindex_t"}
ROUNDINGS = {"round_page": "trunc_page", "trunc_page": "round_page"}
UNITS = {"atop": "1", "ptoa": "PAGE_SIZE"}
TRUTH = {"true": "false", "false": "true", "TRUE": "FALSE", "FALSE": "TRUE"}
DROPPED = ("CallExpr", "CompoundAssignOperator", "AtomicExpr", "BreakStmt", "ContinueStmt",
           "GotoStmt")

# What tests need not notice: checks, and what is said when they fail.
TRANSPARENT = ("ImplicitCastExpr", "ParenExpr", "FullExpr")
CHECKS = re.compile(
    r"(ASSERT|VERIFY|CHECK\w*|panic\w*|assert_\w+|\w*_audit\w*|\w*_assert\w*|k?printf)$"
)
UNMUTATED_FUNCTIONS = re.compile(r"\w*(_audit|_print|_dump|_assert\w*)$")
FLAG = re.compile(r"~?\(?[A-Z][A-Z0-9_]+\)?$")
WORD = re.compile(r"\w+")


class Mutant:
    """One fault: where it stands, what it replaces and by what."""

    def __init__(self, file, function, line, kind, was, becomes):
        self.file, self.function, self.line = file, function, line
        self.kind, self.was, self.becomes = kind, was, becomes
        self.context = ""  # of the text of the function
        self.nth = 1  # among those of the function that read the same
        self.number = 0

    def change(self):
        """What is done, as the report and the list of equivalent ones say it."""
        becomes = f" => {self.becomes}" if self.becomes else ""
        return f"{self.kind} `{self.was}`{becomes}" + (f" #{self.nth}" if self.nth > 1 else "")

    def like(self, other):
        return (self.kind, self.was, self.becomes) == (other.kind, other.was, other.becomes)

    def key(self):
        """What it is called in the list of equivalent ones: no line, so that it outlives edits."""
        return f"{self.file} {self.function}: {self.change()}"


def one_line(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"\s+", " ", text).strip().encode(ENCODING).decode()


class Node:
    """A node of clang's tree; begin and end are offsets in the source, or None without a text."""

    def __init__(self, raw):
        self.kind = raw.get("kind", "")
        self.raw = raw
        self.begin = self.end = None
        self.macro = None  # the offset of the macro's name, if all of the node comes out of a macro
        self.children = []

    def type(self):
        return self.raw.get("type", {}).get("qualType", "")


def strip(node):
    """The expression inside casts of the compiler's and parentheses."""
    while node.kind in ("ImplicitCastExpr", "ParenExpr", "ConstantExpr") and node.children:
        node = node.children[0]
    return node


class Source:
    def __init__(self, path, name, flags, clang):
        self.path, self.name = path, name
        # clang counts bytes, so a character is one here.
        with open(path, encoding=ENCODING) as f:
            self.text = f.read()
        self.mutants = []
        self.function = self.context = ""
        self.tree = self.parse(flags, clang)
        self.enumerators = dict(self.find_enumerators())
        self.directives = self.find_directives()

    # ---- clang's tree ----

    def parse(self, flags, clang):
        done = subprocess.run(
            [clang, "-fsyntax-only", "-w", "-Xclang", "-ast-dump=json", *flags, self.path],
            stdout=subprocess.PIPE, check=True,
        )
        tree = json.loads(done.stdout)
        self.file = None
        self.name_files(tree)
        return tree

    def name_files(self, value):
        """Give every place its file: clang names it only where it differs from the last one."""
        if isinstance(value, dict):
            if "offset" in value:
                self.file = value.get("file", self.file)
                value["file"] = self.file
            for key, part in value.items():
                if key != "includedFrom":
                    self.name_files(part)
        elif isinstance(value, list):
            for part in value:
                self.name_files(part)

    def find_enumerators(self):
        """Names and values."""
        for enum in self.tree["inner"]:
            value = -1
            for c in enum.get("inner", []) if enum.get("kind") == "EnumDecl" else []:
                explicit = next(iter(c.get("inner", [])), {}).get("value")
                value = int(explicit, 0) if explicit is not None else value + 1
                yield c.get("name"), value

    def find_directives(self):
        """The ranges of preprocessor lines."""
        pattern = r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*"
        return [m.span() for m in re.finditer(pattern, self.text, re.M)]

    def place(self, place):
        """(offset, length, macro): macro is that of the expansion, None if the text is there."""
        if "expansionLoc" not in place:
            if place.get("file") != self.path:
                return None
            return place["offset"], place["tokLen"], None
        outer, inner = place["expansionLoc"], place["spellingLoc"]
        if outer.get("file") != self.path:
            return None
        if outer.get("isMacroArgExpansion") and inner.get("file") == self.path:
            offset = inner["offset"]
            if not any(b <= offset < e for b, e in self.directives):
                return offset, inner["tokLen"], None
        return outer["offset"], outer["tokLen"], outer["offset"]

    def macro_end(self, offset):
        """The end of the macro call that begins at offset."""
        end = WORD.match(self.text, offset).end()
        rest = re.compile(r"\s*\(").match(self.text, end)
        if rest is None:
            return end
        depth, at = 1, rest.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(self.text[at], 0)
            at += 1
        return at

    def node(self, raw, macro):
        """Build a node; macro is that of its parent."""
        n = Node(raw)
        extent = raw.get("range", {})
        begin = extent.get("begin") and self.place(extent["begin"])
        end = extent.get("end") and self.place(extent["end"])
        if begin and end:
            self.measure(n, begin, end, macro)
        inside = n.macro if n.macro is not None else macro
        n.children = [self.node(c, inside) for c in raw.get("inner", []) if c.get("kind")]
        return n

    def measure(self, n, begin, end, macro):
        if begin[2] is not None and begin[2] == end[2]:
            n.macro = begin[2]
            if macro != n.macro:  # the whole expansion, not a part of it
                n.begin, n.end = begin[0], self.macro_end(begin[0])
            return
        # One end inside the expansion of the parent: a part of it without a text.
        if macro is not None and macro in (begin[2], end[2]):
            n.macro = macro
            return
        n.begin = begin[0]
        n.end = self.macro_end(end[0]) if end[2] is not None else end[0] + end[1]

    def span(self, n):
        return self.text[n.begin : n.end]

    # ---- faults ----

    def add(self, n, kind, becomes="", was=None):
        """A new fault at n; its MUT(), with a number that is local to the file."""
        m = Mutant(
            self.name, self.function, self.text.count("\n", 0, n.begin) + 1, kind,
            one_line(self.span(n) if was is None else was), one_line(becomes),
        )
        alike = [o for o in self.mutants if o.function == m.function and o.like(m)]
        m.nth = 1 + len(alike)
        m.context = self.context
        self.mutants.append(m)
        return f"MUT({len(self.mutants)})"

    def with_text(self, nodes):
        """The outermost nodes with a text among these, in order, none twice."""
        found = []
        for n in nodes:
            if n.begin is not None and n.kind.endswith(("Stmt", "Expr", "Operator", "Literal")):
                found.append(n)
            else:
                found += self.with_text(n.children)
        found.sort(key=lambda n: (n.begin, -n.end))
        last, result = -1, []
        for n in found:
            if n.begin >= last:
                result.append(n)
                last = n.end
        return result

    def plain(self, n):
        """The text of n with the faults of what it is made of, none of its own."""
        out, at = [], n.begin
        for child in self.with_text(n.children):
            if not n.begin <= child.begin <= child.end <= n.end:
                continue
            out += [self.text[at : child.begin], self.render(child, n)]
            at = child.end
        return "".join(out) + self.text[at : n.end]

    def render(self, n, parent):
        """The text of n with all faults."""
        if self.is_left_alone(n):
            return self.span(n)
        n.role = self.role(n, parent)
        inner = n
        # Through parentheses and casts of the compiler's, which mean what they contain.
        while inner.kind in TRANSPARENT and inner.macro is None and inner.children:
            if inner.children[0].begin is None:
                break
            inner.children[0].role = inner.role
            inner = inner.children[0]
        text = self.expression(inner)
        text = self.text[n.begin : inner.begin] + text + self.text[inner.end : n.end]
        if n.role == "condition" and inner.raw.get("opcode") not in ("&&", "||"):
            text = f"(!!({text}) != {self.add(inner, 'negate')})"
        elif n.role == "statement":
            text = self.droppable(n, text, parent)
        return text

    def is_left_alone(self, n):
        if n.kind in ("UnaryExprOrTypeTraitExpr", "ConstantExpr", "TypeTraitExpr", "GCCAsmStmt"):
            return True
        if n.macro is not None and CHECKS.match(WORD.match(self.text, n.macro)[0]):
            return True
        if n.kind == "DeclStmt":
            return any(c.raw.get("storageClass") == "static" for c in n.children)
        return n.kind == "CallExpr" and bool(CHECKS.match(self.callee(n)))

    def callee(self, n):
        return strip(n.children[0]).raw.get("referencedDecl", {}).get("name", "")

    def role(self, n, parent):
        """What n is to its parent: condition, truth (asked for 0 only), statement, value, other."""
        kids = parent.children
        place = next((i for i, c in enumerate(kids) if c.begin == n.begin and c.end == n.end), -1)
        opcode = parent.raw.get("opcode")
        if parent.kind in ("IfStmt", "WhileStmt", "ConditionalOperator") and place == 0:
            return "condition"
        if parent.kind == "DoStmt" and place == 1:
            return "condition"
        if parent.kind == "ForStmt" and self.is_for_condition(n, parent):
            return "condition"
        if opcode in ("&&", "||"):
            return "condition"
        if opcode == "!":
            return "truth"
        if parent.kind == "ConditionalOperator":
            return parent.role
        if parent.kind == "ForStmt":
            return "statement" if place == len(kids) - 1 else "other"
        if parent.kind in ("CompoundStmt", "IfStmt", "WhileStmt", "DoStmt", "CaseStmt",
                           "DefaultStmt", "LabelStmt"):
            return "statement"
        if parent.kind in ("CallExpr", "ReturnStmt", "DeclStmt", "InitListExpr") or opcode == "=":
            return "value"
        return "other"

    def is_for_condition(self, n, parent):
        """Between the first and the second semicolon: empty parts have no node."""
        return self.text[parent.begin : n.begin].count(";") == 1

    # ---- expressions ----

    def expression(self, n):
        """The text of n with the faults of an expression."""
        opcode = n.raw.get("opcode")
        if n.macro is not None:
            return self.macro_value(n)
        if n.kind == "BinaryOperator":
            if opcode in RELATIONS:
                return self.relation(n, opcode)
            if opcode in ("&&", "||"):
                return self.connective(n, opcode)
            if opcode in ("+", "-"):
                return self.sum(n, opcode)
            if opcode in ("|", "&"):
                return self.mask(n, opcode)
        if n.kind == "DeclRefExpr" and n.role == "value":
            return self.constant(n)
        return self.plain(n)

    def sides(self, n):
        """The two operands of n: node and text; None if one has no text of its own."""
        left, right = n.children
        if left.begin is None or right.begin is None:
            return None
        return left, right, self.render(left, n), self.render(right, n)

    def spelled(self, n, opcode):
        left, right = n.children
        return f"{self.span(left)} {opcode} {self.span(right)}"

    def relation(self, n, opcode):
        sides = self.sides(n)
        if sides is None:
            return self.plain(n)
        other = RELATIONS[opcode]
        mut = self.add(n, "bound", self.spelled(n, other))
        _, _, a, b = sides
        return f"({mut} ? ({a}) {other} ({b}) : ({a}) {opcode} ({b}))"

    def connective(self, n, opcode):
        sides = self.sides(n)
        if sides is None:
            return self.plain(n)
        left, right, a, b = sides
        # Of a chain the operands are dropped one by one: all but the last stand further left.
        if strip(left).raw.get("opcode") != opcode:
            mut = self.add(left, "drop", "...", f"{self.span(left)} {opcode} ...")
            a = f"({mut} || ({a}))" if opcode == "&&" else f"(!{mut} && ({a}))"
        mut = self.add(right, "drop", "...", f"... {opcode} {self.span(right)}")
        b = f"({mut} || ({b}))" if opcode == "&&" else f"(!{mut} && ({b}))"
        return f"({a} {opcode} {b})"

    def sum(self, n, opcode):
        sides = self.sides(n)
        if sides is None:
            return self.plain(n)
        left, right, a, b = sides
        types = {strip(left).type(), strip(right).type(), n.type()}
        if types & PAGE_TYPES:
            mut = self.add(n, "page", f"{self.span(n)} + PAGE_SIZE")
            return f"(({a}) {opcode} ({b}) + ({mut} ? PAGE_SIZE : 0))"
        if types & INDEX_TYPES:
            mut = self.add(n, "page", f"{self.span(n)} + 1")
            return f"(({a}) {opcode} ({b}) + ({mut} ? 1 : 0))"
        other = "-" if opcode == "+" else "+"
        if "*" in strip(left).type() and "*" in strip(right).type():
            return self.plain(n)
        mut = self.add(n, "sign", self.spelled(n, other))
        return f"({mut} ? ({a}) {other} ({b}) : ({a}) {opcode} ({b}))"

    def mask(self, n, opcode):
        sides = self.sides(n)
        if sides is None:
            return self.plain(n)
        left, right, a, b = sides
        if opcode == "|":
            # A flag that is 0 by name only says what is not asked for.
            if self.literal(right) == 0 or self.literal(left) == 0:
                return f"({a} | {b})"
            if strip(left).raw.get("opcode") != "|":
                mut = self.add(left, "drop", "...", f"{self.span(left)} | ...")
                a = f"({mut} ? 0 : ({a}))"
            mut = self.add(right, "drop", "...", f"... | {self.span(right)}")
            b = f"({mut} ? 0 : ({b}))"
        elif n.role not in ("condition", "truth") or self.span(right).startswith("~"):
            mut = self.add(n, "drop", self.span(left))
            b = f"({mut} ? -1 : ({b}))"
        return f"({a} {opcode} {b})"

    def constant(self, n):
        """An enumerator as a value."""
        decl = n.raw.get("referencedDecl", {})
        if decl.get("kind") != "EnumConstantDecl":
            return self.plain(n)
        return self.flag(n) if self.enumerators.get(decl["name"]) else self.span(n)

    def flag(self, n):
        if not FLAG.match(self.span(n)) or self.span(n) in ("NULL", "PAGE_SIZE", "PAGE_SHIFT"):
            return self.span(n)
        return f"({self.add(n, 'drop', '0')} ? 0 : {self.span(n)})"

    def macro_value(self, n):
        """A macro as an expression: a code, a truth value, a flag, a rounding."""
        name = WORD.match(self.text, n.macro)[0]
        text = self.plain(n)
        if name in ROUNDINGS:
            mut = self.add(n, "page", ROUNDINGS[name] + self.span(n)[len(name) :])
            return f"({mut} ? {ROUNDINGS[name]}{text[len(name):]} : {text})"
        if name in UNITS:
            mut = self.add(n, "page", f"{self.span(n)} + {UNITS[name]}")
            return f"({text} + ({mut} ? {UNITS[name]} : 0))"
        if n.role != "value":
            return text
        if name in TRUTH:
            return self.swap(n, TRUTH[name])
        if name.startswith("KERN_"):
            return self.swap(n, "KERN_ABORTED" if name == "KERN_FAILURE" else "KERN_FAILURE")
        if self.literal(n) not in (None, 0):
            return self.flag(n)
        return text

    def swap(self, n, other):
        return f"({self.add(n, 'code', other)} ? {other} : {self.span(n)})"

    def literal(self, n):
        """The value of a macro that is a number; 1 if it is made of several, None if of none."""
        inner = strip(n)
        if inner.kind == "IntegerLiteral":
            return int(inner.raw["value"], 0)
        if inner.kind == "BinaryOperator" and all(self.literal(c) is not None for c in
                                                  inner.children):
            return 1
        return None

    # ---- statements ----

    def droppable(self, n, text, parent):
        """A statement that may be left out; not what defines the end of a function."""
        opcode = n.raw.get("opcode")
        if n.kind not in DROPPED and opcode not in ("=", "++", "--"):
            if n.kind != "ReturnStmt" or (n.children and parent.kind != "IfStmt"):
                return text
        return f"if ({self.add(n, 'drop')}) {{}} else {text}"

    # ---- the file ----

    def functions(self):
        for raw in self.tree["inner"]:
            if raw.get("kind") != "FunctionDecl":
                continue
            body = next((c for c in raw.get("inner", []) if c["kind"] == "CompoundStmt"), None)
            if body is None or UNMUTATED_FUNCTIONS.match(raw["name"]):
                continue
            n = self.node(body, None)
            if n.begin is not None:
                yield raw["name"], n

    def instrument(self):
        """(the copy's text, in which the file's faults count from 1; the faults)."""
        out, at = [f'#line 1 "{self.path}"\n'], 0
        for name, body in self.functions():
            self.function = name
            self.context = hashlib.sha256(self.span(body).encode(ENCODING)).hexdigest()[:16]
            out += [self.text[at : body.begin], self.plain(body)]
            at = body.end
        return "".join(out) + self.text[at:], self.mutants


def instrument(path, name, flags, clang="clang"):
    return Source(path, name, flags, clang).instrument()

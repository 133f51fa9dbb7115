# ruff: noqa: T201
"""Plants single faults in the trainer, one at a time, and reports those that its nearest tests do not notice.

`python mutants.py [--json FILE] PATH...`: paths are modules or folders below `src/plein_air`. Nothing on disk is changed:
each mutant is imported from memory by a process that is forked once torch is loaded, so that one costs seconds.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import io
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent
SOURCE = ROOT / "src"
TESTS = ROOT / "tests"
TIMEOUT_S = 300
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One fault: the statement's line, how it reads before and after, and whether a test failed."""

    file: str
    line: int
    what: str
    killed: bool


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Every single fault at a node itself, not below it."""
    match node:
        case ast.Compare(left, ops, comparators):
            for index, operator in enumerate(ops):
                if other := COMPARISONS.get(type(operator)):
                    yield ast.Compare(left, [*ops[:index], other(), *ops[index + 1 :]], comparators)
        case ast.BinOp(left, operator, right):
            if other := OPERATORS.get(type(operator)):
                yield ast.BinOp(left, other(), right)
        case ast.AugAssign(target, operator, value):
            if other := OPERATORS.get(type(operator)):
                yield ast.AugAssign(target, other(), value)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            if len(values) > 2:
                for index in range(len(values)):
                    yield ast.BoolOp(operator, values[:index] + values[index + 1 :])
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(value) if isinstance(value, bool):
            yield ast.Constant(not value)
        case ast.Constant(value) if isinstance(value, int | float):
            yield ast.Constant(value + 1)
        case _:
            return


class Planter(ast.NodeTransformer):
    """Replaces the n-th fault of a module; docstrings and annotations have none."""

    def __init__(self, wanted: int) -> None:
        """Counts from 0; -1 replaces none."""
        self.wanted = wanted
        self.count = 0
        self.line = 0
        self.what = ""

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, or its fault."""
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                node.value = self.visit(node.value)  # pyright: ignore[reportAttributeAccessIssue]
            return node
        if isinstance(node, ast.arg | ast.Raise | ast.ImportFrom | ast.JoinedStr):
            return node
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        for fault in variants(node):
            if self.count == self.wanted:
                self.line = getattr(node, "lineno", 0)
                self.what = f"{ast.unparse(node)[:100]} -> {ast.unparse(fault)[:100]}"
                self.count += 1
                return ast.copy_location(fault, node)
            self.count += 1
        return super().generic_visit(node)


def plant(source: str, wanted: int) -> tuple[ast.Module, Planter]:
    """The module with its n-th fault."""
    planter = Planter(wanted)
    tree = planter.visit(ast.parse(source))
    assert isinstance(tree, ast.Module)
    return ast.fix_missing_locations(tree), planter


class Overlay(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a tree instead of its file."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        """Answers for this name alone."""
        self._name = name
        self._path = path
        self._code = compile(tree, str(path), "exec")

    def find_spec(self, fullname: str, path: object, target: object = None) -> object:  # pyright: ignore
        """The module's own spec with this loader."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)  # pyright: ignore

    def exec_module(self, module: object) -> None:  # pyright: ignore
        """Runs the mutant."""
        exec(self._code, module.__dict__)


def name_of(path: Path) -> str:
    """`plein_air.training.optimizer`."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def nearest(name: str) -> list[Path]:
    """Tests that import the module by name; else all that name its folder."""
    folder, _, stem = name.rpartition(".")
    direct = re.compile(rf"from {re.escape(name)} import|from {re.escape(folder)} import [^\n]*\b{stem}\b")
    inside = re.compile(rf"from {re.escape(folder)}\b")
    tests = sorted(TESTS.glob("test_*.py"))
    texts = {test: test.read_text() for test in tests}
    return [t for t in tests if direct.search(texts[t])] or [t for t in tests if inside.search(texts[t])]


def survives(path: Path, tree: ast.Module | None, tests: list[Path]) -> bool:
    """Whether the tests pass with this module in place of its file, in a process of their own."""
    child = os.fork()
    if child == 0:
        os.setsid()
        code = 1
        try:
            if tree is not None:
                sys.meta_path.insert(0, Overlay(name_of(path), path, tree))
            import pytest

            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                code = int(pytest.main(["-q", "-x", "--no-header", *map(str, tests)]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def modules(paths: list[str]) -> list[Path]:
    """The modules that the arguments name, by path or below `plein_air`."""
    found: list[Path] = []
    for path in paths:
        place = next(p for p in (SOURCE / "plein_air" / path, ROOT.parent / path, Path(path)) if p.exists())
        found += [place.resolve()] if place.is_file() else sorted(place.resolve().rglob("*.py"))
    return [path for path in found if path.name != "__init__.py"]


def tried(path: Path) -> Iterator[Mutant]:
    """Every mutant of a module; nothing where its tests fail without one."""
    source = path.read_text()
    tests = nearest(name_of(path))
    file = str(path.relative_to(ROOT.parent))
    count = plant(source, -1)[1].count
    print(f"{file}: {count} mutants, {', '.join(t.name for t in tests) or 'no test'}", flush=True)
    if not tests or not survives(path, None, tests):
        print(f"{file}: left out, its tests do not pass without a mutant", flush=True)
        return
    for wanted in range(count):
        tree, planter = plant(source, wanted)
        mutant = Mutant(file, planter.line, planter.what, not survives(path, tree, tests))
        if not mutant.killed:
            print(f"  survived {file}:{mutant.line} {mutant.what}", flush=True)
        yield mutant


def main() -> None:
    """Tries every mutant of the modules that were named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.path[:0] = [str(TESTS)]
    import diffusers  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import peft  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pytest  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import torch

    torch.set_num_threads(1)
    found = [mutant for path in modules(options.paths) for mutant in tried(path)]
    killed = sum(mutant.killed for mutant in found)
    print(f"{killed} of {len(found)} killed")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(mutant) for mutant in found]))


if __name__ == "__main__":
    main()

"""The rooms of harness/ and their imports, read from the sources without importing them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

OURS = ("harness", "emulator", "ground")


@dataclass(frozen=True)
class Import:
    """of: the module that imports. name: what is imported, a module. lazy: not when the module is imported itself, but
    in a function; typing: only for type checkers."""

    of: str
    name: str
    line: int
    lazy: bool
    typing: bool


@dataclass(frozen=True)
class House:
    """A checkout."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Name -> file, of harness, emulator and ground."""
        found = {}
        for package in OURS:
            for path in sorted((self.root / package).rglob("*.py")):
                name = ".".join(path.relative_to(self.root).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
        return found

    @cached_property
    def imports(self) -> list[Import]:
        """All of them, wherever in a file they stand."""
        return [each for module, path in self.modules.items() for each in self._imports_of(module, path)]

    @cached_property
    def heads(self) -> dict[str, str]:
        """Module -> its docstring, in one line."""
        trees = ((module, ast.parse(path.read_text())) for module, path in self.modules.items())
        return {module: " ".join((ast.get_docstring(tree) or "").split()) for module, tree in trees}

    def _imports_of(self, module: str, path: Path) -> Iterator[Import]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node, lazy, typing in _walk(tree, lazy=False, typing=False):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module, alias.name, node.lineno, lazy, typing)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    name = full if full in self.modules else node.module
                    yield Import(module, name, node.lineno, lazy, typing)

    def loaded_by(self, module: str) -> set[str]:
        """What is imported when a module is, ours and others', with the packages that it lies in."""
        direct: dict[str, set[str]] = {}
        for each in self.imports:
            if not each.lazy and not each.typing:
                direct.setdefault(each.of, set()).add(each.name)
        seen: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            package = name.rpartition(".")[0]
            waiting += [*direct.get(name, ()), *([package] if package in self.modules else [])]
        return seen


def _walk(node: ast.AST, *, lazy: bool, typing: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        inner = lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        checked = typing or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test))
        yield child, inner, checked
        yield from _walk(child, lazy=inner, typing=checked)


def room_of(module: str) -> str:
    """`report` for harness.report.table.tidy; `emulator` for emulator.build; "" for harness itself."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "harness" else top


def allowed(page: str) -> dict[str, set[str]]:
    """Room -> rooms that it may import, in the order of the table in docs/architecture.md."""
    table = page[page.index("| room |") :].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", table, re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", why)) - {"core"} for room, why in rows}

"""Which room may import which is written down in docs/architecture.md, and every import is held against it."""

from __future__ import annotations

import re
import shutil
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from rooms import House, Import, allowed, room_of
from running import TESTS

HOUSE = House(TESTS.parent)
PAGE = (TESTS.parent / "docs" / "architecture.md").read_text()
ALLOWED = allowed(PAGE)

# Entry points in the top folder: `python -m harness`.
TOP = {"": {"commands", "diagnosis", "notebook"}, "__main__": {"commands"}}

# What a module that does not know it imports from nowhere, by the words of the docstrings. A name that ends in a dot
# stands for all below it. What is not here (what it means, who reads it) is for people.
MEANS: dict[str, tuple[str, ...]] = {
    r"torch": ("torch",),
    r"NVML": ("pynvml", "harness.monitor.nvml"),
    r"pandas": ("pandas",),
    r"git": ("subprocess",),
    r"HTML": ("jinja2",),
    r"the terminal": ("rich",),
    r"the command line": ("argparse", "hydra", "harness.commands."),
    r"figures": ("matplotlib", "harness.report.figures."),
    r"how (figures|they|anything) (is|are) drawn": ("matplotlib",),
    r"pages?|the page( that shows them)?": ("harness.report.page",),
    r"sentences?( around it)?": ("harness.report.findings.",),
    r"records": ("harness.records.",),
    r"run directories": ("harness.records.",),
    r"files": ("harness.records.directory", "harness.records.files", "harness.core.files."),
    r"the plan": ("harness.plan.",),
    r"the configuration": ("harness.plan.config", "harness.plan.validate"),
    r"points": ("harness.plan.points", "harness.analysis.points"),
    r"the points' table": ("harness.analysis.points", "harness.analysis.rows"),
    r"(any |any single )?modes?": ("harness.modes.compiled", "harness.modes.graphs", "harness.modes.native",
                                   "harness.modes.packaged", "harness.modes.python", "harness.modes.torchscript"),
    r"timing": ("harness.timing.",),
    r"ranks": ("harness.worker.ranks", "torch.distributed"),
    r"rounds": ("harness.timing.step_times", "harness.worker.cells.rounds"),
    r"cells": ("harness.worker.cells.",),
    r"devices|accelerators": ("harness.devices.accelerator", "harness.devices.opening"),
    r"sessions": ("harness.session.", "harness.launch.run"),
    r"sweeps?": ("harness.sweep.",),
    r"jobs": ("harness.cluster.",),
    r"the machine": ("harness.machine.",),
    r"samples": ("harness.analysis.sampled.samples",),
    r"runs": ("harness.analysis.run", "harness.records."),
    r"how (anything was launched|(a session is|the ranks are|ranks were) started)":
        ("harness.launch.", "harness.cluster."),
}  # fmt: skip

# Rooms that may import torch at all; of these `modes`, `export` and `machine` only when they are called.
WITH_TORCH = {
    *("devices", "models", "workloads", "worker", "modes", "export", "machine", "passport", "diagnosis"),
}
FREE_OF_TORCH = sorted({*ALLOWED} - WITH_TORCH)


def said(each: Import) -> str:
    return f"{HOUSE.modules[each.of].relative_to(HOUSE.root)}:{each.line} imports {each.name}"


def forbidden(house: House, table: dict[str, set[str]]) -> list[str]:
    """Imports between rooms that the table does not allow."""
    return [
        f"{house.modules[each.of].relative_to(house.root)}:{each.line} imports {each.name}"
        for each in house.imports
        if (of := room_of(each.of)) != (to := room_of(each.name))
        and each.name.partition(".")[0] in ("harness", "emulator", "ground")
        and to != "core"
        and to not in {**table, **TOP, "emulator": {"ground"}, "ground": set()}[of]
        # A bare `import harness` is that of a child, which makes sure that it is this one.
        and each.name != "harness"
    ]


def test_every_room_stands_in_the_table() -> None:
    folders = {path.name for path in (TESTS.parent / "harness").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ALLOWED)


def test_no_room_imports_what_the_table_does_not_allow() -> None:
    assert forbidden(HOUSE, ALLOWED) == []


def test_no_room_is_allowed_to_import_upwards() -> None:
    order = list(ALLOWED)
    for room, others in ALLOWED.items():
        for other in others - {"emulator", "ground"}:
            assert order.index(other) < order.index(room), f"{room} stands below {other} in the table"


def test_every_arrow_of_the_table_is_taken() -> None:
    """A rule that nothing needs any more would let something in."""
    taken = {(room_of(each.of), room_of(each.name)) for each in HOUSE.imports}
    assert {(room, other) for room, others in ALLOWED.items() for other in others} - taken == set()


def test_there_is_no_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in HOUSE.modules}
    for each in HOUSE.imports:
        # A module imports names of the package that it lies in without a circle only if that does not import it.
        if each.name in graph and each.name != each.of and not each.typing:
            graph[each.of].add(each.name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


def test_one_module_knows_the_emulator() -> None:
    knows = {
        each.of
        for each in HOUSE.imports
        if room_of(each.name) == "emulator" and room_of(each.of) != "emulator"
    }
    # run_module imports the packages, and nothing of them, so that a child has these very ones.
    assert knows == {"harness.core.emulated", "harness.core.processes.run_module"}


def with_torch(house: House) -> list[str]:
    """Imports of torch, however late, in rooms that must do without."""
    return [
        f"{house.modules[each.of].relative_to(house.root)}:{each.line} imports {each.name}"
        for each in house.imports
        if each.name.partition(".")[0] == "torch" and room_of(each.of) in FREE_OF_TORCH and not each.typing
    ]


def test_rooms_that_do_without_torch_import_it_nowhere() -> None:
    assert with_torch(HOUSE) == []


@pytest.mark.parametrize("room", [*FREE_OF_TORCH, "export", "machine"])
def test_importing_a_room_loads_no_torch(room: str) -> None:
    for module in HOUSE.modules:
        if room_of(module) == room:
            loaded = HOUSE.loaded_by(module)
            assert not {name for name in loaded if name.partition(".")[0] == "torch"}, module


def test_asking_which_modes_there_are_loads_no_torch() -> None:
    assert "torch" not in {name.partition(".")[0] for name in HOUSE.loaded_by("harness.modes")}


@pytest.mark.parametrize("module", ["harness.report", "harness.analysis.run", "harness.commands.report"])
def test_reading_a_run_loads_nothing_that_launches(module: str) -> None:
    rooms = {room_of(name) for name in HOUSE.loaded_by(module)}
    assert not rooms & {"launch", "cluster", "worker", "sweep", "monitor", "session", "machine"}


def test_every_module_says_what_comes_in_what_goes_out_and_what_it_must_not_know() -> None:
    for module, head in HOUSE.heads.items():
        if room_of(module) in ALLOWED and not module.endswith("__main__"):
            assert re.search(r"In: .*Out: ", head), module
            assert re.search(r"Must not |Changes nothing|Starts nothing", head), module


def unknown(module: str) -> list[str]:
    """The words of MEANS that a module says it must not know."""
    clause = re.search(r"Must not (?:know|import) (.*?)(?:\. |\.$|: |; )", HOUSE.heads[module] + " ")
    if not clause:
        return []
    parts = re.split(r",? (?:nor|or|and)(?: know| import)? |, ", clause[1])
    parts = [re.sub(r"^(?:nor|or) ", "", part) for part in parts]
    return [word for word in MEANS if any(re.fullmatch(word, part.strip()) for part in parts)]


def broken(house: House, module: str, word: str) -> list[str]:
    """Imports by which a module knows what it must not know."""
    when_imported = "when it is imported" in house.heads[module]
    return [
        f"{house.modules[module].relative_to(house.root)}:{each.line} imports {each.name}, and must not know {word}"
        for each in house.imports
        if each.of == module and not each.typing and not (when_imported and each.lazy)
        for name in MEANS[word]
        if each.name == name.rstrip(".") or each.name.startswith(name.rstrip(".") + ".")
        # What lies in the same folder is the module's own subject.
        if each.name.rpartition(".")[0] != module.rpartition(".")[0]
    ]


def test_what_a_module_must_not_know_it_does_not_import() -> None:
    checked = [(module, word) for module in HOUSE.modules for word in unknown(module)]
    assert len(checked) > 100, "the docstrings are not understood any more"
    assert [each for module, word in checked for each in broken(HOUSE, module, word)] == []


def test_a_kind_knows_no_other_kind() -> None:
    for each in HOUSE.imports:
        package = each.of.rpartition(".")[0]
        if package.endswith(".kinds"):
            assert not each.name.startswith(package), said(each)


@pytest.mark.parametrize(
    ("file", "line", "what"),
    [
        ("harness/analysis/run.py", "from harness.launch.run import Ending", "harness.launch.run"),
        ("harness/worker/ranks.py", "from harness.report.write import write_report", "harness.report.write"),
        ("harness/core/stats/intervals.py", "from harness.plan.points import Point", "harness.plan.points"),
        ("harness/records/lines.py", "from harness.sweep.run import run_sweep", "harness.sweep.run"),
        ("harness/costs/curve.py", "import emulator.profile", "emulator.profile"),
        ("harness/report/page.py", "import torch", "torch"),
        ("emulator/build.py", "from harness.core.errors import HarnessError", "harness.core.errors"),
    ],
)
def test_an_import_that_is_not_allowed_is_found_with_its_line(
    file: str, line: str, what: str, tmp_path: Path
) -> None:
    for package in ("harness", "emulator", "ground"):
        shutil.copytree(
            TESTS.parent / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    path = tmp_path / file
    # In a function: wherever it stands.
    path.write_text(f"{path.read_text()}\n\ndef late() -> None:\n    {line}  # noqa\n")
    number = path.read_text().splitlines().index(f"    {line}  # noqa") + 1
    house = House(tmp_path)
    assert f"{file}:{number} imports {what}" in [
        *forbidden(house, ALLOWED),
        *core_errors(house),
        *with_torch(house),
    ]


def core_errors(house: House) -> list[str]:
    """core is free for every room of harness, not for what knows nothing of harness."""
    return [
        f"{house.modules[each.of].relative_to(house.root)}:{each.line} imports {each.name}"
        for each in house.imports
        if room_of(each.of) in ("emulator", "ground") and each.name.startswith("harness")
    ]


def test_emulator_and_ground_know_nothing_of_harness() -> None:
    assert core_errors(HOUSE) == []


def test_a_docstring_that_is_broken_is_found(tmp_path: Path) -> None:
    for package in ("harness", "emulator", "ground"):
        shutil.copytree(
            TESTS.parent / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file, line in (
        ("harness/analysis/sampled/join.py", "import torch"),
        ("harness/report/markdown.py", "import matplotlib.figure"),
        ("harness/timing/blocks.py", "from harness.records.lines import Writer"),
    ):
        path = tmp_path / file
        path.write_text(f"{path.read_text()}\n{line}  # noqa\n")
    house = House(tmp_path)
    found = [
        each for module in HOUSE.modules for word in unknown(module) for each in broken(house, module, word)
    ]
    assert len(found) == 3

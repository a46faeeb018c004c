"""What the documents name is there: columns, files, packages."""

from __future__ import annotations

import re
import sys

import pytest
from running import TESTS

from harness.core import axes, schema, warnings
from harness.plan.points import Point
from harness.records.kinds import KINDS, required

ROOT = TESTS.parent
MOST_MODULES = 14
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "slurm/README.md",
]


def test_every_column_is_explained_in_the_words_of_the_schema_and_no_other_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs/columns.md").read_text(), re.MULTILINE)
    assert dict(rows) == schema.COLUMNS
    assert [name for name, _ in rows] == list(schema.COLUMNS)


def test_every_column_stands_on_the_page_of_its_metric_or_is_an_axis() -> None:
    index = (ROOT / "docs/README.md").read_text()
    said_elsewhere = {"key", "status", "error", "warnings", "device_kind", "device_name", "nodes"}
    for name in schema.COLUMNS:
        assert name in {*axes.AXES, *said_elsewhere} or f"`{name}`" in index, name


def test_every_record_stands_on_the_page_of_the_rooms_with_what_it_must_have() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    for record, kind in KINDS.items():
        listed = ", ".join(f"`{name}`" for name in required(kind))
        assert re.search(rf"^\| `{record}` \| .* \| {re.escape(listed)} \|$", page, re.MULTILINE), record


def test_every_axis_of_a_point_stands_in_the_list_of_axes() -> None:
    assert {*axes.AXES, axes.SCALING} == set(Point.__dataclass_fields__) - {"sizes", "recipe"}
    assert set(axes.AXES) <= set(schema.COLUMNS)


def test_every_warning_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in warnings.WARNINGS:
        assert f"`{name}`" in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_a_page_names_are_there(page: object) -> None:
    text = page.read_text()  # type: ignore[attr-defined]
    top = "harness|emulator|ground|tests|conf|docs|native|benchmarks|slurm"
    rooms = "|".join(path.name for path in (ROOT / "harness").iterdir() if (path / "__init__.py").exists())
    for name in re.findall(rf"`((?:{top})/[\w/.]+\.(?:py|cpp|h|yaml|md|sh))`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(rf"`((?:{rooms})/[\w/]+\.py)`", text):
        assert (ROOT / "harness" / name).exists(), name


def test_sources_name_files_that_are_there() -> None:
    sources = [
        p for folder in ("harness", "emulator", "native", "benchmarks") for p in (ROOT / folder).rglob("*.*")
    ]
    for path in sources:
        if path.suffix in (".py", ".cpp", ".h"):
            for name in re.findall(
                r"\b((?:harness|emulator|native|docs)/[\w/]+\.(?:py|cpp|h|md))\b", path.read_text()
            ):
                assert (ROOT / name).exists(), f"{path.relative_to(ROOT)}: {name}"


def test_every_package_is_installed() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    listed = set(
        re.findall(r'^    "([\w.]+)",$', text[text.index("packages = [") : text.index("package-dir")], re.M)
    )
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("harness", "emulator", "ground")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert listed == there | {"harness.conf", "harness.cpp"}


def test_no_folder_is_crowded() -> None:
    """About 12 modules, as a person can take in at once; a little room, so that a subject is not split for one file."""
    for folder in [ROOT / "harness", *(ROOT / "harness").rglob("*")]:
        if folder.is_dir():
            modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
            assert len(modules) <= MOST_MODULES, f"{folder}: split it by subject"


def test_names_of_test_files_are_told_apart() -> None:
    """pytest puts each folder on the path: of two files with one name only one would be run."""
    names = [path.name for path in TESTS.rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
    assert not {name.removesuffix(".py") for name in names} & set(sys.stdlib_module_names)

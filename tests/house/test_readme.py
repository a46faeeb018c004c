"""The README's commands and columns are the interface: what it names must exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_two_commands_stand_in_the_first_five_lines() -> None:
    first = "\n".join(README.splitlines()[:5])
    assert "make sweep" in first and "make test" in first


def test_make_help_lists_the_targets_that_the_readme_names() -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if re.match(r"^[a-z]+ ", line)}
    assert {"setup", "sweep", "report", "test", "lint", "clean", "help"} <= listed


def test_every_sweep_and_option_of_a_group_stands_in_the_readme() -> None:
    for path in (ROOT / "conf").glob("*/*.yaml"):
        assert re.search(rf"\b{path.stem}\b", README), f"{path.parent.name}/{path.stem}"


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} -> {target}"

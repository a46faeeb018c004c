"""Interpreters that are scripts: they make environments and install at once, or fail as they are told."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

# Of a version that the harness itself does not run under: its own interpreter is found first.
# Each run is logged: its words, and those variables that a test asks for.
_SCRIPT = """#!{python} -IS
import json, os, shutil, sys, time
from pathlib import Path

plan = json.loads(Path({plan!r}).read_text())
words = sys.argv[1:]
with open({log!r}, "a") as log:
    shown = {{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "PYTHON", "TMPDIR"))}}
    log.write(json.dumps([words, shown, os.getcwd()]) + "\\n")
if words[:2] == ["-m", "venv"]:
    print(plan["venv_says"])
    if plan["venv_status"]:
        sys.exit(plan["venv_status"])
    place = Path(words[2]) / "bin"
    place.mkdir(parents=True)
    shutil.copy(__file__, place / "python")
elif words[:3] == ["-m", "pip", "--version"]:
    print("pip " + plan["pip"] + " from somewhere")
elif words[:4] == ["-m", "pip", "config", "list"]:
    print(plan["pip_config"])
elif words[:3] == ["-m", "pip", "install"]:
    print(plan["pip_says"], flush=True)
    if plan["pip_makes"]:
        Path(plan["pip_makes"]).mkdir(parents=True)
    time.sleep(plan["pip_takes_s"])
    sys.exit(plan["pip_status"])
else:
    if plan["ends_by"]:
        os.kill(os.getpid(), plan["ends_by"])
    print("the framework greets its user")
    print("@@harness-facts " + json.dumps(plan["facts"]))
"""


def facts(**changed: object) -> dict[str, object]:
    return {
        "python": "3.14.9",
        "implementation": "CPython",
        "platform": "linux-x86_64",
        "free_threaded": False,
        "base": "/usr/bin/python3.14",
        "found": True,
        "version": "2.13.0",
        "build": "CPU",
        "error": "",
        **changed,
    }


@dataclass
class FakePython:
    """In a folder of its own. What it does is read anew at each start."""

    folder: Path
    name: str = "python3.14"
    venv_says: str = ""
    venv_status: int = 0
    pip: str = "25.0"
    pip_config: str = ""
    pip_says: str = "Collecting torch\nProgress 1048576 of 2097152\nSuccessfully installed torch-2.13.0"
    pip_status: int = 0
    pip_makes: str = ""
    pip_takes_s: float = 0
    ends_by: int = 0
    facts: dict[str, object] = field(default_factory=facts)

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def written(self) -> FakePython:
        self.folder.mkdir(parents=True, exist_ok=True)
        plain = {key: value for key, value in asdict(self).items() if key not in ("folder", "name")}
        (self.folder / "plan.json").write_text(json.dumps(plain))
        # Of this test's Python, and not of a venv, since -S leaves its packages out anyway.
        text = _SCRIPT.format(
            python=getattr(sys, "_base_executable", sys.executable),
            plan=str(self.folder / "plan.json"),
            log=str(self.folder / "log"),
        )
        self.path.write_text(text)
        self.path.chmod(0o755)
        return self

    def told(self, **changed: object) -> FakePython:
        """To do otherwise from now on."""
        for key, value in changed.items():
            setattr(self, key, value)
        return self.written()

    def runs(self, *words: str) -> list[tuple[list[str], dict[str, str], str]]:
        """Those that began with these words: all words, variables, the folder it stood in."""
        log = self.folder / "log"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [(each[0], each[1], each[2]) for each in lines if each[0][: len(words)] == list(words)]

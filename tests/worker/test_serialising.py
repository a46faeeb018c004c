"""Modes of drivers are saved and loaded once their rounds are over, whatever becomes of one of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plans import POINT

from harness.environments.driving.task import DriverError
from harness.worker.cells.driven import Driven
from harness.worker.cells.serialising import serialise

OUTPUT = [[1.0, 2.0]]


@dataclass
class Saving:
    """A driver that saves as it is told to."""

    outcome: list[list[float]] = field(default_factory=lambda: OUTPUT)
    error: DriverError | None = None
    folders: list[str] = field(default_factory=list)

    def serialised(self, folder: str, slot: int = 0) -> Any:
        assert Path(folder).is_dir() and not list(Path(folder).iterdir())
        self.folders.append(folder)
        if self.error:
            raise self.error
        return SimpleNamespace(format="a file", bytes=2048, save_s=0.5, load_s=0.25, outcome=self.outcome)


@dataclass
class Written:
    records: list[dict[str, Any]] = field(default_factory=list)

    def write(self, kind: str, **fields: Any) -> None:
        assert kind == "serialisation"
        self.records.append(fields)

    def send(self, what: str, **fields: Any) -> None:
        assert what == "progress"


def saved(*drivers: Saving, workload: str = "forward", null: bool = False) -> list[dict[str, Any]]:
    modes = [
        Driven(replace(POINT, workload=workload), [], lambda *_: None, null, driver=each, outcome=OUTPUT)  # type: ignore[arg-type,return-value]
        for each in drivers
    ]
    written = Written()
    serialise("cell", SimpleNamespace(writer=written, sender=written), modes)  # type: ignore[arg-type]
    return written.records


def test_what_it_took_is_written_down_and_its_folder_is_gone() -> None:
    driver = Saving()
    (record,) = saved(driver)
    assert record == {
        "cell": "cell", "key": POINT.key, "format": "a file", "bytes": 2048, "save_s": 0.5, "load_s": 0.25,
    }  # fmt: skip
    assert not Path(driver.folders[0]).exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DriverError("unsupported", "it saves weights alone"), "it saves weights alone"),
        (DriverError("failed", "it died"), "failed: it died"),
    ],
)
def test_what_fails_is_said_and_the_others_go_on(error: DriverError, said: str) -> None:
    first, second = saved(Saving(error=error), Saving())
    assert first["error"] == said and "format" not in first
    assert second["format"] == "a file"


@pytest.mark.parametrize("outcome", [[[1.0, 2.5]], [[1.0, float("nan")]], [[1.0]], []])
def test_what_computes_something_else_afterwards_was_not_saved(outcome: list[list[float]]) -> None:
    (record,) = saved(Saving(outcome))
    assert record["error"].startswith("mismatch")


def test_training_steps_and_the_null_are_not_saved() -> None:
    assert not saved(Saving(), workload="train")
    assert not saved(Saving(), null=True)

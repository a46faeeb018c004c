"""Each cost is measured or said to be missing, and costs stand in the relations that they must."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_passports import made_passport
from running import TESTS, command, environment

from harness.passport import compiled, host, measure, stored
from harness.passport.document import COSTS, RATES, Passport, passport_of
from harness.passport.loops import Bench, Issued, Unavailable, looped, over, slope

torch = pytest.importorskip("torch")

# Costs for which nothing is compiled.
AT_ONCE = (
    "python_call",
    "module_call",
    "operator",
    "autograd",
    "allocation",
    "script_call",
    "script_operator",
)


@pytest.fixture(scope="module")
def quick() -> Passport:
    from harness.devices.opening import open_device

    return measure.measured(open_device("cpu", 0), seconds=0.3, block_ns=2e5, only=AT_ONCE)


def test_each_cost_that_is_asked_for_is_there_and_both_rates(quick: Passport) -> None:
    if sys.version_info < (3, 14):
        assert set(quick.costs) == set(AT_ONCE) and not quick.missing
    assert set(quick.rates) == set(RATES)
    assert passport_of(quick.as_json()) == quick


def test_an_operator_costs_far_more_than_a_python_call(quick: Passport) -> None:
    value = {name: cost.value for name, cost in quick.costs.items()}
    assert value["operator"] > 5 * value["python_call"] > 0
    assert value["module_call"] > 2 * value["python_call"]
    assert value["autograd"] > 0


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="no TorchScript")
def test_an_operator_in_a_scripted_graph_costs_less_than_from_python(quick: Passport) -> None:
    value = {name: cost.value for name, cost in quick.costs.items()}
    assert 0 < value["script_operator"] < value["operator"]
    assert value["script_call"] > value["python_call"]


def test_what_is_measured_is_what_the_page_of_the_costs_lists() -> None:
    page = (TESTS.parent / "docs/passport.md").read_text()
    assert set(measure.COSTS) == set(COSTS)
    for name in (*COSTS, *RATES):
        assert f"| `{name}` |" in page, name


def test_what_cannot_be_had_is_missing_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.devices.opening import open_device

    def refuses(bench: Bench) -> Any:
        raise Unavailable("it is not here")

    def fails(bench: Bench) -> Any:
        raise RuntimeError("it is\nbroken")

    monkeypatch.setitem(measure.COSTS, "native_call", refuses)
    monkeypatch.setitem(measure.COSTS, "guard_check", fails)
    names = ("native_call", "guard_check", "launch", "kernel_floor", "graph_launch")
    found = measure.measured(open_device("cpu", 0), seconds=0.0, block_ns=1e4, only=names)
    assert found.missing["native_call"] == "it is not here"
    assert found.missing["guard_check"] == "RuntimeError: it is broken"
    assert {"launch", "kernel_floor", "graph_launch"} <= set(found.missing)
    assert set(found.costs) == set(measure.ALWAYS)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="no TorchScript")
def test_a_scripted_graph_with_other_operators_than_were_meant_is_noticed() -> None:
    module = host._scripted(host.Chain(4))
    with torch.inference_mode():
        for _ in range(3):
            module(torch.ones(8, 8))
    host._check_unfused(4)
    with pytest.raises(Unavailable, match="of 5 it left 4"):
        host._check_unfused(5)


@pytest.mark.long
def test_compiled_code_with_other_kernels_than_were_meant_is_noticed() -> None:
    from harness.devices.opening import open_device

    bench = Bench(open_device("cpu", 0))
    compiled._compile(bench, "four", compiled.Products(4, negated=True), 4, 8)
    compiled._compile(bench, "none", compiled.Products(4, negated=False), 0, 8)
    assert set(bench.measures) == {"four", "none"}
    with pytest.raises(Unavailable, match="made 4 kernels where 5 were meant"):
        compiled._compile(bench, "five", compiled.Products(4, negated=True), 5, 8)


def test_formulas_take_off_what_they_say() -> None:
    assert over("a", "b", "c")({"a": 10.0, "b": 1.0, "c": 2.0}) == 7
    assert slope("many", "one", 5)({"many": 50.0, "one": 10.0}) == 10


def test_issuing_is_timed_without_the_wait_and_never_beyond_the_queue() -> None:
    """A device that works 10 us on each call, issued in 1 us."""
    now, queued, longest = [0], [0], [0]

    class Busy:
        asynchronous = True

        def wait(self) -> None:
            now[0] += 10_000 * queued[0]
            longest[0] = max(longest[0], queued[0])
            queued[0] = 0

    def issue() -> None:
        now[0] += 1_000
        queued[0] += 1

    measure_it = Issued(
        looped(issue),
        2,
        Busy(),
        context=torch.inference_mode,
        block_ns=1e6,
        clock=lambda: now[0],  # type: ignore[arg-type]
    )
    assert measure_it() == 1_000
    assert longest[0] == 101  # 200 launches, two a call, and the call before them


def test_a_stored_passport_is_answered_and_again_measures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from harness.devices.opening import open_device

    made = []

    def measured(device: Any) -> Passport:
        made.append(made_passport(factor=len(made) + 1))
        return made[-1]

    monkeypatch.setattr(stored, "cache_folder", lambda checkout: tmp_path / "cache")
    monkeypatch.setattr(stored, "measured", measured)
    device = open_device("cpu", 0)
    assert stored.own_passport(device) == made[0]
    assert stored.own_passport(device) == made[0] and len(made) == 1
    assert stored.own_passport(device, again=True) == made[1]
    assert stored.own_passport(device) == made[1]
    path = stored.passport_path(device)
    assert path is not None
    path.write_text("{}")  # no passport
    assert stored.own_passport(device) == made[2]
    torch.set_num_threads(threads := torch.get_num_threads() + 1)
    try:
        assert stored.passport_path(device) != path
    finally:
        torch.set_num_threads(threads - 1)


def test_two_passports_are_compared_by_the_command(tmp_path: Path) -> None:
    for name, factor in (("a", 1.0), ("b", 0.5)):
        (tmp_path / f"{name}.json").write_text(made_passport(factor=factor).as_json())
    done = passport_command(tmp_path, "a.json", "b.json")
    assert done.returncode == 0, done.stderr
    assert "operator" in done.stdout and "0.50" in done.stdout and "faster" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.json",), "two passports are compared"),
        (("a.json", "a.json", "--again"), "name the two files alone"),
        (("--out", "nowhere/b.json"), "--out=nowhere/b.json: not allowed; allowed: a file in a folder"),
        (("a.json", "none.json"), "PASSPORT=none.json: not allowed"),
        (("--profile", "v100x8"), "--profile=v100x8: not allowed; allowed: only with --device emulated"),
        (("--device", "cudo"), "--device=cudo: not allowed"),
        (("--device", "emulated", "--profile", "v10x8"), "--profile=v10x8: not allowed"),
        (("--out", "notes.txt"), "--out=notes.txt: not allowed; allowed: a new file, or a passport"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(made_passport().as_json())
    (tmp_path / "notes.txt").write_text("mine")
    done = passport_command(tmp_path, *arguments)
    assert done.returncode == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_the_command_measures_every_cost_and_stores_them(device: str, tmp_path: Path) -> None:
    if device == "emulated":
        from emulator.build import build
        from emulator.libraries import EmulatorError

        try:
            build(quiet=True)
        except EmulatorError as error:
            pytest.skip(str(error))
    done = passport_command(tmp_path, "--device", device, "--again", "--out", "mine.json")
    assert done.returncode == 0, done.stderr
    found = passport_of((tmp_path / "mine.json").read_text())
    assert {*found.costs, *found.missing} == set(COSTS)
    assert ("kernel_floor" in found.costs) == (device == "emulated")
    value = {name: cost.value for name, cost in found.costs.items()}
    if device == "emulated":
        assert value["launch"] > value["operator"]
    else:
        assert value["compiled_call"] > value["operator"] > value["python_call"]
    stored_at = next(line for line in done.stdout.splitlines() if line.startswith("stored: "))
    assert (
        json.loads(Path(stored_at.removeprefix("stored: ")).read_text(encoding="utf-8"))["made"] == found.made
    )
    again = passport_command(tmp_path, "--device", device)
    assert found.made in again.stdout


def passport_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("passport", *arguments),
        cwd=folder,
        env={**environment(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")},
        capture_output=True,
        text=True,
        timeout=600,
    )

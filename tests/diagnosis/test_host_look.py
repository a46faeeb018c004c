"""What is planted into a step is found at its line; what is the framework's is not."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import pathlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from harness.diagnosis.host import Look, look

SECONDS = 0.6
WIDTH = 16
TRIES = 4


def in_a_quiet_moment(test: Callable[..., None]) -> Callable[..., None]:
    """Shares are those of a machine that is not starved: what other tests disturb is looked at again. What is wrong is
    wrong each time."""

    @functools.wraps(test)
    def tried(*args: Any, **named: Any) -> None:
        for _ in range(TRIES - 1):
            with contextlib.suppress(AssertionError):
                return test(*args, **named)
        return test(*args, **named)

    return tried


class Layer(nn.Module):
    """Some operations that are written as operators too, which no profiler hears of."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(x)) * 0.5 + x


class Worked(nn.Module):
    """Layers, and after each of them some work."""

    def __init__(self, work: Callable[[], Any], layers: int = 5) -> None:
        super().__init__()
        self.layers, self.work = nn.ModuleList(Layer() for _ in range(layers)), work

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
            self.work()
        return x


def seen(module: nn.Module, seconds: float = SECONDS) -> Look:
    batch = torch.randn(4, WIDTH)
    return called(lambda: module(batch), seconds)


def called(step: Callable[[], Any], seconds: float = SECONDS) -> Look:
    for _ in range(3):
        step()
    return look(step, seconds=seconds)


def lines_of(function: Callable[..., Any], word: str) -> set[int]:
    """Numbers of the lines of a function in this file that hold a word."""
    first = function.__code__.co_firstlineno
    last = max(line for _, _, line in function.__code__.co_lines() if line)
    with pathlib.Path(__file__).open(encoding="utf-8") as file:
        return {n for n, line in enumerate(file, 1) if first <= n <= last and word in line}


def share_at(spots: tuple[Any, ...], lines: set[int]) -> float:
    return sum(spot.share for spot in spots if spot.file == __file__ and spot.line in lines)


def sleeps() -> None:
    time.sleep(0.0005)


def parses() -> None:
    for _ in range(30):
        json.loads('{"a": [1, 2, 3], "b": {"c": "d"}, "e": [{"f": 1.5}]}')


def adds() -> None:
    total = 0
    for each in range(5000):
        total += each  # added


def locks() -> None:
    taken = threading.Lock()
    taken.acquire()
    taken.acquire(timeout=0.0005)  # held


@pytest.mark.parametrize(
    ("work", "word"), [(sleeps, "sleep("), (parses, "loads"), (adds, "each"), (locks, "# held")]
)
@in_a_quiet_moment
def test_own_work_is_named_with_its_line(work: Callable[[], Any], word: str) -> None:
    found = seen(Worked(work))
    assert share_at(found.own, lines_of(work, word)) > 0.4
    assert found.own[0].line in lines_of(work, word)
    assert found.own[0].function == work.__name__
    assert found.data == () and found.framework_share < 0.6


@in_a_quiet_moment
def test_own_work_is_as_much_as_a_step_takes_longer_for_it() -> None:
    with_work, without = seen(Worked(adds)), seen(Worked(lambda: None))
    expected = 1 - without.step_us / with_work.step_us
    assert abs(with_work.own_share - expected) < 0.25


@in_a_quiet_moment
def test_work_in_the_function_that_calls_the_layers_is_told_from_the_calls() -> None:
    layers = nn.ModuleList(Layer() for _ in range(5))
    batch = torch.randn(4, WIDTH)

    def step() -> None:
        x, total = batch, 0
        for layer in layers:
            x = layer(x)
        for each in range(20000):
            total += each
        layers[0](x)

    found = called(step)
    assert share_at(found.own, lines_of(step, "each")) > 0.5
    assert share_at(found.own, lines_of(step, "layer")) < 0.1


@in_a_quiet_moment
def test_a_model_that_only_calls_torch_has_next_to_no_work_of_its_own() -> None:
    found = seen(nn.Sequential(*(Layer() for _ in range(64))))
    assert found.own_share < 0.1
    assert found.data == () and found.waits == ()
    assert found.framework_share > 0.9


@in_a_quiet_moment
def test_a_few_lines_between_operations_are_how_a_model_is_written() -> None:
    def shapes() -> None:
        for each in range(60):
            _ = each + each

    assert seen(Worked(shapes, layers=20)).own_share < 0.05


LARGE = torch.randn(600, 600)


@pytest.mark.parametrize(
    "step",
    [
        lambda: LARGE @ LARGE,
        lambda: LARGE * LARGE,
        lambda: 1 - LARGE,
        lambda: LARGE == 1,
        lambda: LARGE[LARGE > 0],
        lambda: -LARGE,
    ],
)
@in_a_quiet_moment
def test_large_operations_written_as_operators_are_the_framework_s(step: Callable[[], Any]) -> None:
    for _ in range(3):
        step()
    assert look(step, seconds=0.15).own_share < 0.2


@in_a_quiet_moment
def test_a_scripted_function_is_the_framework_s() -> None:
    @torch.jit.script
    def product(x: torch.Tensor) -> torch.Tensor:
        return x @ x @ x

    one = torch.randn(400, 400)
    assert called(lambda: product(one)).own_share < 0.1


@in_a_quiet_moment
def test_backward_and_optimizer_are_the_framework_s() -> None:
    model = nn.Sequential(*(Layer() for _ in range(8)))
    batch, optimizer = torch.randn(4, WIDTH), torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        model(batch).sum().backward()
        optimizer.step()

    found = called(step)
    assert found.own_share < 0.1 and found.waits == ()


class Slow(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(0.002)
        return torch.ones(WIDTH)


def fed(batches: Iterator[torch.Tensor], model: nn.Module) -> Callable[[], Any]:
    def step() -> None:
        batch = next(batches)  # asked
        model(batch)

    return step


@pytest.mark.parametrize("workers", [0, 1])
@in_a_quiet_moment
def test_a_slow_data_set_is_data_at_the_line_that_asks(workers: int) -> None:
    batches = iter(DataLoader(Slow(), batch_size=2, num_workers=workers))
    found = called(fed(batches, Worked(lambda: None)))
    assert share_at(found.data, lines_of(fed, "# asked")) > 0.5
    assert found.own_share < 0.1 and found.waits == ()
    asleep = share_at(found.dataset, lines_of(Slow.__getitem__, "sleep"))
    assert asleep > 0.5 if workers == 0 else found.dataset == ()


@in_a_quiet_moment
def test_waits_for_a_worker_are_as_long_as_in_steps_that_are_not_looked_at() -> None:
    """Noting calls slows a step with many, so that its batch is there when it asks."""
    batches = iter(DataLoader(Slow(), batch_size=3, num_workers=1))
    found = called(fed(batches, Worked(lambda: None, layers=150)), 1.0)
    assert found.data_share > 0.25


def test_values_asked_for_in_a_data_set_are_no_wait_for_a_device() -> None:
    class Asking(Slow):
        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.ones(WIDTH) * torch.ones(()).item()

    batches = iter(DataLoader(Asking(), batch_size=1))
    assert called(fed(batches, Worked(lambda: None)), 0.2).waits == ()


@in_a_quiet_moment
def test_batches_that_are_there_in_time_are_no_wait_for_data() -> None:
    class Quick(Slow):
        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.ones(WIDTH)

    batches = iter(DataLoader(Quick(), batch_size=1))
    found = called(fed(batches, Worked(sleeps, layers=20)))
    assert found.data_share < 0.2 and found.own_share > 0.6


@in_a_quiet_moment
def test_a_generator_by_hand_is_own_at_the_line_in_it() -> None:
    def made() -> Iterator[torch.Tensor]:
        while True:
            time.sleep(0.003)
            yield torch.ones(2, WIDTH)

    found = called(fed(made(), Worked(lambda: None)))
    assert share_at(found.own, lines_of(made, "sleep")) > 0.5


@in_a_quiet_moment
def test_waiting_at_a_queue_is_data() -> None:
    ready: queue.Queue[torch.Tensor] = queue.Queue(1)
    done = threading.Event()

    def produce() -> None:
        while not done.wait(0.004):
            if ready.empty():
                ready.put(torch.ones(2, WIDTH))

    def step() -> None:
        model(ready.get())  # got

    model, producer = Worked(lambda: None), threading.Thread(target=produce)
    producer.start()
    try:
        found = called(step)
    finally:
        done.set()
        producer.join()
    assert share_at(found.data, lines_of(step, "# got")) > 0.5
    assert found.own_share < 0.1


@in_a_quiet_moment
def test_a_step_with_more_events_than_are_kept_is_seen_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.diagnosis.host.events.MOST_EVENTS", 500)
    found = seen(Worked(sleeps, layers=200), 0.1)
    assert share_at(found.own, lines_of(sleeps, "sleep(")) > 0.6


def state() -> dict[str, Any]:
    objects = (torch, torch._C, torch.Tensor, torch.cuda.Stream, torch.cuda.Event, torch._C.ScriptFunction)
    return {
        **{repr(each): dict(vars(each)) for each in objects},
        "hook": sys.getprofile(),
        "interval": sys.getswitchinterval(),
        "collecting": gc.isenabled(),
        "threads": threading.active_count(),
    }


@pytest.mark.parametrize("fails_at", [None, 1, 4, 20, 200])
def test_all_is_afterwards_what_it_was_also_if_the_step_raises(
    fails_at: int | None, request: pytest.FixtureRequest
) -> None:
    batch, model = torch.randn(4, WIDTH), Worked(adds, layers=2)
    interval = sys.getswitchinterval()
    request.addfinalizer(lambda: sys.setswitchinterval(interval))
    sys.setswitchinterval(0.004)
    before, calls = state(), 0

    def step() -> None:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise LookupError("planted")
        model(batch)

    if fails_at is None:
        look(step, seconds=0.1)
    else:
        with pytest.raises(LookupError, match="planted"):
            look(step, seconds=0.5)
    after = state()
    assert {name for name in before if before[name] != after[name]} == set()


def test_a_hook_that_was_there_is_there_again() -> None:
    def own_hook(*_: Any) -> None:
        pass

    sys.setprofile(own_hook)
    try:
        look(lambda: torch.ones(3).sum(), seconds=0.05)
        assert sys.getprofile() is own_hook
    finally:
        sys.setprofile(None)

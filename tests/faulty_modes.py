"""Modes that fail in every way a mode can, for tests: `plugins=[faulty_modes]`.

Each behaves like eager on models of other depths than BAD_DEPTH, so that the rest of a sweep can be seen
to go on.
"""

from __future__ import annotations

import os
import signal
import time

from harness.modes import Mode, register

BAD_DEPTH = 3


def _rank() -> int:
    return int(os.environ["RANK"])


def _is_bad(model) -> bool:
    return sum(1 for layer in model if hasattr(layer, "weight")) == BAD_DEPTH


class _Faulty(Mode):
    needs_python = True

    def prepare(self, model, example):
        if not _is_bad(model):
            return model
        return self.fail(model, example)


@register
class Raises(_Faulty):
    """Raises on the last rank only: the others must come to know of it."""

    name = "raises"

    def fail(self, model, example):
        if _rank() == int(os.environ["WORLD_SIZE"]) - 1:
            raise RuntimeError("this mode cannot be built\nsecond line")
        return model


@register
class Killed(_Faulty):
    """The last rank is killed as by kill -9."""

    name = "killed"

    def fail(self, model, example):
        if _rank() == int(os.environ["WORLD_SIZE"]) - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return model


@register
class Hangs(_Faulty):
    """The last rank makes no progress any more."""

    name = "hangs"

    def fail(self, model, example):
        if _rank() == int(os.environ["WORLD_SIZE"]) - 1:
            time.sleep(10_000)
        return model


@register
class OutOfMemory(_Faulty):
    """Asks for more memory than any machine has."""

    name = "out_of_memory"

    def fail(self, model, example):
        import torch

        torch.empty(1 << 52, dtype=torch.uint8)
        return model


@register
class Wrong(_Faulty):
    """Computes something else."""

    name = "wrong"

    def fail(self, model, example):
        import copy

        import torch

        other = copy.deepcopy(model)
        with torch.no_grad():
            other[0].weight[0, 0] += 1.0
        return other


@register
class FailsLater(_Faulty):
    """Fails on rank 0 in its timed rounds: there, unlike in the warm-up, other modes run between its blocks."""

    name = "fails_later"

    def fail(self, model, example):
        import torch

        class Failing(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model, self.called, self.gaps = model, time.monotonic(), 0

            def forward(self, x):
                now = time.monotonic()
                self.gaps += now - self.called > 0.01
                self.called = now
                if self.gaps > 4 and _rank() == 0:
                    raise RuntimeError("enough")
                return self.model(x)

        return Failing()


@register
class Slow(_Faulty):
    """A step of 20 ms, so that a test has the time to kill something."""

    name = "slow"

    def prepare(self, model, example):
        import torch

        class Sleeping(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, x):
                time.sleep(0.02)
                return self.model(x)

        return Sleeping()

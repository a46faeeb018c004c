"""A clock on which time passes only where something takes some, and a gate that writes down what it is asked."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """A clock to be handed to what times: `clock()` answers nanoseconds."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_007

    def __call__(self) -> int:
        return self.now_ns

    def taking(self, *ns: int, done: Callable[[], object] = lambda: None) -> Callable[[], None]:
        """Something to call that takes so long: the first time, the second, and so on; the last for ever after."""
        left = list(ns)

        def call() -> None:
            done()
            self.now_ns += left.pop(0) if len(left) > 1 else left[0]

        return call


class FakeGate:
    """A gate that writes down what is asked of it."""

    def __init__(
        self, happened: list[str] | None = None, *, held: bool = True, elapsed_ns: float = 1.0
    ) -> None:
        self.happened = [] if happened is None else happened
        self.held, self.elapsed = held, elapsed_ns

    def close(self) -> None:
        self.happened.append("close")

    def begin(self) -> None:
        self.happened.append("begin")

    def end(self) -> bool:
        self.happened.append("end")
        return self.held

    def elapsed_ns(self) -> float:
        self.happened.append("elapsed")
        return self.elapsed

"""A Diagnosis: the verdict with its evidence, as a table, as a page, and as data.

In: what was measured, concluded, predicted and verified. Out: text, HTML, JSON. Must not know how any of it was found,
nor how figures are drawn (harness.diagnosis.shown.drawing is imported when one is).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.core.stats.intervals import Interval
from harness.diagnosis.measurement import Measurement
from harness.diagnosis.parts.ladder import Ladder
from harness.diagnosis.shares import Shares
from harness.diagnosis.shown.words import aligned, ends, microseconds, percent
from harness.diagnosis.verdict import IN_WORDS, Verdict
from harness.diagnosis.verify import Verified
from harness.diagnosis.what_if import Prediction, Refusal

# A device's kind, as passports have it.
EMULATED = "emulated"


@dataclass(frozen=True)
class Diagnosis:
    """machine: whose costs the predictions rest on. verified: empty where nothing was."""

    name: str
    machine: Mapping[str, Any]
    measured: Measurement
    shares: Shares
    verdict: Verdict
    predicted: Sequence[Prediction]
    refused: Sequence[Refusal]
    verified: Sequence[Verified] = ()
    warnings: Sequence[str] = ()

    @property
    def is_emulated(self) -> bool:
        return self.machine.get("device_kind") == EMULATED

    @property
    def feedable_devices(self) -> float | None:
        """How many such devices one thread can keep busy; None on a CPU, or where it is not known."""
        device, issue = self.measured.device, self.measured.issue
        return None if device is None or issue is None else device.estimate / issue.estimate

    @property
    def launch_us(self) -> float | None:
        """Of the host's time to issue a step, that of one launch; None on a CPU."""
        issue, launches = self.measured.issue, self.measured.launches
        return issue.estimate / launches if issue is not None and launches else None

    def with_verified(self, verified: Sequence[Verified]) -> Diagnosis:
        return replace(self, verified=tuple(verified))

    def certificate(self) -> dict[str, Any]:
        """What was predicted, as it is written down before anything of it is measured."""
        return {
            "name": self.name,
            "eager_us": _plain(self.measured.whole),
            "what_if": [_prediction(each) for each in self.predicted],
            "not_predicted": {each.change: each.why for each in self.refused},
        }

    def as_dict(self) -> dict[str, Any]:
        measured = self.measured
        verified = {each.change: each for each in self.verified}
        return {
            "name": self.name,
            "verdict": self.verdict.cause,
            "sentence": self.verdict.sentence,
            "where": list(self.verdict.where),
            "next": list(self.verdict.advice),
            "shares": {cause: _plain(share) for cause, share in self.shares.of.items()},
            "shares_of_host": {cause: _plain(share) for cause, share in self.shares.of_host.items()},
            "step_us": _plain(measured.whole),
            "issue_us": _plain(measured.issue),
            "device_us": _plain(measured.device),
            "launches": measured.launches,
            "launch_us": self.launch_us,
            "feedable_devices": self.feedable_devices,
            "operators": measured.work.operators,
            "ladder": _ladder(measured.ladder),
            "one_layer": None
            if measured.layer is None
            else {"of": measured.layer[0], **(_ladder(measured.layer[1]) or {})},
            "waits": [_row(each) for each in measured.look.waits],
            "what_if": [
                {**_prediction(each), **_outcome(each, verified.get(each.change))} for each in self.predicted
            ],
            "not_predicted": {each.change: each.why for each in self.refused},
            "warnings": list(self.warnings),
            "machine": dict(self.machine),
        }

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, allow_nan=False, default=str)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__

    def print(self) -> None:
        """The table."""
        print(self)

    def _repr_html_(self) -> str:
        from harness.diagnosis.shown.page import fragment

        return fragment(self)

    def tables(self) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Title, header and rows of each, as texts."""
        yield (
            "Where a step's time is",
            ["where", "share of the step", "interval"],
            [
                [IN_WORDS.get(cause, cause), percent(share.estimate), ends(share, percent)]
                for cause, share in self.shares.of.items()
            ],
        )
        for title, ladder in self._ladders():
            rows = [
                [part.name, microseconds(part.us.estimate), ends(part.us, microseconds)]
                for part in ladder.parts
            ]
            rows += [
                [
                    "unexplained",
                    microseconds(ladder.unexplained.estimate),
                    ends(ladder.unexplained, microseconds),
                ],
                ["whole", microseconds(ladder.whole.estimate), ends(ladder.whole, microseconds)],
            ]
            yield title, ["part", "us", "interval"], rows
        yield self._what_if()

    def _ladders(self) -> Iterator[tuple[str, Ladder]]:
        measured, of = self.measured, "step" if self.measured.synchronous else "step's issue"
        if measured.ladder is not None:
            yield f"The {of}, part by part", measured.ladder
        if measured.layer is not None:
            yield f"One layer ({measured.layer[0]})", measured.layer[1]

    def _what_if(self) -> tuple[str, list[str], list[list[str]]]:
        header = ["what if", "predicted us", "90 % interval", "times as fast"]
        if self.verified:
            header += ["measured us", "error"]
        verified = {each.change: each for each in self.verified}
        rows = []
        for each in self.predicted:
            row = [
                f"{each.change} ({each.note})" if each.note else each.change,
                microseconds(each.us.estimate),
                ends(each.us, microseconds),
                f"{each.times_as_fast:.2f}",
            ]
            if self.verified:
                row += _measured(each, verified.get(each.change))
            rows.append(row)
        rows += [
            [each.change, "not predicted", each.why, ""] + [""] * (len(header) - 4) for each in self.refused
        ]
        return "What if (predicted before anything of it was measured)", header, rows

    def facts(self) -> Iterator[str]:
        """The evidence, a sentence each."""
        measured = self.measured
        yield f"A step takes {microseconds(measured.whole.estimate)} us {ends(measured.whole, microseconds)}."
        if measured.device is not None and measured.issue is not None:
            yield (
                f"The host issues it in {microseconds(measured.issue.estimate)} us, the device executes it in "
                f"{microseconds(measured.device.estimate)} us: one thread can feed {self.feedable_devices:.2g} of them."
            )
        if self.launch_us is not None:
            yield f"{measured.launches} launches, {self.launch_us:.2f} us of the host's time each."
        yield from self.warnings
        for note in measured.notes:
            yield f"Not taken apart: {note}"

    def _lines(self) -> Iterator[str]:
        yield f"{self.name}: {self.verdict.sentence}"
        yield from self.facts()
        for number, advice in enumerate(self.verdict.advice, 1):
            yield f"  {number}. {advice}"
        for title, header, rows in self.tables():
            yield ""
            yield title
            yield from aligned([header, *rows])


def _measured(predicted: Prediction, verified: Verified | None) -> list[str]:
    if verified is None:
        return ["", ""]
    if verified.us is None:
        return ["not measured", verified.why[:60]]
    error, held = verified.error(predicted), verified.held(predicted)
    aside = "" if held else " (outside)"
    return [microseconds(verified.us.estimate), f"{100 * (error or 0.0):+.0f} %{aside}"]


def _outcome(predicted: Prediction, verified: Verified | None) -> dict[str, Any]:
    if verified is None:
        return {}
    return {
        "measured_us": _plain(verified.us),
        "error": verified.error(predicted),
        "interval_held": verified.held(predicted),
        **({"not_measured": verified.why} if verified.us is None else {}),
    }


def _prediction(each: Prediction) -> dict[str, Any]:
    return {
        "change": each.change,
        "predicted_us": _plain(each.us),
        "instead_of_us": each.instead_of_us,
        "times_as_fast": each.times_as_fast,
        **({"note": each.note} if each.note else {}),
    }


def _ladder(ladder: Ladder | None) -> dict[str, Any] | None:
    if ladder is None:
        return None
    return {
        "whole_us": _plain(ladder.whole),
        "parts_us": {part.name: _plain(part.us) for part in ladder.parts},
        "unexplained_us": _plain(ladder.unexplained),
        "left_out": dict(ladder.left_out),
    }


def _row(each: Any) -> dict[str, Any]:
    return {name: getattr(each, name) for name in each.__dataclass_fields__}


def _plain(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}

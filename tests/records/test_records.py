"""Raw records: appended lines are read back, and nothing that stands in a file can break the reader."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.records.kinds import AnyRecord, decoded
from harness.records.lines import Writer, told
from harness.records.raw import RawFiles, read_launcher

END = {"type": "end", "cell": "c", "stop": "settled", "keys": ["k"]}
BLOCK = {"key": "k", "steps": 3, "start_ns": 10, "end_ns": 20}
ROUND = {"type": "round", "cell": "c", "round": 0, "blocks": [BLOCK]}
AXES = {
    **{"model": "mlp-8x2", "depth": 2, "width": 8, "batch": 1, "devices": 1, "controller": "processes"},
    **{
        "workload": "forward",
        "dtype": "float32",
        "autograd": "inference",
        "environment": "here",
        "mode": "eager",
    },
    **{"nodes": 1, "scaling": "weak", "model_args": ""},
}
# What not every version wrote.
LATER = ("autograd", "environment", "nodes", "scaling", "model_args")
POINT = {"type": "point", "key": "k", "cell": "c", "axes": AXES, "needs_python": True}
OF_LAUNCHER: list[dict[str, Any]] = [
    {"type": "start", "device_kind": "cpu", "device_name": "x", "cores": 2},
    POINT,
    {"type": "outcome", "key": "k", "status": "failed", "error": "é\u2028 \n"},
]
VALID: list[dict[str, Any]] = [
    {"type": "session", "session": "s", "rank": 0, "ranks": 1, "device_kind": "cpu", "device_name": "x"},
    {"type": "environment", "environment": "mine", "facts": {"python": "3.12.1"}},
    {"type": "cell", "cell": "c", "keys": {"eager": "k"}},
    {"type": "prepared", "cell": "c", "key": "k", "prepare_s": 0.5, "first_call_s": 1},
    {"type": "dropped", "cell": "c", "key": "k", "status": "oom", "error": "", "at_ns": 5},
    ROUND,
    END,
    {"type": "closing", "wall_s": 1.5, "busy_s": 1},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw" / "a.jsonl"


@dataclass
class Data:
    files: dict[str, list[AnyRecord]]
    skipped: dict[str, int]


def read(path: Path, prefix: str = "") -> Data:
    raw = RawFiles(path.parent.parent, prefix)
    return Data({name: list(raw.records(name)) for name in raw.names}, raw.skipped)


def made(*records: dict[str, Any]) -> list[AnyRecord]:
    return [decoded(json.dumps(record).encode()) for record in records]


def file_of(record: dict[str, Any], path: Path) -> Path:
    return path.with_name("launcher.jsonl") if record in OF_LAUNCHER else path


def write(path: Path, *records: dict[str, Any]) -> None:
    writer = Writer(path)
    for record in records:
        fields = dict(record)
        writer.write(fields.pop("type"), **fields)
    writer.close()


def after(path: Path, line: bytes) -> Data:
    """What is read when a line stands between two valid ones, which must not be lost."""
    own = END if path.name != "launcher.jsonl" else POINT
    valid = json.dumps(own).encode()
    path.write_bytes(valid + b"\n" + line + b"\n" + valid + b"\n")
    data = read(path)
    assert [data.files[path.name][at] for at in (0, -1)] == made(own, own)
    return data


@pytest.mark.parametrize("record", [*OF_LAUNCHER, *VALID], ids=lambda r: r["type"])
def test_what_is_written_is_read_back(path: Path, record: dict[str, Any]) -> None:
    path = file_of(record, path)
    write(path, record)
    data = read(path)
    assert data.files == {path.name: made(record)}
    known = msgspec.to_builtins(made(record)[0])
    assert {name: known[name] for name in record if name != "blocks"}.items() <= record.items()
    assert not data.skipped


def test_a_line_is_in_the_file_before_the_writer_is_closed(path: Path) -> None:
    """A killed process must have lost nothing."""
    writer = Writer(path)
    writer.write("end", cell="c", stop="settled", keys=[])
    assert path.read_bytes().endswith(b"\n")
    writer.close()


def test_opening_again_appends(path: Path) -> None:
    write(path, VALID[0])
    write(path, VALID[1])
    assert read(path).files["a.jsonl"] == made(*VALID[:2])


def test_a_torn_last_line_is_skipped_and_counted(path: Path) -> None:
    write(path, END, END)
    path.write_bytes(path.read_bytes()[:-9])
    data = read(path)
    assert data.files["a.jsonl"] == made(END)
    assert data.skipped == {"torn": 1}


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_torn_line_spoils_none_that_is_written_later(path: Path, cut: int) -> None:
    write(path, END, END)
    path.write_bytes(path.read_bytes()[:-cut])
    write(path, ROUND)
    data = read(path)
    assert [data.files["a.jsonl"][at] for at in (0, -1)] == made(END, ROUND)
    assert data.skipped["torn"] == (0 if cut == 1 else 1), "without its line end alone it is whole"


def test_a_value_that_json_does_not_know_is_refused_by_the_writer(path: Path) -> None:
    writer = Writer(path)
    with pytest.raises(ValueError):
        writer.write("closing", wall_s=float("nan"), busy_s=1.0)
    writer.close()
    assert path.read_bytes() == b"", "no half of a line either"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"\xff\xfe\x00\x80", "binary"),
        (b'{"type":"end","cell":"\xc3', "binary"),
        (b'{"type":"end","cell":"c"', "torn"),
        (b"not json", "torn"),
        (b"\x00" * 100, "torn"),
        (b"[" * 200_000, "foreign"),
        (b'{"a":' * 200_000, "torn"),
        (b"9" * 5_000, "foreign"),
        (b'{"type":"closing","wall_s":NaN,"busy_s":1}', "torn"),
        (b'{"type":"closing","wall_s":-Infinity,"busy_s":1}', "torn"),
        (b"{}", "foreign"),
        (b"[]", "foreign"),
        (b"null", "foreign"),
        (b"3", "foreign"),
        (b'"end"', "foreign"),
        (b'{"type":"unknown"}', "foreign"),
        (b'{"type":["end"]}', "foreign"),
        (b'{"type":null}', "foreign"),
    ],
)
def test_a_line_that_is_no_record_is_skipped_and_counted(path: Path, line: bytes, kind: str) -> None:
    data = after(path, line)
    assert data.files["a.jsonl"] == made(END, END)
    assert data.skipped == {kind: 1}


def test_empty_lines_are_nothing(path: Path) -> None:
    assert not after(path, b"\n  \n\r\n").skipped


@pytest.mark.parametrize("record", [*OF_LAUNCHER, *VALID], ids=lambda r: r["type"])
def test_a_record_without_one_of_its_fields_is_none_and_it_is_said_which(
    path: Path, record: dict[str, Any]
) -> None:
    for name in set(record) - {"type"}:
        rest = {key: value for key, value in record.items() if key != name}
        (defect,) = after(file_of(record, path), json.dumps(rest).encode()).skipped
        assert f"`{record['type']}`" in defect and f"`{name}`" in defect


@pytest.mark.parametrize("record", [*OF_LAUNCHER, *VALID], ids=lambda r: r["type"])
@pytest.mark.parametrize("wrong", [None, True, {"a": 1}, [[]], "text", 1.5, -1, 2**62], ids=repr)
def test_a_field_of_another_type_or_beyond_its_range_makes_it_none(
    path: Path, record: dict[str, Any], wrong: object
) -> None:
    for name in set(record) - {"type"}:
        right = record[name]
        fits = type(right) is type(wrong) and isinstance(right, (str, bool)) and name != "status"
        if fits or (name.endswith("_s") and wrong == 1.5):
            continue
        changed = json.dumps({**record, name: wrong}).encode()
        data = after(file_of(record, path), changed)
        assert sum(data.skipped.values()) == 1, (name, wrong)
        assert f"`{record['type']}`" in told(Counter(data.skipped)), (name, wrong)


@pytest.mark.parametrize("name", ["depth", "batch", "devices", "width"])
@pytest.mark.parametrize("wrong", [0, -3, 2**63 - 1, 1.5, "4", []], ids=repr)
def test_a_point_whose_place_is_none_is_told(path: Path, name: str, wrong: object) -> None:
    changed = json.dumps({**POINT, "axes": {**AXES, name: wrong}}).encode()
    (defect,) = after(path.with_name("launcher.jsonl"), changed).skipped
    assert f"axes.{name}" in defect or "out of range" in defect


def test_a_point_of_a_version_before_an_axis_has_its_default(path: Path) -> None:
    older = {name: value for name, value in AXES.items() if name not in LATER}
    write(path.with_name("launcher.jsonl"), {**POINT, "axes": older})
    (point,) = read_launcher(path.parent.parent).points
    assert point.axes.named() == AXES


@pytest.mark.parametrize("name", ["depth", "width"])
def test_a_model_that_is_no_mlp_has_no_such_size(path: Path, name: str) -> None:
    write(path.with_name("launcher.jsonl"), {**POINT, "axes": {**AXES, name: None}})
    (point,) = read_launcher(path.parent.parent).points
    assert point.axes.named() == {**AXES, name: None}


def test_what_earlier_versions_called_otherwise_is_read() -> None:
    line = {
        "type": "prepared",
        "cell": "c",
        "key": "k",
        "prepare_s": 1,
        "first_call_s": 1,
        "memory_peak_mib": 7,
    }
    assert decoded(json.dumps(line).encode()).process_peak_mib == 7  # type: ignore[union-attr]


def test_what_stands_in_another_file_than_its_own_is_counted(path: Path) -> None:
    write(path, *OF_LAUNCHER, END)
    write(path.with_name("launcher.jsonl"), POINT, *VALID)
    data = read(path)
    assert data.skipped == {"misplaced": len(OF_LAUNCHER) + len(VALID)}
    assert data.files == {"a.jsonl": made(END), "launcher.jsonl": made(POINT)}


def test_reasons_without_end_are_not_all_kept(path: Path) -> None:
    path.write_text(
        "".join(
            json.dumps({**END, "keys": {f"key{number}": []}, "stop": number}) + "\n" for number in range(9)
        )
        + "".join(json.dumps({**END, "keys": [*["k"] * number, number]}) + "\n" for number in range(99)),
        encoding="utf-8",
    )
    data = read(path)
    assert sum(data.skipped.values()) == 108
    assert len(data.skipped) < 25


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"steps": -1},
        {"steps": 1.5},
        {"steps": True},
        {"end_ns": 9},
        {"start_ns": "10"},
        {"end_ns": None},
        {"key": 3},
        {"steps": 2**62},
        {"key": "k"},
        {"cpu_ns": -1},
    ],
    ids=repr,
)
def test_a_round_with_an_impossible_block_is_none(path: Path, change: dict[str, Any]) -> None:
    line = json.dumps({**ROUND, "blocks": [BLOCK, {**BLOCK, "key": "other", **change}]}).encode()
    (defect,) = after(path, line).skipped
    assert defect.startswith("`round` records")


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 10**30},
        {"start_ns": 10**30, "end_ns": 10**30 + 5},
        {"start_ns": -(10**400), "end_ns": 10**400},
        {"cpu_ns": "many"},
        {"main_ns": [1]},
        {"issue_ns": "1e3x"},
        {"cpu_ns": 10**400},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_block_with_numbers_that_no_clock_gives_is_foreign(path: Path, change: dict[str, Any]) -> None:
    """Numbers that do not fit 64 bits, and optional fields that are no numbers, break the arithmetic later."""
    line = json.dumps({**ROUND, "blocks": [{**BLOCK, **change}]}).encode()
    assert after(path, line).skipped.total() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"rank": 1},
        {"rank": 3, "ranks": 3},
        {"clock_offset_ns": 2**60},
        {"clock_offset_ns": -(2**60)},
        {"session": "s" * 2**17},
        {"issuing_cores": [[0]] * 1025},
        {"issuing_cores": [[2**16]]},
        {"devices": [{}] * 1025},
    ],
    ids=["rank", "ranks", "later", "earlier", "name", "threads", "core", "devices"],
)
def test_a_session_that_cannot_be_is_none(path: Path, change: dict[str, Any]) -> None:
    (defect,) = after(path, json.dumps({**VALID[0], **change}).encode()).skipped
    assert defect.startswith("`session` records")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400])
def test_a_time_that_is_not_finite_makes_a_record_foreign_or_torn(path: Path, number: bytes) -> None:
    line = b'{"type":"prepared","cell":"c","key":"k","first_call_s":1,"prepare_s":' + number + b"}"
    assert after(path, line).skipped.total() == 1


def test_an_unknown_field_is_left_where_it_is(path: Path) -> None:
    """A later version may write more."""
    line = json.dumps({**END, "later": [1, {"a": None}]}).encode()
    data = after(path, line)
    assert not data.skipped
    assert data.files["a.jsonl"] == made(END, END, END)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_appended_the_valid_lines_before_it_are_read(path: Path, seed: int) -> None:
    source = random.Random(seed)
    write(path, *VALID)
    rubbish = [
        source.randbytes(source.randrange(400)),
        bytes(source.choice(b'{}[]",:0123456789.eE-\\ntrufals\n') for _ in range(source.randrange(400))),
        _mutated(json.dumps(source.choice(VALID)).encode(), source),
    ]
    source.shuffle(rubbish)
    with path.open("ab") as file:
        file.write(source.choice([b"", b"\n"]).join(rubbish))
    data = read(path)
    assert data.files["a.jsonl"][: len(VALID)] == made(*VALID)
    write(path, END)
    assert read(path).files["a.jsonl"][-1] == made(END)[0]


def _mutated(line: bytes, source: random.Random) -> bytes:
    changed = bytearray(line)
    for _ in range(source.randrange(1, 6)):
        changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed)


def test_the_files_of_one_session_are_not_those_of_another_with_a_longer_name(path: Path) -> None:
    for name in ("s-try1-rank0", "s-try1-rank1", "s-try10-rank0", "launcher"):
        write(path.with_name(f"{name}.jsonl"), END)
    assert set(read(path, "s-try1-rank").files) == {
        "s-try1-rank0.jsonl",
        "s-try1-rank1.jsonl",
    }


def test_files_of_other_kinds_are_not_read(path: Path) -> None:
    path.with_suffix(".txt").write_bytes(b"\xff")
    data = read(path)
    assert (data.files, data.skipped) == ({}, {})

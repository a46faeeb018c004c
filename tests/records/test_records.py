"""Raw records: appended lines are read back, and nothing that stands in a file can break the reader."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import python_path

from harness.records.lines import Writer
from harness.records.raw import RawData, read_raw

END = {"type": "end", "cell": "c", "stop": "settled", "keys": ["k"]}
BLOCK = {"key": "k", "steps": 3, "start_ns": 10, "end_ns": 20}
ROUND = {"type": "round", "cell": "c", "round": 0, "blocks": [BLOCK]}
VALID: list[dict[str, Any]] = [
    {"type": "start", "device_kind": "cpu", "device_name": "x", "cores": 2},
    {"type": "point", "key": "k", "cell": "c", "axes": {"depth": 2}, "needs_python": True},
    {"type": "outcome", "key": "k", "status": "failed", "error": "é\u2028 \n"},
    {"type": "session", "session": "s", "rank": 0, "ranks": 1, "device_kind": "cpu", "device_name": "x"},
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


def read(path: Path) -> RawData:
    return read_raw(path.parent.parent)


def write(path: Path, *records: dict[str, Any]) -> None:
    writer = Writer(path)
    for record in records:
        fields = dict(record)
        writer.write(fields.pop("type"), **fields)
    writer.close()


def after(path: Path, line: bytes) -> RawData:
    """What is read when a line stands between two valid ones, which must not be lost."""
    valid = json.dumps(END).encode()
    path.write_bytes(valid + b"\n" + line + b"\n" + valid + b"\n")
    data = read(path)
    assert data.files["a.jsonl"][0] == data.files["a.jsonl"][-1] == END
    return data


@pytest.mark.parametrize("record", VALID, ids=lambda r: r["type"])
def test_what_is_written_is_read_back(path: Path, record: dict[str, Any]) -> None:
    write(path, record)
    data = read(path)
    assert data.files == {"a.jsonl": [record]}
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
    assert read(path).files["a.jsonl"] == VALID[:2]


def test_a_torn_last_line_is_skipped_and_counted(path: Path) -> None:
    write(path, END, END)
    path.write_bytes(path.read_bytes()[:-9])
    data = read(path)
    assert data.files["a.jsonl"] == [END]
    assert data.skipped == {"torn": 1}


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_torn_line_spoils_none_that_is_written_later(path: Path, cut: int) -> None:
    write(path, END, END)
    path.write_bytes(path.read_bytes()[:-cut])
    write(path, ROUND)
    data = read(path)
    assert data.files["a.jsonl"][0] == END
    assert data.files["a.jsonl"][-1] == ROUND
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
        (b"[" * 200_000, "torn"),
        (b'{"a":' * 200_000, "torn"),
        (b"9" * 5_000, "torn"),
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
    assert data.files["a.jsonl"] == [END, END]
    assert data.skipped == {kind: 1}


def test_empty_lines_are_nothing(path: Path) -> None:
    assert not after(path, b"\n  \n\r\n").skipped


@pytest.mark.parametrize("record", VALID, ids=lambda r: r["type"])
def test_a_record_without_one_of_its_fields_is_foreign(path: Path, record: dict[str, Any]) -> None:
    for name in set(record) - {"type"}:
        rest = {key: value for key, value in record.items() if key != name}
        assert after(path, json.dumps(rest).encode()).skipped == {"foreign": 1}, name


@pytest.mark.parametrize("record", VALID, ids=lambda r: r["type"])
@pytest.mark.parametrize("wrong", [None, True, {"a": 1}, [[]], "text", 1.5], ids=repr)
def test_a_field_of_another_type_makes_a_record_foreign(
    path: Path, record: dict[str, Any], wrong: object
) -> None:
    for name in set(record) - {"type"}:
        right = record[name]
        fits = type(right) is type(wrong) and not isinstance(right, (list, dict))
        if fits or (name.endswith("_s") and type(wrong) is float) or (name == "axes" and type(wrong) is dict):
            continue
        changed = json.dumps({**record, name: wrong}).encode()
        assert after(path, changed).skipped == {"foreign": 1}, (name, wrong)


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
    ],
    ids=repr,
)
def test_a_round_with_an_impossible_block_is_foreign(path: Path, change: dict[str, Any]) -> None:
    line = json.dumps({**ROUND, "blocks": [BLOCK, {**BLOCK, **change}]}).encode()
    assert after(path, line).skipped == {"foreign": 1}


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


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400])
def test_a_time_that_is_not_finite_makes_a_record_foreign_or_torn(path: Path, number: bytes) -> None:
    line = b'{"type":"prepared","cell":"c","key":"k","first_call_s":1,"prepare_s":' + number + b"}"
    assert after(path, line).skipped.total() == 1


def test_an_unknown_field_is_left_where_it_is(path: Path) -> None:
    """A later version may write more."""
    line = json.dumps({**END, "later": [1, {"a": None}]}).encode()
    data = after(path, line)
    assert not data.skipped
    assert data.files["a.jsonl"][1]["later"] == [1, {"a": None}]


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
    assert data.files["a.jsonl"][: len(VALID)] == VALID
    write(path, END)
    assert read(path).files["a.jsonl"][-1] == END


def _mutated(line: bytes, source: random.Random) -> bytes:
    changed = bytearray(line)
    for _ in range(source.randrange(1, 6)):
        changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed)


def test_the_files_of_one_session_are_not_those_of_another_with_a_longer_name(path: Path) -> None:
    for name in ("s-try1-rank0", "s-try1-rank1", "s-try10-rank0", "launcher"):
        write(path.with_name(f"{name}.jsonl"), END)
    assert set(read_raw(path.parent.parent, prefix="s-try1-rank").files) == {
        "s-try1-rank0.jsonl",
        "s-try1-rank1.jsonl",
    }


def test_files_of_other_kinds_are_not_read(path: Path) -> None:
    path.with_suffix(".txt").write_bytes(b"\xff")
    data = read(path)
    assert (data.files, data.skipped) == ({}, {})


def test_without_orjson_the_same_lines_are_read(tmp_path: Path) -> None:
    """On a machine where nothing can be installed."""
    (tmp_path / "raw").mkdir()
    lines = [
        '{"type":"closing","wall_s":1.5,"busy_s":1}',
        '{"type":"closing","wall_s":NaN,"busy_s":1}',
        '{"type":"closing","wall_s":1.5,',
        '{"type":"elsewhere"}',
    ]
    (tmp_path / "raw" / "s-rank0.jsonl").write_text("\n".join(lines) + "\n")
    code = (
        "import sys; sys.modules['orjson'] = None; from pathlib import Path; "
        "from harness.records.raw import read_raw; data = read_raw(Path(sys.argv[1])); "
        "print(len(data.files['s-rank0.jsonl']), dict(data.skipped))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    assert done.stdout.strip() == "1 {'torn': 2, 'foreign': 1}"
    assert len(read_raw(tmp_path).files["s-rank0.jsonl"]) == 1

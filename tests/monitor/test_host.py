"""The host's part of a sample, from a /proc whose numbers the test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.monitor.host import Host

STAT = """cpu  300 0 0 300 0 0 0 0 0 0
cpu0 {0} 0 0 {1} 0 0 0 0 0 0
cpu1 {2} 0 0 {3} {4} 0 0 0 0 0
intr 12345 0 0
"""


def write(proc: Path, *numbers: int) -> None:
    # In place: the file is held open.
    with (proc / "stat").open("r+" if (proc / "stat").exists() else "w") as file:
        file.write(STAT.format(*numbers))


def rank(proc: Path, pid: int, user: int, system: int, pages: int) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    fields = ["S", "1", *["0"] * 9, str(user), str(system), *["0"] * 8, str(pages)]
    (proc / str(pid) / "stat").write_text(f"{pid} (python (3) x) {' '.join(fields)}\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    write(tmp_path, 1000, 1000, 1000, 1000, 1000)
    return tmp_path


def test_each_core_has_its_use_since_the_last_look(proc: Path) -> None:
    host = Host(proc)
    assert "cores" not in host.use({})
    # Waiting for input and output is idle time.
    write(proc, 1025, 1075, 1100, 1000, 1000)
    assert host.use({})["cores"] == [25.0, 100.0]
    write(proc, 1025, 1175, 1100, 1000, 1100)
    assert host.use({})["cores"] == [0.0, 0.0]


def test_each_rank_has_its_processor_time_and_memory(proc: Path) -> None:
    rank(proc, 11, 150, 50, 512)
    rank(proc, 12, 100, 0, 256)
    said = Host(proc).use({11: 0, 12: 1})["ranks"]
    assert said == {
        "11": {"rank": 0, "cpu_s": 2.0, "rss_mib": 2.0},
        "12": {"rank": 1, "cpu_s": 1.0, "rss_mib": 1.0},
    }


def test_a_rank_that_has_ended_is_left_out(proc: Path) -> None:
    host = Host(proc)
    rank(proc, 11, 150, 50, 512)
    assert host.use({11: 0, 12: 1})["ranks"].keys() == {"11"}
    assert host.use({})["ranks"] == {}


def test_the_clock_is_the_mean_of_the_cores(proc: Path) -> None:
    (proc / "cpuinfo").write_text("cpu MHz\t\t: 2000.0\nmodel\t: x\ncpu MHz\t\t: 3000.5\n")
    assert Host(proc).mhz() == 2500.2
    (proc / "cpuinfo").write_text("no clock here\n")
    assert Host(proc).mhz() is None


def test_what_the_system_does_not_tell_is_left_out(tmp_path: Path) -> None:
    host = Host(tmp_path / "none")
    assert host.use({}).keys() <= {"load"}
    assert host.mhz() is None


def process(proc: Path, pid: int, own: int, children: int) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    fields = ["S", "1", *["0"] * 9, str(own), "0", str(children), "0", *["0"] * 10]
    (proc / str(pid) / "stat").write_text(f"{pid} (python) {' '.join(fields)}\n")


def test_the_cores_time_stands_beside_that_of_the_sweeps_own(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.monitor.host.allowed_cores", lambda: [0, 1])
    process(proc, 11, 100, 0)
    process(proc, 12, 300, 0)
    host = Host(proc)
    assert host.busy([11, 12]) == {"busy_s": 20.0, "own_s": 4.0}
    # 12 ends and 11 waits for it: what it took is still the sweep's.
    (proc / "12" / "stat").unlink()
    process(proc, 11, 150, 320)
    assert host.busy([11])["own_s"] == 4.7
    # A process that nobody waits for takes nothing back.
    process(proc, 11, 150, 0)
    assert host.busy([11])["own_s"] == 4.7

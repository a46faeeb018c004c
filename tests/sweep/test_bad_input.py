"""Bad input is refused before anything starts: one line that names key, value and what is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from running import environment

GROUPS = {"timing": "normal", "device": "cuda", "launcher": "local", "monitor": "node", "emulator": "none"}

BAD = [
    # what is written, what the line must name
    (["mode=[eagr]"], ["mode=eagr", "eager, symbolic, script, trace"]),
    (["sweep=nope"], ["sweep=nope", "dispatch", "smoke"]),
    (["dpth=[4]"], ["dpth=[4]", "depth (the nearest)"]),
    (["+foo=1"], ["foo=1", "one of"]),
    (["timing.block=3"], ["timing.block=3", "timing.block_ms"]),
    (["+timing.block=3"], ["timing.block=3", "timing.block_ms"]),
    (["device=gpu"], ["device=gpu", "auto, cpu, cuda"]),
    (["device.kind=tpu"], ["device.kind=tpu", "auto, cpu, cuda"]),
    (["timing=exact"], ["timing=exact", "precise"]),
    (["depth=[]"], ["depth=[]", "at least one whole number"]),
    (["batch=[]"], ["batch=[]", "at least one whole number"]),
    (["devices=[]"], ["devices=[]", "at least one whole number"]),
    (["mode=[]"], ["mode=[]", "eager"]),
    (["hidden=[]"], ["hidden=[]", "at least one whole number"]),
    *[
        ([f"{key}=[{value}]"], [key, value, "whole number"])
        for key in ("depth", "width", "batch", "devices", "hidden")
        for value in ("0", "-1", "0.5", "two")
    ],
    (["depth=[true]"], ["depth", "whole number"]),
    (["depth=4"], ["depth=4", "list", "depth=[4]"]),
    (["mode=eager"], ["mode=eager", "list"]),
    (["workload=[learn]"], ["workload=learn", "forward, train"]),
    (["dtype=[int8]"], ["dtype=int8", "float32"]),
    (["controller=[magic]"], ["controller=magic", "processes"]),
    (["scaling=odd"], ["scaling=odd", "weak, strong"]),
    (["scaling=strong", "batch=[3]", "devices=[2]"], ["batch=3", "multiple", "2"]),
    (["exclude=[{dpth:3}]"], ["exclude[0].dpth=3", "depth"]),
    (["exclude=[{depth:'>=x'}]"], ["exclude[0].depth", ">=x"]),
    (["exclude=[{}]"], ["exclude[0]", "empty rule"]),
    (["exclude=[{depth:[4,8,16,32,64]}]"], ["exclude", "at least one point"]),
    (["timing.rounds=0"], ["timing.rounds=0", "at least 1"]),
    (["timing.max_sessions=2"], ["timing.max_sessions=2", "timing.sessions"]),
    (["timing.rel_width=0"], ["timing.rel_width=0", "between 0 and 1"]),
    (["timing.block_ms=abc"], ["timing.block_ms=abc", "number"]),
    (["timeout_s=-1"], ["timeout_s=-1", "above 0"]),
    (["seed=abc"], ["seed=abc", "whole number"]),
    (["depth=[4"], ["depth=[4", "KEY=VALUE"]),
    (["nonsense"], ["nonsense", "KEY=VALUE"]),
    (["plugins=[no_such_module]"], ["plugins=no_such_module", "importable"]),
    (["name=a/b"], ["name=a/b", "folder"]),
    (["resume=nowhere"], ["resume=nowhere", "run directory"]),
    (["out=a_file"], ["out=a_file", "this is a file"]),
    (["out=a_file/below"], ["out=a_file/below", "is a file"]),
    (["out=foreign"], ["out=foreign", "other files", "thesis.txt"]),
    (["out=other"], ["out=other", "another sweep's config"]),
    (["resume=other", "depth=[4]"], ["resume=other", "drop depth=[4]"]),
    (["resume=other", "out=there"], ["resume=other", "either resume=RUN or out=DIR"]),
    (["resume=odd"], ["resume=odd", "run"]),
    # a value of a shape that its key does not have
    (["depth=[[4]]"], ["depth=[4]", "a whole number"]),
    (["depth=[{a: 1}]"], ["depth={'a': 1}", "a whole number"]),
    (["exclude=[1]"], ["exclude=[1]", "{depth: 64"]),
    *[([f"{group}=null"], [f"{group}=null", option]) for group, option in GROUPS.items()],
    (["timing=[quick]"], ["timing=[quick]", "quick"]),
    (["timing={a:1}"], ["timing={a:1}", "quick"]),
    (["=4"], ["=4", "a key"]),
    (["out="], ["out=", "a folder"]),
    (["resume="], ["resume=", "a folder"]),
    (["name=null"], ["name=null", "a text"]),
    (["name=" + "a" * 300], ["name=aaa", "at most 100"]),
    (["name=-x"], ["name=-x", "first"]),
    # beyond what anybody can mean
    *[
        ([f"{key}=[{value}]"], [f"{key}={value}", "at most", "("])
        for key in ("depth", "width", "batch", "devices", "hidden")
        for value in (2**62, 10**26)
    ],
    (["depth=[1000000000]"], ["depth=1000000000", "each layer is a module"]),
    (["devices=[100000]"], ["devices=100000", "at most 65_536"]),
    (["shard=1/99999999999999999999"], ["shard=1/9999", "at most 9999"]),
    (["device.threads=99999999999"], ["device.threads=99999999999", "at most 4_096"]),
    (["timing.block_ms=1e300"], ["timing.block_ms=1e+300", "at most 60_000"]),
    (["timing.block_ms=nan"], ["timing.block_ms=nan", "a number above 0"]),
    (["timeout_s=inf"], ["timeout_s=inf", "a week"]),
    # what was meant
    (["mode=eager,script"], ["mode=eager,script", "mode=[eager,script]", "-m"]),
    (["depth=4,64"], ["depth=4,64", "depth=[4,64]"]),
    (["dtype=fp16"], ["dtype=fp16", "bfloat16", "dtype=[float16]"]),
    (["dtype=[fp16]"], ["dtype=fp16", "the nearest: float16"]),
    (["hydra/launcher=joblib"], ["hydra/launcher=joblib", "basic"]),
    (["timing=quick", "timing.nope=1"], ["timing.nope=1", "timing.rounds"]),
    (["hidden=[]"], ["hidden=[]", "depth=[1]"]),
    (["depth=[4]", "--dry-run"], ["--dry-run", "dry_run=true"]),
    (["--dryrun"], ["--dryrun", "dry_run"]),
    (["-cn"], ["-cn", "a value must follow"]),
    (["sweeep=smoke"], ["sweeep=smoke", "sweep (the nearest)"]),
    (["sweep=smok"], ["sweep=smok", "the nearest: smoke"]),
    (["timing=precize"], ["timing=precize", "the nearest: precise"]),
    (["device=gpu"], ["device=gpu", "the nearest: cuda"]),
    (["emulator.devices=4"], ["emulator.devices=4", "emulator=v100x8"]),
    (["monitor.hz=1e-300"], ["monitor.hz=1e-300", "at least 0.01"]),
    (["DEPTH=[4]"], ["DEPTH=[4]", "depth (the nearest)"]),
    (["smoke"], ["smoke", "the nearest: sweep=smoke"]),
    (["precize"], ["precize", "the nearest: timing=precise"]),
    (["sweep=/etc/passwd"], ["sweep=/etc/passwd", "smoke"]),
    (["exclude=[{dpth:3}]"], ["exclude[0].dpth=3", "the nearest: depth"]),
    (["~name=x"], ["name", "dispatch"]),
    (["++timing=3"], ["timing"]),
    (["--cfg", "jop"], ["--cfg jop", "the nearest: job"]),
    (["--info=nothing"], ["--info nothing", "searchpath"]),
    (["--config-name", "nope"], ["nope"]),
    # each value within its bounds, and no end to the plan
    (["hidden=[" + "4," * 5000 + "4]"], ["hidden=[4,4", "at most 8192 characters"]),
    ([f"{key}=[{','.join(map(str, range(1, 300)))}]" for key in ("depth", "width")],
     ["depth=[1, 2", "50_000 points", "299 depth x 299 width"]),
    (["name=${oc.env:NOT_THERE}"], ["name=", "NOT_THERE"]),
    (["out=${nothing}"], ["out=", "nothing"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "named"), BAD, ids=lambda value: " ".join(value)[:60])
def test_refused_in_one_line(
    arguments: list[str], named: list[str], tmp_path: Path, monkeypatch, capfd
) -> None:
    from harness.commands.cli import main

    (tmp_path / "a_file").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").write_text("name: other\ndepth: [1]\n")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.yaml").write_text("name: other\nno_such_key: 1\n")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.setattr("harness.launch.local.probe_torch", lambda variables=None: PROBE)
    status = main(["sweep", *arguments])
    printed = capfd.readouterr()
    assert status == 2
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1, printed.err
    for words in named:
        assert words in lines[0]
    assert printed.out == ""
    assert sorted(tmp_path.rglob("*")) == before, "something was started or written"


def test_what_is_meant_under_m_is_said_for_each_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from harness.commands.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness"])
    assert main(["sweep", "-m", "mode=eager,scirpt"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "mode=eager,scirpt" in line and "mode=[eager,script]" in line


TYPED = (
    *(
        "1_1_1",
        "1e3",
        "true",
        "null_",
        "0x10",
        "007",
        ".5",
        "a=b",
        "~x",
        "a(b",
        "a#c&d",
        "a{b",
        "a[b]",
        "a,b",
        "a:b",
    ),
    *("it's", 'say "no"', "a b", "back\\slash", "end\\", "'quoted'", "結果"),
)


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize("key", ["out", "resume"])
def test_a_path_is_what_was_typed(
    typed: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "harness.commands.composed.hydra_app.run_sweep",
        lambda config, console, typed: asked.append(config) or 0,
    )
    monkeypatch.setattr("harness.commands.composed.hydra_app.resumed", lambda path, config, overrides: config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness"])
    from harness.commands.cli import main

    assert main(["sweep", f"{key}={typed}", "dry_run=true"]) == 0
    assert getattr(asked[0], key) == typed.strip("'")


@pytest.mark.parametrize("typed", ["1_1", "1e3", "true", "007"])
def test_a_name_is_what_was_typed(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "harness.commands.composed.hydra_app.run_sweep",
        lambda config, console, typed: asked.append(config) or 0,
    )
    monkeypatch.setattr("harness.plan.validate.check_plugins", lambda modules: None)
    monkeypatch.setattr("harness.plan.validate.load_plugins", lambda modules: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness"])
    from harness.commands.cli import main

    assert main(["sweep", "depth=[4]", "-m", f"name={typed},other", f"plugins=[{typed},mine]"]) == 0
    assert [config.name for config in asked] == [typed, "other"]
    assert asked[0].plugins == [typed, "mine"]
    assert (
        main(["sweep", f"name={typed}", f"plugins=[{typed}, 'mine']", f"launcher.srun_args=[--a={typed}]"])
        == 0
    )
    assert (asked[-1].name, asked[-1].plugins) == (typed, [typed, "mine"])
    assert asked[-1].launcher.srun_args == [f"--a={typed}"]


REGISTERING = "from harness.modes import Mode, register\n@register\n"
ENDING = {
    "exits": "import os\nos._exit(3)\n",
    "crashes": "import ctypes\nctypes.string_at(0)\n",
    "ends": "import sys\nsys.exit(0)\n",
    "raises": "class Odd(BaseException): pass\nraise Odd('why')\n",
    "interrupts": "raise KeyboardInterrupt\n",
    "registers_no_mode": REGISTERING + "class Mine:\n    name = 'mine'\n    needs_python = True\n",
    "registers_a_number": REGISTERING + "class Mine(Mode): name, needs_python, prepare = 5, True, None\n",
    "registers_a_list": REGISTERING + "class Mine(Mode): name, needs_python, prepare = 'a,b', True, None\n",
    "registers_half": REGISTERING + "class Mine(Mode): name, prepare = 'mine', None\n",
}


@pytest.mark.parametrize("module", ENDING)
def test_a_plugin_that_ends_the_process_is_refused_in_one_line(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{module}_when_imported.py").write_text(ENDING[module])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["harness"])
    from harness.commands.cli import main

    assert main(["sweep", f"plugins=[{module}_when_imported]"]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert f"{module}_when_imported" in line and "importable" in line


def test_a_plugin_that_leaves_a_thread_behind_is_imported_without_waiting_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.plan.allowed.plugins import check_plugins

    module = tmp_path / "leaves_a_thread.py"
    module.write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("harness.plan.allowed.plugins._TIMEOUT_S", 30)
    check_plugins(["leaves_a_thread"])


# What the probe answers on a machine without a GPU; asking torch would take 3 s for each case.
PROBE = {
    "torch": "2.14.1",
    "built_for_cuda": "13.0",
    "cpu_name": "a processor",
    "devices": [],
}


def cuda_probe(count: int) -> dict[str, object]:
    device = {"name": "a GPU", "memory_mib": 32_768, "capability": "7.0"}
    return {**PROBE, "devices": [device] * count}


@pytest.mark.parametrize(
    ("probe", "arguments", "named"),
    [
        (PROBE, ["device=cuda"], ["device=cuda", "cpu or auto", "no CUDA device"]),
        ({**PROBE, "built_for_cuda": None}, ["device=cuda"], ["device=cuda", "build without CUDA"]),
        (cuda_probe(4), ["device=cuda", "devices=[1,8]"], ["devices=8", "1 to 4"]),
    ],
    ids=["no device", "no CUDA build", "too few devices"],
)
def test_devices_that_are_not_there_are_refused_when_asked_for_by_name(
    probe, arguments, named, tmp_path: Path, monkeypatch, capfd
) -> None:
    from harness.commands.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.setattr("harness.launch.local.probe_torch", lambda variables=None: probe)
    assert main(["sweep", *arguments]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    for words in named:
        assert words in lines[0]
    assert not list(tmp_path.iterdir())


NOTHING_SET = {"variables": {}, "source_digest": "", "source": None}


def test_a_full_disk_is_refused_before_anything_is_measured(tmp_path: Path, monkeypatch, capfd) -> None:
    import shutil

    from harness.commands.cli import main

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.setattr("harness.launch.local.probe_torch", lambda variables=None: PROBE)
    monkeypatch.setattr("harness.records.directory.shutil.disk_usage", lambda path: usage._replace(free=1000))
    monkeypatch.setattr("harness.machine.environment.describe_environment", lambda *a: NOTHING_SET)
    monkeypatch.setattr("harness.sweep.run.describe_environment", lambda *a: NOTHING_SET)
    assert main(["sweep", "sweep=smoke", "out=run"]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "out=run" in lines[0] and "no space left" in lines[0]
    assert not list((tmp_path / "run" / "raw").iterdir())


@pytest.mark.long
def test_a_disk_that_fills_up_in_mid_sweep_ends_it_in_one_line(tmp_path: Path) -> None:
    """Every file is limited to so many bytes, as by a full disk; what was written before stays readable."""
    code = (
        "import resource, signal, sys\n"
        "from harness.commands.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["sweep", "sweep=smoke", "device=cpu", "devices=[1]", "depth=[2]", "out=run"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("harness: error:")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to become nobody")
def test_a_read_only_folder_is_refused_for_an_ordinary_user() -> None:
    from harness.core.errors import ConfigError
    from harness.plan.config import Config
    from harness.records.acceptable import check_path

    # Not tmp_path: pytest's folders can be entered by their owner alone.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        locked = Path(name) / "locked"
        locked.mkdir(mode=0o555)
        child = os.fork()
        if child == 0:  # as `nobody`: root may write anywhere
            os.setuid(65534)
            codes = []
            for path in (locked, locked / "new"):
                try:
                    check_path(path, Config())
                    codes.append(1)
                except ConfigError as error:
                    codes.append(0 if "read-only" in str(error) else 2)
            os._exit(max(codes))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.long
def test_a_port_that_is_taken_does_not_matter(harness, tmp_path: Path) -> None:
    """torchrun's own default port, and the one it is told of, are both in use."""
    import socket

    taken = []
    try:
        for port in (29500, 29400):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
                one.listen()
            except OSError:
                pass  # somebody else has it: taken all the same
            taken.append(one)
        done = harness(
            "sweep", "sweep=smoke", "device=cpu", "devices=[2]", "depth=[2]", "batch=[1]", "mode=[eager]", "out=run",
            MASTER_ADDR="192.0.2.1", MASTER_PORT="29500",
        )  # fmt: skip
    finally:
        for one in taken:
            one.close()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_raw_files_with_bad_lines_are_read_and_what_was_skipped_is_said(harness, tmp_path: Path) -> None:
    done = harness(
        "sweep",
        "sweep=smoke",
        "device=cpu",
        "devices=[1]",
        "depth=[2]",
        "batch=[1]",
        "mode=[eager]",
        "out=run",
    )
    assert done.returncode == 0, done.stderr
    before = (tmp_path / "run" / "points.csv").read_bytes()
    raw = tmp_path / "run" / "raw" / "processes-1-try1-rank0.jsonl"
    raw.write_bytes(
        b'\xff\xfe\x00binary\n{"type":"round","cell":1}\n[1,2]\n' + raw.read_bytes() + b'{"type":"rou'
    )
    again = harness("report", "run")
    assert again.returncode == 0, again.stderr
    assert "4 raw lines were skipped" in again.stdout.replace("\n", " ")
    assert (tmp_path / "run" / "points.csv").read_bytes() == before
    assert "4 raw lines were skipped" in (tmp_path / "run" / "report.md").read_text()

"""Work on a device apart: which device is meant, what its processes are given, and what is told of one that fails."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import pytest

from harness.commands.shared.apart import Apart, add_device, asked_profile, check_device, device_apart
from harness.core.errors import ConfigError, HarnessError
from harness.core.processes.children import path_variables

PROBE: dict[str, Any] = {
    "torch": "2.14.1",
    "built_for_cuda": "13.0",
    "cpu_name": "a processor",
    "devices": [],
    "cores": 2,
}
GPU = {**PROBE, "devices": [{"name": "a GPU", "memory_mib": 1, "capability": "9.0"}]}


def asked(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_device(parser)
    return parser.parse_args(words)


def test_auto_is_cuda_where_torch_sees_a_device_and_else_a_cpu() -> None:
    assert check_device("auto", PROBE).kind == "cpu"
    assert check_device("auto", GPU).kind == "cuda"
    assert check_device("cpu", GPU).kind == "cpu"
    assert check_device("cuda", GPU).name == "a GPU"


def test_cuda_where_there_is_none_is_refused_by_the_options_name() -> None:
    with pytest.raises(
        ConfigError, match=r"--device=cuda: not allowed; allowed: cpu or auto on this machine"
    ):
        check_device("cuda", PROBE)


def test_a_profile_is_for_an_emulated_device_alone() -> None:
    assert asked_profile(asked()) is None
    emulated = asked_profile(asked("--device", "emulated"))
    other = asked_profile(asked("--device", "emulated", "--profile", "h100x8"))
    assert emulated is not None and "V100" in emulated.name
    assert other is not None and "H100" in other.name
    with pytest.raises(ConfigError, match="only with --device emulated"):
        asked_profile(asked("--profile", "h100x8"))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a module `errand` lies that children find."""
    path = os.pathsep.join([str(tmp_path), path_variables()["PYTHONPATH"]]).strip(os.pathsep)
    monkeypatch.setenv("PYTHONPATH", path)
    return tmp_path / "errand.py"


def test_a_module_is_run_with_its_arguments_and_the_devices_variables(module: Path) -> None:
    module.write_text(
        "import os, sys\nprint(sys.argv[1:], os.environ['ONE'], os.environ['TWO'])\n", encoding="utf-8"
    )
    device = Apart("cpu", "a processor", {"ONE": "1"})
    assert device.run("errand", ["a", "b"], variables={"TWO": "2"}) == "['a', 'b'] 1 2\n"


@pytest.mark.parametrize(
    ("code", "said", "status"),
    [
        (
            "from harness.core.errors import *; tell(ConfigError('a', 1, 'b')); raise SystemExit(2)",
            "a=1: not",
            2,
        ),
        ("from harness.core.errors import *; tell(HarnessError('no')); raise SystemExit(1)", "no", 1),
        ("raise ValueError('of\\x1b[2J it')", r"errand ended with exit status 1: ValueError: of\?\[2J it", 1),
        ("import os; os.kill(os.getpid(), 9)", "errand ended with signal 9: it says nothing", 1),
    ],
)
def test_what_fails_is_told_in_one_line(code: str, said: str, status: int, module: Path) -> None:
    module.write_text(f"{code}\n", encoding="utf-8")
    with pytest.raises(HarnessError, match=f"^{said}") as failed:
        Apart("cpu", "a processor").run("errand")
    assert failed.value.exit_status == status
    assert "\n" not in str(failed.value)


def test_what_it_makes_in_between_is_gone_and_what_compilers_make_is_kept(module: Path) -> None:
    module.write_text(
        "import os, tempfile\nprint(tempfile.mkdtemp())\nprint(os.environ['TORCHINDUCTOR_CACHE_DIR'])\n",
        encoding="utf-8",
    )
    with device_apart("cpu", None) as device:
        assert device.kind == "cpu" and device.name
        made, kept = device.run("errand").splitlines()
        assert Path(made).is_dir()
    assert not Path(made).exists()
    assert not made.startswith(kept) and Path(kept).is_dir()

"""Whatever stands on the command line: a plan, or one line that says what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples import EXAMPLES
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.cli import main
from harness.core.errors import HarnessError
from harness.plan.allowed.bounds import numeric_keys
from harness.plan.config import Config

PROBE = {"torch": "2.14.1", "built_for_cuda": "13.0", "cpu_name": "a processor", "devices": []}
KEYS = (
    *numeric_keys(),
    *(
        "mode",
        "controller",
        "workload",
        "dtype",
        "autograd",
        "environment",
        "scaling",
        "exclude",
        "oversubscribe",
        "shard",
    ),
    *("timing", "device", "monitor", "emulator", "launcher", "sweep", "name", "out", "resume"),
    *(
        "device.kind",
        "monitor.sampler",
        "launcher.kind",
        "launcher.srun_args",
        "emulator.devices",
        "emulator.flop_s",
    ),
    *(
        "timing.nope",
        "x",
        "dpth",
        "Mode",
        "sweep.depth",
        "hydra.mode",
        "hydra/launcher",
        "depth@x",
        "a/b",
        "",
    ),
)
SCALARS = st.one_of(
    st.sampled_from(
        ["null", "true", "1e999", "nan", "-0", "''", '""', "[]", "{}", "eager", "script", "float16", "train"]
    ),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_subnormal=False).map(str),
    st.text(alphabet="abz019_.,:=[]{}()'\"\\$~#&%é \t", max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]"),
        st.tuples(SCALARS, inner).map(lambda pair: f"{{{pair[0]}:{pair[1]}}}"),
    ),
    max_leaves=4,
)
OVERRIDES = st.builds(
    lambda sign, key, value: f"{sign}{key}={value}",
    st.sampled_from(["", "", "", "+", "++", "~"]),
    st.sampled_from(KEYS),
    VALUES,
)


@pytest.fixture(scope="module", autouse=True)
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is run, and torch is not asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("overrides"))
        patch.setattr(sys, "argv", ["harness"])
        patch.setattr("harness.launch.local.probe_torch", lambda variables=None: PROBE)
        patch.setattr("harness.commands.composed.hydra_app.run_sweep", _planned)
        yield


def _planned(config: Config, console: object) -> int:
    from harness.plan.inventory import Inventory
    from harness.plan.layout import make_plan

    make_plan(config, Inventory("cpu", 2, "a processor", 2))
    return 0


@EXAMPLES
@given(overrides=st.lists(OVERRIDES, min_size=1, max_size=2))
def test_overrides_are_planned_or_refused_in_one_line(overrides: list[str]) -> None:
    from contextlib import redirect_stderr
    from io import StringIO

    with redirect_stderr(StringIO()) as told:
        status = main(["sweep", *overrides])
    lines = told.getvalue().splitlines()
    assert status in (0, 1, 2), overrides
    assert (status == 0) == (not lines), (overrides, lines)
    if status:
        assert len(lines) == 1 and lines[0].startswith("harness: error: "), (overrides, lines)


@EXAMPLES
@given(
    text=st.one_of(
        st.text(max_size=200),
        st.dictionaries(st.sampled_from(KEYS), VALUES).map(
            lambda said: "".join(f"{key}: {value}\n" for key, value in said.items())
        ),
    )
)
def test_a_config_of_anybody_is_gone_on_with_or_refused(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from harness.commands.composed.resumed import resumed
    from harness.plan.validate import validate

    folder: Path = tmp_path_factory.mktemp("config")
    (folder / "config.yaml").write_text(text, encoding="utf-8", errors="replace")
    try:
        config = validate(resumed(folder, Config(), []))
    except HarnessError as error:
        assert "\n" not in str(error)
    else:
        assert config.resume == str(folder)

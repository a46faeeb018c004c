"""The small parts of a duel: contrasts, looks, floors, outputs, facts, and what A and B may be."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.duel.contestants import Parts, is_file_of_requirements, parts_of_file, parts_of_lines
from harness.duel.contrasts import INTERACTION, NULL, OF_A_DUEL, of_swaps
from harness.duel.driven import A_AGAIN, A, B
from harness.duel.facts import differing, notes, same_place
from harness.duel.judged import floor_of, judged
from harness.duel.lengths import Lengths, lengths
from harness.duel.looks import FEWEST, MOST, fitting, looks
from harness.duel.outputs import Mismatch, check, difference
from harness.duel.repeat import Repeat, Rules
from harness.duel.swaps import FRAMEWORK, PYTHON, REST, swapped
from harness.environments.document import Environment
from harness.environments.interpreter import Interpreter


class TestContrasts:
    def test_what_slows_a_whole_round_down_leaves_no_trace(self) -> None:
        rounds = [{A: 1.0, A_AGAIN: 1.1, B: 1.3, "p": 1.7, "t": 0.9} for _ in range(3)]
        slower = [rounds[0], {arm: 3 * value for arm, value in rounds[1].items()}, rounds[2]]
        for contrast in (*OF_A_DUEL, *of_swaps({PYTHON: "p", FRAMEWORK: "t"})):
            assert math.isclose(contrast.of_rounds(rounds), contrast.of_rounds(slower)), contrast.name

    def test_a_ratio_is_above_1_where_b_is_faster(self) -> None:
        ratio, null = OF_A_DUEL
        assert ratio.of_rounds([{A: 2.0, A_AGAIN: 2.0, B: 1.0}]) == pytest.approx(2)
        assert null.of_rounds([{A: 3.0, A_AGAIN: 2.0, B: 1.0}]) == pytest.approx(1.5)

    def test_blocks_that_are_often_disturbed_favour_neither(self) -> None:
        """A third of all blocks take twice as long, whichever arm's they are."""
        chance = random.Random(0)

        def block() -> float:
            return math.exp(chance.gauss(0, 0.02)) * (2 if chance.random() < 1 / 3 else 1)

        rounds = [{A: block(), A_AGAIN: block(), B: block()} for _ in range(20_000)]
        ratio, _ = OF_A_DUEL
        assert ratio.of_rounds(rounds) == pytest.approx(1, abs=2e-3)

    def test_effects_that_multiply_have_no_interaction(self) -> None:
        *_, interaction = of_swaps({PYTHON: "p", FRAMEWORK: "t"})
        assert interaction.name == INTERACTION
        times = {A: 1.0, A_AGAIN: 1.0, "p": 1.2, "t": 1.5, B: 1.8}
        assert interaction.of_rounds([times]) == pytest.approx(1)
        assert interaction.of_rounds([{**times, B: 3.6}]) == pytest.approx(0.5)

    def test_of_one_component_there_is_none(self) -> None:
        assert [contrast.name for contrast in of_swaps({PYTHON: B})] == [PYTHON]


class TestLooks:
    @pytest.mark.parametrize("most", [1, 2, 4, 5, 8, 13, 300])
    def test_they_are_few_in_order_and_within_bounds(self, most: int) -> None:
        at = looks(most).at
        assert list(at) == sorted(set(at)) and len(at) <= 3
        assert at[0] >= min(FEWEST, most) and at[-1] == min(MOST, most)

    def test_looking_once_widens_nothing_and_more_often_more(self) -> None:
        widths = [looks(most).wider for most in (2, 5, 20)]
        assert widths[0] == 1.0
        assert widths == sorted(widths)

    def test_as_many_as_there_is_time_for(self) -> None:
        assert fitting(10, 10, 120) == 11 and fitting(20, 10, 120) == 10
        assert fitting(130, 10, 120) == 1 and fitting(0, 0, 120) == MOST


class TestLengths:
    RULES = Rules(block_ns=2e6, rounds=50, warm_s=0.5, builds=3)

    def lengths(self, limit_s: float) -> Lengths:
        """Of a repeat of 20 s, of which starting takes 6 s, preparing and warming up 5, rounds 9."""
        return lengths(Repeat(seconds=20.0, start_s=6.0, rounds_s=9.0), self.RULES, limit_s)

    def test_what_has_the_time_is_as_it_was(self) -> None:
        found = self.lengths(120)
        assert (found.rules, found.most, found.said) == (self.RULES, 5, "")

    @pytest.mark.parametrize("limit_s", [50, 58, 65, 75, 82])
    def test_else_four_end_in_time_by_fewer_rounds_or_builds(self, limit_s: float) -> None:
        found = self.lengths(limit_s)
        assert found.most == FEWEST and found.rules.rounds >= 10 and found.said
        assert 20 + 3 * found.each_s <= limit_s
        # A round more would not.
        assert (
            20 + 3 * (found.each_s + 9 / 150 * found.rules.builds) * 1.05 > limit_s
            or found.rules.rounds == 50
        )

    @pytest.mark.parametrize(("limit_s", "most"), [(1, 1), (19, 1), (30, 2), (40, 3)])
    def test_else_there_are_fewer(self, limit_s: float, most: int) -> None:
        found = self.lengths(limit_s)
        assert (found.most, found.rules.builds, found.rules.rounds) == (most, 1, 10)


class TestJudged:
    def test_the_floor_is_that_of_the_cells_nulls(self) -> None:
        assert floor_of([0.02]) == 0.02
        assert floor_of([0.0, 0.02]) == pytest.approx(0.019)

    def test_all_cells_of_a_repeat_are_one_value(self) -> None:
        """Two cells that are off in opposite directions by the same factor in each repeat."""
        cells = {
            "x": {"ratio": [1.1, 1.2, 1.3], NULL: [1.0, 1.0, 1.0]},
            "y": {"ratio": [1 / 1.1, 1 / 1.2, 1 / 1.3], NULL: [1.0, 1.0, 1.0]},
        }
        of_cells, overall = judged(cells, 1.0)
        assert overall.found["ratio"].ratio.estimate == pytest.approx(1)
        assert overall.found["ratio"].ratio.high - overall.found["ratio"].ratio.low < 1e-9
        assert of_cells["x"].found["ratio"].ratio.estimate == pytest.approx(1.1972, abs=1e-3)

    def test_a_wider_interval_has_the_same_middle(self) -> None:
        cells = {"x": {"ratio": [1.0, 1.1, 1.05], NULL: [1.0, 1.01, 0.99]}}
        once, often = (judged(cells, wider)[1].found["ratio"].ratio for wider in (1.0, 1.2))
        assert once.estimate == often.estimate
        assert math.log(often.high / often.low) == pytest.approx(1.2 * math.log(once.high / once.low))


class TestOutputs:
    def test_rounding_is_no_difference(self) -> None:
        check({A: ([1.0, 2.0],), B: ([1.0, 2.00001],)}, "float32")

    @pytest.mark.parametrize("other", [[1.0, 2.1], [1.0], [1.0, math.nan], [1.0, math.inf]])
    def test_anything_else_is(self, other: list[float]) -> None:
        with pytest.raises(Mismatch, match="b's output differs from a's by"):
            check({A: ([1.0, 2.0],), B: (other,)}, "float32")

    def test_what_is_infinite_in_both_is_none(self) -> None:
        assert difference(([math.inf, 1.0],), ([math.inf, 1.0],)) == 0

    def test_small_tensors_are_held_to_a_share_of_the_largest(self) -> None:
        large, small = [100.0, -50.0], [1e-9, 2e-9]
        assert difference((large, [2e-9, 1e-9]), (large, small)) < 1e-8
        assert difference(([2e-9, 1e-9],), (small,)) > 0.1


class TestFacts:
    def test_what_differs_is_said_and_what_one_lacks(self) -> None:
        a, b = (
            {"python": "3.11", "torch": "2.14.1", "mkl": "2024"},
            {"python": "3.11", "torch": "2.13.0", "x": "1"},
        )
        assert differing(a, b) == [("torch", "2.14.1", "2.13.0"), ("mkl", "2024", "-"), ("x", "-", "1")]

    def test_of_long_lists_the_words_that_one_alone_has(self) -> None:
        flags = " ".join(f"-Wflag-number-{number}" for number in range(20))
        assert differing({"flags": f"{flags} -O2 -DA"}, {"flags": f"-O2 {flags}"}) == [
            ("flags", "... -DA", "...")
        ]

    def test_two_environments_with_links_to_one_program_are_two(self, tmp_path: Path) -> None:
        pythons = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            pythons.append(tmp_path / name / "python")
            pythons[-1].symlink_to(sys.executable)
        (tmp_path / "one" / "python3").symlink_to("python")
        assert not same_place(*pythons)
        assert same_place(pythons[0], tmp_path / "one" / "python3")
        one, two = (Interpreter(Environment("x", "torch", str(path), (), {}), path) for path in pythons)
        other = replace(one, environment=replace(one.environment, variables={"X": "1"}))
        assert list(notes(one, two)) == []
        assert "the test of A against itself" in next(notes(one, one))
        assert "under other variables" in next(notes(one, other))


class TestContestants:
    def test_a_line_may_name_the_python_too(self) -> None:
        assert parts_of_lines("A", "", ["python==3.12", "torch==2.13.0", "numpy==2.0.1"]) == Parts(
            "3.12", "torch==2.13.0", ("numpy==2.0.1",)
        )

    def test_without_it_is_that_of_the_harness(self) -> None:
        assert parts_of_lines("A", "", ["torch==2.13.0"]).python == f"3.{sys.version_info.minor}"

    @pytest.mark.parametrize(
        "lines", [["numpy==2.0.1"], ["torch==2.13.0", "torch==2.14.1"], ["python==3.12", "python==3.11"], []]
    )
    def test_without_one_torch_it_is_refused(self, lines: list[str]) -> None:
        with pytest.raises(ConfigError, match="one line of torch"):
            parts_of_lines("B", " ".join(lines), lines)

    def test_a_file_stays_one_that_pip_reads(self, tmp_path: Path) -> None:
        path = tmp_path / "before.txt"
        path.write_text("# python==3.12\ntorch==2.13.0  # the old one\n\nnumpy==2.0.1\n# nothing\n")
        assert is_file_of_requirements(str(path))
        assert parts_of_file("A", path) == Parts("3.12", "torch==2.13.0", ("numpy==2.0.1",))

    @pytest.mark.parametrize(
        "line", ["--pre", "-r other.txt", "torch==2.13.0 --hash=sha256:0", "torch @ file:///x"]
    )
    def test_options_and_addresses_are_refused_by_the_word_that_was_given(self, line: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parts_of_lines("B", "b.txt", ["torch==2.13.0", line])
        assert str(caught.value).startswith(f"B={line}: not allowed")
        assert "key index" not in str(caught.value)

    def test_a_file_that_is_not_there_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            parts_of_file("A", tmp_path / "missing.txt")

    def test_the_same_parts_are_the_same_environment_and_others_another(self) -> None:
        one = Parts("3.12", "torch==2.13.0", ())
        assert one.environment("").name == Parts("3.12", "torch==2.13.0", ()).environment("").name
        assert one.environment("").name != Parts("3.11", "torch==2.13.0", ()).environment("").name
        assert one.environment("").name != one.environment("file:///packages").name
        assert one.environment("").python == "3.12"


def test_only_what_differs_is_swapped() -> None:
    a = Parts("3.11", "torch==2.13.0", ("numpy==2.0.1",))
    b = Parts("3.12", "torch==2.13.0", ("numpy==2.1.0",))
    assert swapped(a, b) == {
        PYTHON: Parts("3.12", "torch==2.13.0", ("numpy==2.0.1",)),
        REST: Parts("3.11", "torch==2.13.0", ("numpy==2.1.0",)),
    }
    assert swapped(a, a) == {}
    assert FRAMEWORK not in swapped(a, b)

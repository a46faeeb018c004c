"""An environment that lies within another one: two frameworks of which one brings the other take the room once."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from fake_pythons import FakePython

from harness.core.errors import ConfigError
from harness.environments import document, kept
from harness.environments.document import environment_of, named_environment
from harness.environments.interpreter import NotReady, create, ready
from harness.environments.looking import look


@pytest.fixture
def descriptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "environment"
    place.mkdir()
    (place / "whole.yaml").write_text('framework: torch\npython: "3.14"\nrequirements: [torch==2.13.0]\n')
    (place / "part.yaml").write_text("framework: json\nwithin: whole\nvariables: {A: b}\n")
    (place / "existing.yaml").write_text("python: /usr/bin/python3\n")
    monkeypatch.setattr(document, "folder_of_documents", lambda: place)
    monkeypatch.setattr(
        "harness.environments.looking.HERE",
        document.HERE.__class__("here", "json", document.HERE.python, (), {}),
    )
    return place


def test_keras_lies_within_tensorflow() -> None:
    keras, tensorflow = named_environment("keras"), named_environment("tensorflow")
    assert kept.folder_of(keras) == kept.folder_of(tensorflow)
    assert (keras.framework, keras.python, keras.requirements) == (
        *("keras", tensorflow.python, tensorflow.requirements),
    )
    assert any(line.startswith("keras==") for line in keras.requirements)


def test_making_one_makes_the_other_and_they_are_one_folder(
    folder: Path, fake: FakePython, descriptions: Path
) -> None:
    said: list[str] = []
    made = create(named_environment("part"), said.append)
    assert "part: lies within whole" in said
    assert made.environment.framework == "json" and made.python == ready(named_environment("whole")).python
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1
    assert len(fake.runs("-m", "venv")) == 1
    states = {each.name: each for each in look()}
    assert states["part"].state == states["whole"].state == "runs"
    assert states["whole"].size and states["part"].size is None, "its room is the other's"


def test_before_it_is_made_it_says_how(folder: Path, fake: FakePython, descriptions: Path) -> None:
    with pytest.raises(NotReady, match="part: not created: harness environment create part"):
        ready(named_environment("part"))


def test_one_that_lacks_the_framework_says_so(folder: Path, fake: FakePython, descriptions: Path) -> None:
    create(named_environment("whole"), lambda text: None)
    (made,) = [path for path in folder.iterdir() if path.is_dir()]
    plan = fake.folder / "plan.json"
    plan.write_text(
        json.dumps({**json.loads(plan.read_text()), "facts": {"python": "3.14.9", "found": False}})
    )
    with pytest.raises(NotReady, match="has no json"):
        ready(named_environment("part"))
    assert made.is_dir()


def test_a_session_s_file_keeps_where_it_lies(descriptions: Path) -> None:
    part = named_environment("part")
    plain = json.loads(json.dumps(asdict(part)))
    again = document.Environment(
        **{name: tuple(each) if isinstance(each, list) else each for name, each in plain.items()}
    )
    assert again == part and kept.folder_of(again) == kept.folder_of(named_environment("whole"))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"within": "whole", "python": "3.12"}, "environment.mine.python"),
        ({"within": "whole", "requirements": ["six==1.16.0"]}, "environment.mine.requirements"),
        ({"within": "whole", "index": "https://example.org"}, "environment.mine.index"),
        ({"within": "nowhere"}, "environment.mine.within"),
        ({"within": "part"}, "environment.mine.within"),
        ({"within": "existing"}, "environment.mine.within"),
        ({"within": "here"}, "environment.mine.within"),
        ({"within": "../whole"}, "environment.mine.within"),
        ({"within": ["whole"]}, "environment.mine.within"),
        ({"within": 3}, "environment.mine.within"),
    ],
)
def test_where_it_cannot_lie_is_refused_with_its_key(given: object, key: str, descriptions: Path) -> None:
    with pytest.raises(ConfigError) as found:
        environment_of("mine", given)  # type: ignore[arg-type]
    assert key in str(found.value)


def test_one_within_itself_is_refused(descriptions: Path) -> None:
    (descriptions / "loop.yaml").write_text("within: loop\n")
    with pytest.raises(ConfigError, match=r"environment\.loop\.within"):
        named_environment("loop")

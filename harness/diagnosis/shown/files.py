"""What a diagnosis leaves in a folder: the certificate first, before anything of it is measured.

In: a Diagnosis. Out: files. Must not import torch, nor know how anything was measured.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.files.made import Made

if TYPE_CHECKING:
    from harness.diagnosis.shown.result import Diagnosis
    from harness.passport.document import Passport

CERTIFICATE, PASSPORT = "certificate.json", "passport.json"
DATA, TEXT, PAGE, FIGURE = "diagnosis.json", "diagnosis.txt", "diagnosis.html", "diagnosis.png"
FILES = (CERTIFICATE, PASSPORT, DATA, TEXT, PAGE, FIGURE)


def write_certificate(found: Diagnosis, passport: Passport, folder: Path) -> None:
    """What is predicted, of when, and on which costs it rests."""
    made = Made(folder)
    made.claim(*FILES)
    stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
    made.write_text(CERTIFICATE, json.dumps({"written": stamp, **found.certificate()}, indent=2))
    made.write_text(PASSPORT, passport.as_json())


def write_diagnosis(found: Diagnosis, folder: Path) -> list[Path]:
    """The rest: data, text, page and figure. Answers all paths."""
    from harness.diagnosis.shown.drawing import draw
    from harness.diagnosis.shown.page import page

    made = Made(folder)
    made.write_text(DATA, found.as_json())
    made.write_text(TEXT, f"{found}\n")
    made.write_text(PAGE, page(found))
    made.write(FIGURE, draw(found))
    return [folder / name for name in FILES]

"""What tests in a browser need, and what is said where it is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


def missing(what: str) -> None:
    """On a developer's machine a browser may be missing; in CI a test that never runs would hide a fault."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def executable() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def opened(browser: Any, file: Path, **options: Any) -> Any:
    """A page in a window, once its script has run."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
    page.goto(file.as_uri())
    if options.get("java_script_enabled", True):
        page.wait_for_selector("#said:not(:empty)")
    return page


def broken_rules(page: Any) -> dict[str, list[str]]:
    """Rules of accessibility that are broken seriously, by their names, with the first places."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe is not installed: pip install axe-playwright-python")
        return {}
    found = Axe().run(page).response["violations"]
    return {
        each["id"]: [node["html"][:120] for node in each["nodes"]][:3]
        for each in found
        if each["impact"] in ("serious", "critical")
    }

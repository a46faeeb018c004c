"""report.html in a real browser: figures are seen, nothing is requested, nothing overflows sideways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic import failed, make_points, make_run

from harness.report.write import write_report


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    long = "NVIDIA-H100-80GB-HBM3-" * 12

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        return failed(error="<script>alert(1)</script>" + "x" * 300) if row["batch"] == 1 else None

    points = make_points(device_name=long, devices=(1, 2), batches=(1, 8, 64), depths=(2, 8), change=change)
    run = make_run(points, label="l" * 120, environment={"path": "/very/long" * 60, "gpus": [{"name": long}]})
    return write_report([run], tmp_path_factory.mktemp("report")).html


@pytest.mark.parametrize("width", [400, 800, 1280, 2000])
def test_the_page_is_whole_at_this_width(browser: Any, page_file: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto(page_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.wait_for_selector("#chart[data-ready]")
    # Decoded where they are scrolled to: here all of them, those behind a switch too.
    page.evaluate(
        "Promise.all([...document.querySelectorAll('figure img')]"
        ".map(i => { i.loading = 'eager'; return i.decode(); }))"
    )
    images = page.evaluate(
        "[...document.querySelectorAll('figure img')].filter(i => i.checkVisibility())"
        ".map(i => [i.naturalWidth, i.clientWidth, i.clientHeight])"
    )
    assert images
    assert all(size > 0 for image in images for size in image)
    assert page.evaluate("[...document.querySelectorAll('figure img')].every(i => i.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert errors == []
    page.close()

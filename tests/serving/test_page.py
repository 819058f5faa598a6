"""The page of `ups app`: nothing of it comes from elsewhere, and in a browser it answers, and says what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("fastapi")


def test_the_page_and_its_example(served):
    import httpx

    url, _ = served
    page = httpx.get(f"{url}/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|href)=\"?(https?:)?//", page.text) and "innerHTML" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert httpx.get(f"{url}/favicon.ico").status_code == 204  # asked for by every browser
    example = httpx.get(f"{url}/v1/example")
    record = example.json()
    assert record["skeleton"] == "h36m-17" and len(record["joints"][0]) == 17
    assert example.content == httpx.get(f"{url}/v1/example").content
    told = httpx.post(f"{url}/v1/predict", files={"file": ("example.json", example.content)}, timeout=300)
    assert told.status_code == 200 and told.json()["frames"] == len(record["joints"])


@pytest.mark.slow
def test_two_people_use_the_page_at_once(served, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("no Chromium here")
    url, _ = served
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"joints": "none"}))
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        pages = [browser.new_page() for _ in range(2)]
        for page in pages:
            page.goto(url)
            page.click("#example")
        for page in pages:
            page.wait_for_selector("canvas", timeout=120_000)
            assert page.locator(".bar").count() == 10 and page.inner_text("#error") == ""
        first = pages[0]
        first.set_input_files("#file", str(broken))
        first.click("#ask")
        first.wait_for_selector("#error:not(:empty)", timeout=60_000)
        assert "broken.json" in first.inner_text("#error")
        first.click("#example")  # one bad file does not end it
        first.wait_for_selector("canvas", timeout=120_000)
        browser.close()


@pytest.mark.slow
def test_videos_and_lessons_in_the_browser(working, walking, clips_zip, stand_in, tmp_path):
    """One user drops a video, meanwhile another one teaches; then a bad file each, and the page goes on."""
    playwright = pytest.importorskip("playwright.sync_api")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("no Chromium here")
    url, _ = working
    for name, content in {"walk.mp4": walking, "mine.zip": clips_zip, "bad.mp4": b"none", "bad.zip": b"none"}.items():
        (tmp_path / name).write_bytes(content)
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        first, second = (browser.new_page(viewport={"width": 1000, "height": 900}) for _ in range(2))
        problems: list[str] = []
        for page in (first, second):
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(url)
            page.wait_for_selector("#teach:not([hidden])")
        first.set_input_files("#file", str(tmp_path / "walk.mp4"))
        first.check("#force")
        first.click("#ask")
        second.click("#teach summary")
        second.set_input_files("#zip", str(tmp_path / "mine.zip"))
        second.fill("#steps", "2")
        second.check("#force")
        second.click("#learn")
        second.wait_for_selector("#work:not([hidden]) progress")
        shots = Path(os.environ.get("UPS_SCREENSHOTS") or tmp_path)
        second.screenshot(path=shots / "working.png", full_page=True)
        first.wait_for_selector("iframe", state="attached", timeout=240_000)
        assert first.locator(".bar").count() == 10 and first.inner_text("#error") == ""
        assert "result.json" in first.inner_text("#answers")
        inside = first.frame_locator("iframe")
        inside.locator("video").wait_for(timeout=60_000)
        inside.locator("canvas, svg").first.wait_for(timeout=60_000)
        first.locator("iframe").scroll_into_view_if_needed()
        loaded = "v => new Promise(done => v.readyState > 1 ? done('') : (v.onloadeddata = () => done(''), "
        loaded += "v.onerror = () => done(v.error.message), setTimeout(() => done('state ' + v.readyState), 30000)))"
        assert inside.locator("video").evaluate(loaded) == ""
        first.screenshot(path=shots / "video.png", full_page=True)
        second.wait_for_selector("iframe", state="attached", timeout=240_000)
        assert "2 actions from 12 clips" in second.inner_text("#answers")
        with second.expect_download() as got:
            second.click("text=model.zip >> visible=true")
        assert got.value.path().stat().st_size > 10_000
        second.screenshot(path=shots / "learned.png", full_page=True)
        first.set_input_files("#file", str(tmp_path / "bad.mp4"))
        first.click("#ask")
        second.set_input_files("#zip", str(tmp_path / "bad.zip"))
        second.click("#learn")
        for page, text in ((first, "not a video"), (second, "no readable zip")):
            page.wait_for_selector("#error:not(:empty)", timeout=120_000)
            assert text in page.inner_text("#error") and page.is_hidden("#work")
        parts = [("wave", 0.8, 0), (None, 0.9, 2)]
        parts = [{"action": a, "probability": p, "start": s, "end": s + 2} for a, p, s in parts]
        first.evaluate("soFar", {"timeline": parts})
        assert first.inner_text("#answers").split("\n")[-2:] == ["0 to 2 s: wave, 80 %", "2 to 4 s: nothing known"]
        first.click("#example")
        first.wait_for_selector(".bar", timeout=120_000)
        assert problems == []
        browser.close()

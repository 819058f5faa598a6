"""The page of `ups app`: nothing of it comes from elsewhere, and in a browser it answers, and says what is wrong."""

from __future__ import annotations

import json
import re
import shutil

import pytest

pytest.importorskip("fastapi")


def test_the_page_and_its_example(served):
    import httpx

    url, _ = served
    page = httpx.get(f"{url}/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|href)=\"?(https?:)?//", page.text) and "innerHTML" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
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

"""The quickstart: everything it promises to make is there, and its page says what was measured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import helpers
import numpy as np
import pytest

from ups.checkpoint.io import load
from ups.config import Config
from ups.data.open_file import read_file
from ups.data.store.store import Store
from ups.evaluation.evaluate import evaluate
from ups.experiments.quickstart import TASK, quickstart
from ups.inference.predictor import Predictor
from ups.tasks import TASKS

CONFIG = Config("test", helpers.MODEL, replace(helpers.TRAIN, cycles=4))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPS_CACHE", str(tmp_path_factory.mktemp("features")))
        return quickstart(tmp_path_factory.mktemp("quickstart") / "out", CONFIG, clips=48, fine_tune_cycles=3)


def test_everything_is_made(page):
    made = {path.name for path in page.parent.iterdir()}
    assert made == {
        "index.html", "stores", "unified", "fine_tuned", "recording_2d.npz", "recording_3d.npz", "lifted.png",
        "recognized.png",
    }  # fmt: skip
    assert load(page.parent / "unified" / "checkpoint").steps == 4 * len(TASKS)
    tuned = load(page.parent / "fine_tuned" / "checkpoint")
    assert tuned.steps == 3 and [mix.task for mix in tuned.config.train.tasks] == [TASK]


def test_the_recordings_are_test_clips(page):
    store = Store.open(page.parent / "stores" / "synthetic_2d")
    clip = read_file(page.parent / "recording_2d.npz")
    i = store.ids.index(clip.id)
    assert i in store.indices("xsub", "test")
    np.testing.assert_array_equal(clip.joints, store[i].joints)
    assert clip.pose_3d is not None and clip.image_size == store[i].image_size


def test_the_page_is_self_contained_and_tells_the_figures(page):
    html = page.read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!#|data:)', html)
    assert "<canvas" in html and html.count("<svg") == 4 and "score gap" in html
    for task in TASKS:
        assert task in html
    results = evaluate(
        Predictor.from_pretrained(page.parent / "unified" / "checkpoint"),
        page.parent / "stores",
        tasks=("estimate_pose",),
    )
    (metrics,) = results.values()
    assert f"{metrics['mpjpe_mm']:.1f} mm" in html


def test_a_second_quickstart_replaces_the_first(page, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("UPS_CACHE", str(tmp_path_factory.mktemp("features")))
    before = page.read_text(encoding="utf-8")
    again = quickstart(page.parent, CONFIG, clips=48, fine_tune_cycles=3)
    assert again == page
    assert count_of_points(page.read_text(encoding="utf-8")) == count_of_points(before) > 0
    log = (page.parent / "unified" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log].count(1) == 1


def count_of_points(html: str) -> int:
    """Points of the loss curves: the log of a new run replaces that of the old one."""
    chart = html[html.index("Loss of each task") :]
    return chart[: chart.index("</svg>")].count("<use ")


@pytest.mark.slow
def test_the_tiny_recipe_learns(tmp_path):
    page = quickstart(tmp_path / "out")
    results = evaluate(Predictor.from_pretrained(page.parent / "unified" / "checkpoint"), page.parent / "stores")
    assert results["recognize_3d/synthetic_3d:xsub"]["top1"] > 0.5
    assert results["recognize_2d/synthetic_2d:xsub"]["top1"] > 0.4
    curve = list(results["anticipate/synthetic_3d:xsub"]["top1_at"].values())
    assert curve[-1] > curve[0] and curve[-1] > 0.4

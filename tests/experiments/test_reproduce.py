"""Every column of the paper's tables has a documented command that fills it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import tyro

from ups.cli.experiments import RunExperiments
from ups.data.datasets.registry import DATA_SETS, prepared_otherwise
from ups.errors import SettingError
from ups.experiments.paper_report import ABLATED, ABLATIONS, preparation
from ups.experiments.paper_tables import published
from ups.experiments.runner import Experiment
from ups.recipes import RECIPES, get_recipe, with_assigned_data
from ups.tasks import get_task

PAGE = (Path(__file__).parents[2] / "docs" / "reproduce.md").read_text(encoding="utf-8")
METRICS = {
    "recognize_3d": {"top1": 0, "top5": 0},
    "recognize_2d": {"top1": 0, "top5": 0},
    "anticipate": {"top1_at": {"20%": 0, "40%": 0, "60%": 0}, "area_under_curve": 0},
    "estimate_pose": {
        f"{kind}{suffix}": dict.fromkeys(DATA_SETS["h36m_cpn"].classes, 0) if suffix else 0
        for kind in ("mpjpe_mm", "p_mpjpe_mm")
        for suffix in ("", "_per_action")
    },
}
"""What each task's evaluation finds, without figures; those of poses on Human3.6M."""


def documented() -> list[tuple[str, list[Experiment]]]:
    """(set, experiments) of every `ups experiments run` of the page."""
    text = re.sub(r"\\\n\s+", " ", PAGE)
    lines = [shlex.split(line) for line in re.findall(r"(?m)^    ups experiments run (.*)$", text)]
    return [(words[0], tyro.cli(RunExperiments, args=words).experiments()) for words in lines]


def keys_of(chosen: list[Experiment]) -> set[tuple[str, str]]:
    """(result, measure) that the experiments yield."""
    return {
        (f"{mix.task}/{ref}", measure)
        for experiment in chosen
        for mix in experiment.config.train.tasks
        for ref in mix.refs
        for measure in get_task(mix.task).measures(METRICS[mix.task])
    }


def test_documented_commands_fill_every_column():
    found = set().union(*(keys_of(chosen) for _, chosen in documented()))
    wanted = {(column.result, column.measure) for table in published().values() for column in table.columns}
    assert len(wanted) == 44 and not wanted - found


@pytest.mark.parametrize("number", ABLATIONS)
def test_a_table_of_comparisons_is_one_set_of_one_recipe(number):
    name, _, pattern = ABLATIONS[number]
    wanted = {(column.result, column.measure) for column in published()[number].columns}
    for chosen in (chosen for found, chosen in documented() if found == name and chosen[0].config.name == ABLATED):
        rows = [e for e in chosen if re.fullmatch(pattern, e.name)]
        assert len(rows) >= len(published()[number].rows)
        assert all(wanted <= keys_of([row]) for row in rows)
        return
    pytest.fail(f"no documented command fills table {number}")


def test_no_recipe_names_data_that_cannot_be_prepared():
    for config in RECIPES.values():
        for ref in (ref for mix in config.train.tasks for ref in mix.refs):
            known = DATA_SETS.get(ref.store)
            assert known is None or ref.protocol in known.protocols, f"{config.name}: {ref}"


def test_other_preparations_name_themselves():
    column = "recognize_3d/ntu60:xsub"
    assert preparation(column, column) == ""
    assert preparation("recognize_3d/ntu60_view_normalized:xsub", column) == "view_normalized"
    assert preparation("recognize_2d/ntu60_hrnet:xsub", column) == "hrnet, 2D action recognition"
    for other in ("recognize_3d/ntu60:xview", "recognize_3d/ntu120:xsub", "anticipate/ntu60_pyskl:xsub",
                  "recognize_3d/my_ntu60_x:xsub", "recognize_3d/ntu60_pyskl:xview"):  # fmt: skip
        assert preparation(other, column) is None
    assert preparation("estimate_pose/h36m_gt:official", "estimate_pose/h36m_cpn:official") is None
    official = "recognize_2d/kinetics_skeleton:official"
    assert preparation("recognize_2d/kinetics_skeleton_per_frame:official", official) == "per_frame"
    known = prepared_otherwise("kinetics_skeleton_hrnet")
    assert known is not None and known.name == "kinetics_skeleton" and prepared_otherwise("mine") is None


def test_data_given_by_task_take_the_recipes_place():
    config = with_assigned_data(get_recipe("tiny"), ("recognize_3d=ntu120:xset", "recognize_3d=ntu60:xsub"))
    mixes = {mix.task: mix.data for mix in config.train.tasks}
    assert mixes["recognize_3d"] == ("ntu120:xset", "ntu60:xsub") and mixes["anticipate"] == ("synthetic_3d:xsub",)
    for wrong in ("recognize_3d", "dance=ntu60:xsub", "recognize_3d=ntu60"):
        with pytest.raises(SettingError):
            with_assigned_data(get_recipe("tiny"), (wrong,))

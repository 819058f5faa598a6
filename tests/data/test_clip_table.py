"""What names of files and folders tell, and the clips.csv that is written from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ups.data.clip_table import Found, propose, write_table
from ups.data.custom import read_table
from ups.errors import SettingError

PEOPLE = ("anna", "bert", "carl")


def folder_of(path: Path, files: list[str]) -> Path:
    for name in files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("")
    return path


def each(form: str, **values: tuple) -> list[str]:
    """A name for every combination of the values."""
    names = [form]
    for key, choices in values.items():
        names = [name.replace(f"{{{key}}}", str(choice)) for name in names for choice in choices]
    return names


@pytest.mark.parametrize(
    ("files", "one", "people"),
    [
        (each("{a}/{p}_{i}.csv", a=("wave", "sit down"), p=PEOPLE, i=(1, 2)), "sit down/anna_1.csv|sit down|anna", 3),
        (each("{a}/{p}/{i}.csv", a=("wave", "SitDown"), p=PEOPLE, i=(1, 2)), "SitDown/anna/1.csv|Sit Down|anna", 3),
        (each("{a}_{p}_{i}.csv", a=("wave", "sit_down"), p=PEOPLE, i=(1, 2)), "sit_down_anna_1.csv|sit down|anna", 3),
        (each("{p}-{a}-{i}.csv", a=("wave", "sit_down"), p=PEOPLE, i=(1, 2)), "anna-sit_down-1.csv|sit down|anna", 3),
        (each("{a}_s{p}_t{i}.csv", a=("jog", "swipe_left"), p=("01", "02", 10), i=(1, 2)), "jog_s01_t1.csv|jog|s01", 3),
        (each("a{a}_s{p}_e0{i}_skeleton.csv", a=(1, 2), p=(1, 2), i=(1, 2)), "a1_s1_e01_skeleton.csv|a1|s1", 2),
        (each("S001C001P00{p}R001A0{a}.skeleton", a=(10, 11), p=(1, 2)), "S001C001P001R001A010.skeleton|a010|p001", 2),
        (each("Subject {p}/{a} {i}.csv", a=("wave", "sit down"), p=(1, 2, 10), i=(1, 2)),
         "Subject 1/sit down 1.csv|sit down|subject 1", 3),
        (each("{a}{i}.csv", a=("wave", "sit_down"), i=(1, 2, 3)), "sit_down1.csv|sit down|", 0),
        (each("{a}/{i}.csv", a=("None", "nan", "Grüße & Küsse"), i=(1, 2, 3)), "Grüße & Küsse/1.csv|Grüße & Küsse|", 0),
        (each("{a}/00{p}_00{i}.csv", a=("1", "2"), p=(1, 2), i=(1, 2)), "1/001_001.csv|1|", 0),
    ],
)  # fmt: skip
def test_what_names_tell(tmp_path: Path, files: list[str], one: str, people: int) -> None:
    proposal = propose(folder_of(tmp_path, files))
    assert len(proposal.rows) == len(files) and len({row.label for row in proposal.rows}) >= 2
    file, label, subject = one.split("|")
    (row,) = (row for row in proposal.rows if row.file == file)
    assert (row.label, row.subject) == (label, subject)
    assert len({row.subject for row in proposal.rows} - {""}) == people
    test = {row.subject for row in proposal.rows if row.split == "test"}
    train = {row.subject for row in proposal.rows if row.split == "train"}
    assert test and train and (not people or not test & train)
    assert any("the same people may be in both" in line for line in proposal.told) == (people == 0)
    labels = {row.label for row in proposal.rows}
    assert {row.label for row in proposal.rows if row.split == "train"} == labels
    assert {row.label for row in proposal.rows if row.split == "test"} == labels


def test_a_pattern_says_it_instead(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, each("x/{p}/{a}#{i}.csv", p=PEOPLE, a=("wave", "hop"), i=(1, 2)) + ["x/note.csv"])
    proposal = propose(folder, "{subject}/{label}#{take}")
    assert Found("x/anna/hop#1.csv", "hop", "anna", "", "train") in proposal.rows and len(proposal.rows) == 12
    assert any("left out: x/note.csv" in line for line in proposal.told)
    with_view = propose(folder, "{subject}/{label}#{view}").rows[0]
    assert (with_view.view, with_view.file) == ("1", "x/anna/hop#1.csv")
    for pattern, message in (
        ("{name}", "each once"),
        ("{label}{label}", "each once"),
        ("{label}@{subject}", "fits no"),
    ):
        with pytest.raises(SettingError, match=message):
            propose(folder, pattern)


def test_train_and_test_folders_are_the_parts(tmp_path: Path) -> None:
    files = each("{part}/{a}/{i}.npz", part=("train", "test"), a=("wave", "sit"), i=(1, 2)) + ["test/jump/1.npz"]
    proposal = propose(folder_of(tmp_path, files))
    assert all(row.split == row.file.split("/")[0] for row in proposal.rows)
    assert any("never trained: jump" in line for line in proposal.told)


def test_which_files_are_recordings(tmp_path: Path) -> None:
    files = each("{a}/{i}.CSV", a=("wave", "sit"), i=(1, 2)) + [
        "readme.txt",
        "wave/.hidden.csv",
        "wave/film.mp4",
        "clips.csv",
    ]
    folder = folder_of(tmp_path, files)
    proposal = propose(folder)
    assert [row.file for row in proposal.rows] == ["sit/1.CSV", "sit/2.CSV", "wave/1.CSV", "wave/2.CSV"]
    assert any("1 .txt" in line for line in proposal.told)
    frames = each("{a}/take {i}/{f}_keypoints.json", a=("hop", "run"), i=(1, 2), f=("000", "001"))
    folders = propose(folder_of(tmp_path / "op", frames))
    assert [row.file for row in folders.rows] == ["hop/take 1", "hop/take 2", "run/take 1", "run/take 2"]


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ([], {}, "no recording below it"),
        (["1.csv", "2.csv"], {}, "fewer than two actions .*names of files and folders don't tell"),
        (["wave_1.csv", "Wave 2.csv"], {}, "fewer than two actions .*all are"),
        (["wave_1.csv", "hop_1.csv"], {"split": "people"}, "needs two or more, found 0.*--names"),
        (each("{a}_s1_{i}.csv", a=("hop", "run"), i=(1, 2)), {"split": "people"}, "needs two or more, found 1"),
        (["wave_1.csv"], {"files": "*.npz"}, r"is called \*\.npz"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said(tmp_path: Path, files: list[str], options: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message) as error:
        propose(folder_of(tmp_path, files), **options)
    assert "\n" not in str(error.value)
    with pytest.raises(SettingError, match="no such folder"):
        propose(tmp_path / "none")


def test_spellings_become_one_and_the_table_is_read_back(tmp_path: Path) -> None:
    files = each(
        "{a}_{p}_{i}.csv", a=("jump rope", "jump_rope", "Jump-Rope", 'say "hi", twice'), p=("s1", "S1", "s2"), i=(1,)
    )
    proposal = propose(folder_of(tmp_path, files))
    assert {row.subject for row in proposal.rows} == {"s1", "s2"}
    write_table(tmp_path, proposal.rows, 12.5, (640, 480), "kinect")
    table = read_table(tmp_path)
    assert len(table.classes) == 2 and len(table.rows) == 12 and table.protocols == ("split",)
    row = table.rows[0]
    assert (row.fps, row.image_size, row.space) == (12.5, (640, 480), "kinect")
    assert {(r.file, r.label, r.subject) for r in table.rows} == {(r.file, r.label, r.subject) for r in proposal.rows}


def test_people_are_shared_out_so_that_every_action_is_in_both_parts(tmp_path: Path) -> None:
    who = {"wave": (1, 2, 3, 4, 5, 6), "hop": (3, 4), "run": (1, 6, 2)}
    files = [f"{label}_s{person}_{i}.csv" for label, people in who.items() for person in people for i in (1, 2)]
    rows = propose(folder_of(tmp_path, files)).rows
    for part in ("train", "test"):
        assert {row.label for row in rows if row.split == part} == set(who)


def test_thousands_of_files_take_a_moment(tmp_path: Path) -> None:
    files = each(
        "{a}_s{p}_{i}.csv",
        a=tuple(f"action {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(300)),
        p=range(5),
        i=(1, 2),
    )
    proposal = propose(folder_of(tmp_path, files))
    assert len(proposal.rows) == 3000 and len({row.label for row in proposal.rows}) == 300

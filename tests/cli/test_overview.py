"""Manners of the command: help that fits, what was meant by a misspelt word, nothing heavy before it is needed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

from ups import __version__
from ups.cli import COMMANDS, main
from ups.cli.overview import GROUPS, misspelt_options, overview
from ups.errors import did_you_mean

PATHS = [
    [name]
    for name in COMMANDS
    if name not in ("data", "experiments", "train")
] + [["train", "small"], ["data", "prepare"], ["data", "check"], ["data", "table"], ["experiments", "run"]]  # fmt: skip


def test_every_command_stands_in_the_overview_once():
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(COMMANDS) and len(set(named)) == len(named)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_overview_fits_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = overview(COMMANDS, __version__).splitlines()
    assert max(map(len, lines)) <= min(columns, 100) and any(line.strip().startswith("predict ") for line in lines)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_fits_80_columns(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = io.StringIO()
    with redirect_stdout(text), pytest.raises(SystemExit) as ended:
        main([*path, "--help"])
    assert ended.value.code == 0
    lines = text.getvalue().splitlines()
    assert len(lines) > 5 and max(map(len, lines)) <= 80


def test_no_words_and_help_show_the_overview(capsys):
    assert main([]) == 2 and main(["--help"]) == 0
    assert capsys.readouterr().out.count("Ask a model:") == 2
    assert main(["--version"]) == 0 and capsys.readouterr().out.strip() == f"ups {__version__}"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["predct", "x.json"], "no command 'predct'; did you mean predict?"),
        (["xyzzy"], "no command 'xyzzy'; `ups --help`"),
        (["predict", "x.json", "--modle", "ups-small"], "no option --modle; did you mean --model?"),
        (["data", "prepare", "nw_ucla", "--sorce", "x"], "no option --sorce; did you mean --source?"),
        (["predict", "x.json", "--model=m", "--tsak=anticipate"], "no option --tsak; did you mean --task?"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_misspelt_word_is_told_with_what_was_meant(words, meant, capsys):
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2 and meant in capsys.readouterr().err


def test_names_are_told_with_what_was_meant(tmp_path, capsys):
    assert main(["data", "prepare", "nw_ucl", "--source", str(tmp_path)]) == 2
    assert "did you mean nw_ucla?" in capsys.readouterr().err
    assert did_you_mean("zzz", ["abc"]) == ""
    assert misspelt_options(["--model", "--no", "-x", "--Model_"], "--model PATH --no") == [
        "there is no option --Model_; did you mean --model?"
    ]


@pytest.mark.parametrize("command", ["models", "--help"])
def test_what_needs_no_model_loads_no_torch(command):
    code = (
        "import sys; from ups.cli import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'scipy', 'matplotlib', 'lightning'} & set(sys.modules); sys.exit(f'{heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bare = (
        "import sys, ups; heavy = {'torch', 'numpy', 'tyro'} & set(sys.modules); sys.exit(f'{heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_models_lists_those_of_the_package_and_of_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    broken = tmp_path / "broken" / "checkpoint"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{")
    assert main(["models", "--runs", str(tmp_path), "--json"]) == 0
    models = {facts["model"]: facts for facts in json.loads(capsys.readouterr().out)["models"]}
    assert set(models) == {"ups-small", str(broken)}
    assert models["ups-small"]["actions"] >= 89 and "recognize_2d" in models["ups-small"]["tasks"]
    assert "can't be read" in models[str(broken)]["error"]
    assert main(["models", "--runs", str(tmp_path)]) == 0 and "can't be read" in capsys.readouterr().out

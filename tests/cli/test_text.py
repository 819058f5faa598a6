"""What the commands print is text: no markup, no control of the terminal, valid JSON; and signals end them well."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import helpers
import pytest
import tyro
from rich.table import Table

from ups.checkpoint.io import save
from ups.cli import main
from ups.cli.show import printable, say, show
from ups.data.store.store import StoreWriter
from ups.reporting.document import Text, write_document
from ups.skeletons import H36M_17

HOSTILE = "[/b] [red]sit\x1b[2J\x1b]0;title\x07 \u202edown :smile: \x9b1m\ud800 <b>|x|</b>"


def test_controls_are_shown_as_their_codes():
    assert printable("sit down, Füße 座る क्\u200dष") == "sit down, Füße 座る क्\u200dष"
    assert printable("a\x1b[2Jb\nc\r\u202e\u2028\x7f\ud800") == r"a\x1b[2Jb\nc\r\u202e\u2028\x7f\ud800"


def test_strings_are_shown_as_they_are_wherever_they_stand(capsys):
    table = Table("[/b]", title="[/x] :smile:")
    table.add_row(HOSTILE + "\nsecond line")
    for content in (table, HOSTILE):
        show(content)
    say(HOSTILE)
    out = capsys.readouterr().out
    assert out.count(r"[/b] [red]sit\x1b[2J\x1b]0;title\x07 \u202edown :smile: \x9b1m\ud800") == 3
    assert not any(c in out for c in "\x1b\x07\x9b\u202e") and "[/x] :smile:" in out


def test_a_store_with_hostile_names_is_described(tmp_path, capsys):
    name = HOSTILE.replace("\ud800", "")
    with StoreWriter(tmp_path / "s", "[/b]", H36M_17, "image", (name,), ("x",), "[/i]", True) as writer:
        writer.problems.append(name)
        for i in range(2):
            clip = helpers.random_clip(H36M_17, 1, 3, "image", seed=i)
            writer.add(clip, {"x": "train"})
    assert main(["data", "info", str(tmp_path / "s")]) == 0
    assert main(["predict", str(tmp_path / "a\x1b[2J[/b].csv"), "--model", "ups-small"]) == 2
    out, err = capsys.readouterr()
    assert "[red]sit" in out and "[/i]" in out and not any(c in out + err for c in "\x1b\x07\x9b\u202e")
    assert r"a\x1b[2J[/b].csv" in err


def test_a_document_in_markdown_has_no_html_no_links_and_no_controls(tmp_path):
    write_document(tmp_path, "t", [("", [Text(HOSTILE.replace("\ud800", "") + " [x](javascript:a)\rb")])])
    text = (tmp_path / "report.md").read_text()
    assert "&lt;b>\\|x\\|&lt;/b>" in text and "](" not in text
    assert not any(ord(c) < 32 and c != "\n" for c in text)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    trained = helpers.trained_model()
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    save(trained, folder, dict(trained.model.state_dict()))
    return folder


def ups(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from ups.cli import main; sys.exit(main())", *arguments]


def frames(number: int) -> list[str]:
    clip = helpers.random_clip(H36M_17, 1, number, "image")
    return [json.dumps(frame.tolist()) for frame in clip.joints[0]]


def test_a_stream_survives_lines_that_are_no_text_and_lines_without_end(model, monkeypatch, capsys):
    good = [line.encode() for line in frames(2)]
    lines = [good[0], b"\xff\xfe{", b"[" + b"1," * 700_000, b'{"joints": NaN}', b"[[1e999]]", b"[[1, 2", good[1]]
    raw = io.TextIOWrapper(io.BytesIO(b"\n".join(lines)), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", raw)
    size = ["--image-size", "1000", "500"]
    assert main(["stream", str(model), "--skeleton", "h36m-17", *size]) == 2
    out, err = capsys.readouterr()
    told = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert [answer.get("line") for answer in told] == [None, 2, 3, 4, 5, 6, None]
    assert "over 1,000,000 characters" in told[2]["error"] and "at character 8" in told[5]["error"]
    assert (told[0]["frame"], told[-1]["frame"]) == (0, 1) and "5 lines of the input have no answer" in err


def test_an_answer_that_is_no_number_is_an_error(tmp_path, monkeypatch, capsys):
    trained = helpers.trained_model()
    trained.model.output_scale.data += 1e5  # its exponential is infinite
    save(trained, tmp_path / "large", dict(trained.model.state_dict()))
    monkeypatch.setattr(sys, "stdin", frames(1))
    size = ["--image-size", "1000", "500"]
    assert main(["stream", str(tmp_path / "large"), "--skeleton", "h36m-17", *size]) == 2
    assert "not a number" in json.loads(capsys.readouterr().out)["error"]
    clip = {"joints": helpers.random_clip(H36M_17, 1, 4, "image").joints.tolist(), "skeleton": "h36m-17"}
    (tmp_path / "a.json").write_text(json.dumps(clip | {"image_size": [1000, 500]}))
    assert main(["predict", str(tmp_path / "a.json"), "--model", str(tmp_path / "large")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "not a number" in err


def test_a_closed_pipe_ends_a_stream_quietly(model):
    size = ["--image-size", "1000", "500"]
    child = subprocess.Popen(
        ups("stream", str(model), "--skeleton", "h36m-17", *size),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdin and child.stdout and child.stderr
    lines = frames(50)
    child.stdin.write(lines[0] + "\n")
    child.stdin.flush()
    assert json.loads(child.stdout.readline())["frame"] == 0
    child.stdout.close()
    try:
        child.stdin.write("\n".join(lines[1:]))
        child.stdin.close()
    except BrokenPipeError:
        pass
    assert child.wait(60) == 1 and child.stderr.read() == ""
    child.stderr.close()


def test_a_closed_pipe_ends_completion_quietly():
    script = "import sys; from ups.cli import main; sys.exit(main(['--tyro-print-completion', 'zsh']))"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout and child.stderr
    child.stdout.close()
    assert child.wait(60) == 1 and child.stderr.read() == ""
    child.stderr.close()


@pytest.mark.parametrize("plain", ["", "1"])
def test_no_color_turns_colours_off(plain, capsys, monkeypatch):
    monkeypatch.setitem(tyro._experimental_options, "ansi_codes", True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", plain)
    with pytest.raises(SystemExit):
        main(["predict", "--hlep"])
    assert ("\x1b[" in capsys.readouterr().err) == (not plain)


WRITING = """
import sys, time
from pathlib import Path
from ups.cli import Describe, main
from ups.files import new_folder
def run(self):
    with new_folder(Path(sys.argv[3]) / "thing", "a thing", "mark"):
        print("ready", flush=True)
        time.sleep(60)
Describe.run = run
sys.exit(main(sys.argv[1:3]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_leave_nothing_half_written(tmp_path, number):
    command = [sys.executable, "-c", WRITING, "describe", "tiny", str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "ready\n"
    assert len(list(tmp_path.iterdir())) == 1
    time.sleep(0.1)
    os.kill(child.pid, number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130 and err == "ups: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_behind_standard_output_is_told(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(ups("data", "list"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr == "ups: [Errno 28] No space left on device\n"

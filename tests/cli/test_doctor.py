"""`ups doctor`: what it finds here, and what it says where something is missing."""

import json

import pytest

from ups.cli import doctor, main


def test_a_healthy_installation(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("UPS_DATA", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    found = {line["what"]: line for line in said["findings"]}
    assert said["healthy"] and "recognised and lifted" in found["self test"]["found"]
    assert found["torch"]["found"] and found["stores in ./data"]["found"] == "none"
    assert "is no folder" in found["UPS_DATA"]["remedy"] and found["pose estimator"]["found"]


def test_what_is_missing_is_named_with_its_remedy(capsys, monkeypatch):
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: "" if name in ("scipy", "h5py") else real(name))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr()
    assert "pip install scipy" in shown.out and "scipy: ups will not work here" in shown.err
    assert "without h5py" in shown.out and "self test" not in shown.out


def test_a_broken_model_is_noticed(monkeypatch):
    import ups

    def broken(name):
        raise ValueError("damaged")

    monkeypatch.setattr(ups.Predictor, "from_pretrained", broken)
    finding = doctor._self_test()
    assert finding.remedy.startswith("!") and "damaged" in finding.found
    with pytest.raises(ValueError, match="damaged"):
        ups.Predictor.from_pretrained("ups-small")

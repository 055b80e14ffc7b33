from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import bench
from scripts.benchmark import footprint


def test_measures_a_small_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bench counts what the emulator was really asked, in a first run and in one that knows the keys."""
    monkeypatch.setattr(footprint, "ROUNDS", 1)
    file = tmp_path / "figures.json"

    code = bench.main(["--users", "4", "--due", "0.25", "--latency", "1", "--json", str(file)])

    assert code == 0
    assert "CreateAccessKey" in capsys.readouterr().out
    figures = json.loads(file.read_text())
    first, steady = (run["measured"] for run in figures["runs"])
    assert (first["calls"]["ListAccessKeys"], steady["calls"]["ListAccessKeys"]) == (4, 1)
    assert (first["calls"]["CreateAccessKey"], steady["calls"]["CreateAccessKey"]) == (1, 1)
    assert steady["summary"]["in_grace"] == 1
    assert set(figures["import_seconds"]) == set(footprint.MODULES)
    assert figures["archive_bytes"] < 25_000_000


@pytest.mark.parametrize(
    "arguments", [["--users", "0"], ["--users", "many"], ["--due", "0.9"], ["--due", "nan"], ["--latency", "-1"]]
)
def test_refuses_what_makes_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        bench.main(arguments)

    assert refused.value.code == 2
    assert f"{arguments[0]}: {arguments[1]} is not a number from" in capsys.readouterr().err

"""scripts/bench_report.py where it cannot measure; what it measures, a browser has to say."""

from __future__ import annotations

import pytest

from scripts import bench_report
from scripts.benchmark import crowd
from scripts.reporting.standing import Standing, standing


def test_without_a_browser_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_report, "BROWSERS", ("no-such-browser",))

    assert bench_report.main([]) == 1
    assert capsys.readouterr().err == (
        "No browser found. Install Chromium, or name one with --browser (no-such-browser).\n"
    )


@pytest.mark.parametrize("program", ["false", "true"])
def test_a_program_that_is_no_browser(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_report.main(["--users", "1", "--browser", program]) == 1
    assert capsys.readouterr().err.endswith(f"{program} does not do as asked: the browser has ended\n")


@pytest.mark.parametrize("users", ["0", "-1", "many", "20001"])
def test_a_number_of_users_that_is_none(users: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench_report.main(["--users", users])

    assert stopped.value.code == 2


def test_the_crowd_is_always_the_same_and_like_an_account() -> None:
    """Figures of two versions can be compared, and mean something."""
    found = crowd.survey(400)

    assert found == crowd.survey(400)
    standings = {standing(user, found.taken_at) for user in found.users}
    assert {Standing.DUE, Standing.DUE_SOON, Standing.IN_GRACE, Standing.FINE} <= standings

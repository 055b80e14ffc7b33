"""The report on a terminal: legible on 80 columns, complete on wide ones."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from scripts.reporting.table import ROOMY, as_table, beside
from scripts.sample_report import SURVEY


def shown(width: int) -> list[str]:
    """Print the sample report on so many columns."""
    screen = io.StringIO()
    console = Console(file=screen, width=width)
    console.print(as_table(SURVEY, width))
    console.print(beside(SURVEY))
    return [line.rstrip() for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 100, ROOMY, 200])
def test_no_key_is_broken_or_cut_off(width: int) -> None:
    """Nor anybody's name, an age or a date."""
    lines = shown(width)

    text = "\n".join(lines)
    for user in SURVEY.users:
        assert user.name in text
        for key in user.keys:
            (line,) = [line for line in lines if key.id in line]
            assert str(key.age.days) in line
            assert (f"{key.last_use.at:%Y-%m-%d}" if key.last_use else "never") in line
    assert "…" not in text


def test_on_80_columns_a_key_takes_a_line_and_a_user_few() -> None:
    """What made the report illegible there was a word a line."""
    lines = shown(80)

    assert max(map(len, lines)) <= 80
    assert len(lines) <= 8 * len(SURVEY.users)


def test_the_address_of_a_misconfigured_user_is_there_on_any_terminal() -> None:
    """Somebody has to write to them; it may take two lines."""
    cells = "".join(line[:20].strip() for line in shown(80))

    assert "frank.hoffmann@example.com" in cells
    assert "heidi.braun@example.com" not in cells


def test_on_wide_terminals_there_are_addresses_and_the_ledger() -> None:
    text = "\n".join(shown(200))

    assert all(user.email in text for user in SURVEY.users if user.email)
    assert "not in the ledger" in text


def test_the_worst_come_first() -> None:
    """The sample shows it as the report does."""
    text = "\n".join(shown(80))

    order = sorted((user.name for user in SURVEY.users), key=text.index)
    assert order == [user.name for user in SURVEY.users]
    assert (order[0], order[-1]) == ("frank.hoffmann", "heidi.braun")


def test_what_becomes_of_an_old_key_is_told_with_the_reason() -> None:
    text = " ".join(" ".join(shown(320)).split())

    assert "postponed by a day on 2030-03-05: the new key" in text
    assert "deletion on 2030-03-07" in text

"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich import box
from rich.table import Table
from rich.text import Text

from scripts.reporting.standing import Standing, standing
from scripts.reporting.survey import KeyReport, Step, Survey, UserReport
from scripts.terminal import printable

ROOMY = 132
"""From so many columns on, the ledger, the limits and the addresses have columns of their own."""

_STYLES = {
    **dict.fromkeys((Standing.OVERDUE, Standing.UNREADABLE, Standing.UNCONFIRMED, Standing.MISCONFIGURED), "red"),
    **dict.fromkeys((Standing.FOREIGN, Standing.HELD, Standing.DUE, Standing.DUE_SOON), "yellow"),
    Standing.IN_GRACE: "magenta",
    Standing.FINE: "green",
}


def as_table(survey: Survey, width: int) -> Table:
    """Lay out the users for so many columns, the worst first and a row per key."""
    return _roomy(survey) if width >= ROOMY else _narrow(survey)


def beside(survey: Survey) -> Table:
    """Lay out the users with keys whom the service leaves alone."""
    table = _table("Users with keys who are not tagged", survey)
    table.add_column("User", overflow="fold")
    table.add_column("Why", overflow="fold")
    table.add_column("Access key", no_wrap=True)
    table.add_column("Age", justify="right")
    table.add_column("Used", no_wrap=True)
    for user in survey.bystanders:
        rows: list[Sequence[Text]] = [(_identity(key), _age(key), _used(key)) for key in user.keys]
        rows = rows or [(Text("could not be read"),)]
        for number, row in enumerate(rows):
            why = user.why.replace("_", " ") + (f": {user.fault}" if user.fault else "")
            whose = ("", "") if number else (user.name, why)
            table.add_row(*map(_text, whose), *row)
    return table


def _table(title: str, survey: Survey) -> Table:
    return Table(
        title=_text(f"{title} in {survey.account}, {survey.taken_at:%Y-%m-%d %H:%M} UTC"),
        title_justify="left",
        caption=f"Ages are in days; ! marks active keys older than {survey.max_age_days} days.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def _narrow(survey: Survey) -> Table:
    """Lay out what matters on 80 columns: an access key takes 20 of them."""
    table = _table("Access keys of the tagged users", survey)
    table.add_column("User", overflow="fold", max_width=18)
    table.add_column("What happens", overflow="fold")
    table.add_column("Access key", no_wrap=True)
    table.add_column("Age", justify="right", no_wrap=True)
    table.add_column("Used", no_wrap=True)
    for user in survey.users:
        verdict = _verdict(user, survey.taken_at)
        if user.step:
            verdict.append("\n").append_text(_next(user.step, survey.taken_at))
        rows = [row for key in user.keys for row in _key_rows(key)] or [_no_key(user)]
        table.add_row(
            _name(user, with_email=user.decision is None),
            verdict,
            *(Text("\n").join(cells) for cells in zip(*rows, strict=True)),
        )
        table.add_section()
    return table


def _key_rows(key: KeyReport) -> Iterator[tuple[Text, Text, Text]]:
    """Give a key's row, and one below it for what is special about the key."""
    yield _identity(key), _age(key), _used(key)
    if key.is_ending or not key.active:
        state = key.entry.status if key.entry and key.is_ending else "inactive"
        yield Text(f"  {state}", style="dim"), Text(), Text()


def _roomy(survey: Survey) -> Table:
    table = _table("Access keys of the tagged users", survey)
    table.add_column("User", overflow="fold")
    table.add_column("Decision", overflow="fold")
    table.add_column("Next", overflow="fold")
    table.add_column("Limit + grace", justify="right")
    table.add_column("Access key", no_wrap=True)
    table.add_column("Age", justify="right", no_wrap=True)
    table.add_column("Used", overflow="fold")
    table.add_column("Ledger", overflow="fold")
    for user in survey.users:
        whose = _user_cells(user, survey.taken_at)
        rows: list[Sequence[Text]] = [
            (_identity(key), _age(key), _used(key, service=True), _state(key)) for key in user.keys
        ]
        for number, row in enumerate(rows or [_no_key(user)]):
            table.add_row(*([""] * len(whose) if number else whose), *row)
        table.add_section()
    return table


def _user_cells(user: UserReport, now: datetime) -> tuple[Text, ...]:
    limits = f"{user.policy.rotate_after_days} + {user.policy.delete_after_days}" if user.policy else "?"
    name = _name(user, with_email=True)
    return name, _verdict(user, now), _next(user.step, now) if user.step else Text("-"), Text(limits)


def _name(user: UserReport, *, with_email: bool) -> Text:
    """Write a user's name, and below it the address; on a narrow table, of those whom somebody has to write to."""
    name = _text(user.name)
    return name.append(f"\n{printable(user.email)}", style="dim") if with_email and user.email else name


def _verdict(user: UserReport, now: datetime) -> Text:
    verdict = _text(user.verdict, style=_STYLES[standing(user, now)])
    if user.why:
        verdict.append(printable(f": {user.why}"), style="default")
    for note in user.notes:
        verdict.append(f"\n{printable(note)}", style="yellow")
    return verdict


def _next(step: Step, now: datetime) -> Text:
    words = _text(step.announced(now)).append(f" {step.on:%Y-%m-%d}" if step.on else "")
    return words.append(printable(f": {step.why}") if step.why else "")


def _no_key(user: UserReport) -> tuple[Text, Text, Text]:
    return Text("" if user.unreadable else "no key"), Text(), Text()


def _identity(key: KeyReport) -> Text:
    return _text(key.id) if key.active else _text(key.id, style="dim")


def _age(key: KeyReport) -> Text:
    days = key.age // timedelta(days=1)
    return Text(f"{days} !", style="bold red") if key.too_old else Text(f"{days}  ")


def _used(key: KeyReport, *, service: bool = False) -> Text:
    if not key.is_use_known:
        return Text("?")
    if key.last_use is None:
        return Text("never")
    where = f", {key.last_use.service}" if service else ""
    return _text(f"{key.last_use.at:%Y-%m-%d}{where}")


def _state(key: KeyReport) -> Text:
    inactive = "" if key.active or key.state == "inactive" else ", inactive"
    return _text(f"{key.state}{inactive}")


def _text(words: str, style: str = "") -> Text:
    return Text(printable(words), style=style)

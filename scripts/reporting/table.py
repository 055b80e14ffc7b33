"""The report for a terminal."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.table import Table
from rich.text import Text

from functions.rotator.decide import Action
from scripts.reporting.survey import KeyReport, Step, Survey, UserReport
from scripts.terminal import printable


def as_table(survey: Survey) -> Table:
    """Lay out the users, a row per key."""
    table = Table(
        title=_text(f"Access keys of the tagged users in {survey.account}, {survey.taken_at:%Y-%m-%d %H:%M} UTC"),
        title_justify="left",
        caption=f"Ages are in days. An active key is too old with more than {survey.max_age_days}.",
        caption_justify="left",
    )
    table.add_column("User")
    table.add_column("Decision")
    table.add_column("Next")
    table.add_column("Limit + grace", justify="right")
    table.add_column("Access key", no_wrap=True)
    table.add_column("Age", justify="right")
    table.add_column("Last used")
    table.add_column("Ledger")
    for user in survey.users:
        whose = _user_cells(user, survey.taken_at)
        rows = [_key_cells(key) for key in user.keys] or [(Text("no key" if not user.unreadable else ""),)]
        for number, row in enumerate(rows):
            table.add_row(*([""] * len(whose) if number else whose), *row)
        table.add_section()
    return table


def _user_cells(user: UserReport, now: datetime) -> tuple[Text, ...]:
    verdict = _text(user.verdict, style=_style(user))
    if user.why:
        verdict.append(printable(f": {user.why}"), style="default")
    for note in user.notes:
        verdict.append(f"\n{printable(note)}", style="yellow")
    limits = f"{user.policy.rotate_after_days} + {user.policy.delete_after_days}" if user.policy else "?"
    return _text(user.name), verdict, _next(user.step, now), Text(limits)


def _next(step: Step | None, now: datetime) -> Text:
    if step is None:
        return Text("-")
    return Text(step.announced(now) + (f"\n{step.on:%Y-%m-%d %H:%M}" if step.on else ""))


def _style(user: UserReport) -> str:
    if user.decision is None:
        return "red"
    if user.decision.action in {Action.ROTATE, Action.RECOVER}:
        return "yellow"
    return "magenta" if user.decision.action is Action.SKIP else "green"


def _key_cells(key: KeyReport) -> tuple[Text, ...]:
    identity = _text(key.id)
    if not key.active:
        identity.append(" inactive", style="dim")
    age = Text(str(key.age // timedelta(days=1)), style="bold red" if key.too_old else "")
    if key.too_old:
        age.append(" !")
    used = f"{key.last_use.at:%Y-%m-%d}, {key.last_use.service}" if key.last_use else "never"
    return identity, age, _text(used), _text(key.state)


def _text(words: str, style: str = "") -> Text:
    return Text(printable(words), style=style)

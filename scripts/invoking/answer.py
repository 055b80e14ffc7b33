"""The rotator's answer for people: what happened to whom, and whom somebody has to look after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from functions.rotator.decide import Action
from scripts.terminal import printable

_NAMES = "names"
_DECISIONS = "decisions"
_TITLES = {
    "rotated": "rotated, and mailed a new key",
    "recovered": "interrupted rotation completed",
    "taken_back": "new key taken back",
    "announced": "notified of an upcoming rotation",
    "rearmed": "deletion of the old key rescheduled",
    "reminded": "reminded by mail",
    "addresses_changed": "old address notified of the change",
    "returned": "mail came back",
    "overdue": "an active key is too old",
    "oldest_key_age_days": "oldest active key, in days",
    "remaining": "not reached in this run",
    "malformed": "ledger items that cannot be read",
    "out_of_step": "the ledger is incomplete: was it lost or restored?",
}
_REASONS = ("overdue", "refused", "misconfigured", "failed")
_FEW = 20


def is_summary(answer: object) -> bool:
    """Tell whether an answer is laid out as a rotator's; one of another version may lack parts, and have others."""
    if not isinstance(answer, dict) or not isinstance(answer.get("remaining", 0), int):
        return False
    if not all(isinstance(answer.get(name, {}), dict) for name in (*_REASONS, "skipped", _NAMES, _DECISIONS)):
        return False
    decisions, names = answer.get(_DECISIONS, {}).values(), answer.get(_NAMES, {}).values()
    return all(map(_has_words, decisions)) and all(map(_is_words, names))


def _has_words(decision: object) -> bool:
    return isinstance(decision, dict) and _is_words(list(decision.values()))


def _is_words(words: object) -> bool:
    return isinstance(words, list) and all(isinstance(word, str) for word in words)


def show(answer: Mapping[str, Any]) -> Group:
    """Lay out an answer: a row for all that is not zero, then the reasons, and a dry run's decisions."""
    table = Table(title="Summary", title_justify="left")
    table.add_column("What", overflow="fold")
    table.add_column("Count", justify="right")
    table.add_column("Who", overflow="fold")
    for row in _rows(answer):
        table.add_row(*map(_text, row))
    parts: list[Table | Text] = [table] if table.row_count else [Text("There was nothing to do.")]
    parts += [_reasons(name, answer[name]) for name in _REASONS if answer.get(name)]
    if answer.get(_DECISIONS):
        parts.append(_decisions(answer[_DECISIONS]))
    return Group(*parts)


def _rows(answer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give what is not zero, and the names that go with it; what a newer rotator counts is shown as it is called."""
    names: Mapping[str, Sequence[str]] = answer.get(_NAMES, {})
    for name, value in answer.items():
        title = _TITLES.get(name, name.replace("_", " "))
        match value:
            case _ if not value or name in {_NAMES, _DECISIONS}:
                continue
            case True:
                yield title, "yes", ""
            case Mapping() if name == "skipped":
                for reason, number in value.items():
                    yield f"skipped: {str(reason).replace('_', ' ')}", str(number), ""
            case Mapping():
                yield title, str(len(value)), ", ".join(value)
            case list():
                yield title, str(len(value)), ", ".join(map(str, value))
            case _:
                yield title, str(value), ", ".join(names.get(name, ()))


def _reasons(name: str, reasons: Mapping[str, object]) -> Table:
    table = _table(name.capitalize(), "User", "Reason")
    for user, reason in reasons.items():
        table.add_row(_text(user), _text(f"an active key is {reason} days old" if name == "overdue" else reason))
    return table


def _decisions(decisions: Mapping[str, Mapping[str, str]]) -> Table:
    """Show what would be done; among many users, those for whom nothing is due are left out."""
    rank = {str(action): number for number, action in enumerate(Action)}
    shown = [
        (user, decision)
        for user, decision in decisions.items()
        if len(decisions) <= _FEW or decision.get("action") != Action.NOT_DUE
    ]
    shown.sort(key=lambda item: rank.get(item[1].get("action", ""), 0))
    table = _table("What a run would do", "User", "Decision", "Reason", "Access key")
    for user, decision in shown:
        words = (decision.get(part, "").replace("_", " ") for part in ("action", "reason"))
        table.add_row(*map(_text, (user, *words, decision.get("key", ""))))
    if left_out := len(decisions) - len(shown):
        table.caption = f"{left_out:,} users for whom nothing is due are left out: --json has them."
        table.caption_justify = "left"
    return table


def _table(title: str, *columns: str) -> Table:
    """Begin a table whose cells are never cut: on a narrow terminal they take more lines."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(words: object) -> Text:
    return Text(printable(words))

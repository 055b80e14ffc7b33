"""The report for a browser: one page that loads nothing, so that it can be mailed, archived and printed."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from functions.rotator.decide import Action
from scripts.reporting.survey import KeyReport, Survey, UserReport
from scripts.reporting.timeline import Bar, axis_for, bar_of

_FOLDER = Path(__file__).parent
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, kw_only=True)
class Inset:
    """Our own style or script, with the hash by which the page's policy lets in this one and no other."""

    text: Markup
    hash: str


def as_html(survey: Survey) -> str:
    """Write the page. What comes out of the account is escaped; and were it not, no script but ours would run."""
    axis = axis_for(survey.users, survey.max_age_days)
    bars: dict[str, Bar] = {key.id: bar_of(key, user, axis) for user in survey.users for key in user.keys}
    return _TEMPLATES.get_template("page.html.j2").render(
        survey=survey,
        tiles=_tiles(survey),
        bars=bars,
        ticks=axis.ticks(),
        audit=axis.x(survey.max_age_days),
        mood=_mood,
        age_days=_age_days,
        style=_inset("page.css"),
        script=_inset("page.js"),
    )


def _inset(name: str) -> Inset:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Inset(text=Markup(text), hash=f"sha256-{digest}")  # noqa: S704 - a file of ours


def _tiles(survey: Survey) -> list[tuple[int, str, str]]:
    """Count what a reader wants to know first: number, words, mood."""
    moods = [_mood(user) for user in survey.users]
    actions = [user.decision.action for user in survey.users if user.decision]
    active = sum(key.active for user in survey.users for key in user.keys)
    attention = moods.count("attention") + moods.count("fault")
    return [
        (len(survey.users), "tagged users", ""),
        (active, "active keys", ""),
        (moods.count("due"), "due at the next run", "due" if "due" in moods else ""),
        (actions.count(Action.IN_GRACE), "in grace", ""),
        (attention, "users to look at", "attention" if attention else ""),
        (len(survey.too_old), f"active keys older than {survey.max_age_days} days", "fault" if survey.too_old else ""),
    ]


def _mood(user: UserReport) -> str:
    if user.decision is None:
        return "fault"
    match user.decision.action:
        case Action.ROTATE | Action.RECOVER:
            return "due"
        case Action.SKIP:
            return "attention"
        case Action.IN_GRACE:
            return "grace"
    return "fine"


def _age_days(key: KeyReport) -> int:
    return key.age.days

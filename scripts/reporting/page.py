"""The report for a browser: one page that loads nothing, so that it can be mailed, archived and printed.

It stays small and quick with thousands of users: what the bars have in common is drawn once, by the style.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from functions.rotator.decide import Action
from scripts.reporting.standing import Standing, standing
from scripts.reporting.survey import KeyReport, Survey, UserReport
from scripts.reporting.timeline import Axis, Bar, axis_for, bar_of

_FOLDER = Path(__file__).parent
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_MOODS = {
    **dict.fromkeys((Standing.OVERDUE, Standing.UNREADABLE, Standing.UNCONFIRMED, Standing.MISCONFIGURED), "fault"),
    **dict.fromkeys((Standing.FOREIGN, Standing.HELD), "attention"),
    **dict.fromkeys((Standing.DUE, Standing.DUE_SOON), "due"),
    Standing.IN_GRACE: "grace",
    Standing.FINE: "fine",
}
_PER_PART = 50
"""Users that are laid out together, when they come into sight."""
_WIDEST, _NARROWEST = 38, 12
"""Characters that the column of users has room for, so that no address breaks which is not longer."""


@dataclass(frozen=True, kw_only=True)
class Inset:
    """Our own style or script, with the hash by which the page's policy lets in this one and no other."""

    text: Markup
    hash: str


@dataclass(frozen=True)
class Limits:
    """A maximum age and a grace period, in days."""

    rotate_after: int
    delete_after: int


def as_html(survey: Survey) -> str:
    """Write the page. What comes out of the account is escaped; and were it not, no script but ours would run."""
    axis = axis_for(survey.users, survey.max_age_days)
    usual = _usual_limits(survey)
    bars: dict[str, Bar] = {key.id: bar_of(key, user, axis) for user in survey.users for key in user.keys}
    return _TEMPLATES.get_template("page.html.j2").render(
        survey=survey,
        tiles=_tiles(survey),
        bars=bars,
        ticks=axis.ticks(),
        usual=usual,
        per_part=_PER_PART,
        is_usual=lambda user, key: _limits(user) == usual and key.active and not key.is_ending,
        mood=lambda user: _MOODS[standing(user, survey.taken_at)],
        sorted_by=lambda user: _sorted_by(user, survey.taken_at),
        style=_inset(_measures(survey, axis, usual) + _read("page.css")),
        script=_inset(_read("page.js")),
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _inset(text: str) -> Inset:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Inset(text=Markup(text), hash=f"sha256-{digest}")  # noqa: S704 - files of ours, and numbers


def _limits(user: UserReport) -> Limits | None:
    return Limits(user.policy.rotate_after_days, user.policy.delete_after_days) if user.policy else None


def _usual_limits(survey: Survey) -> Limits:
    """Find the limits that most users have: those the style draws, for all of them at once."""
    counted = Counter(limits for user in survey.users if (limits := _limits(user)))
    return counted.most_common(1)[0][0] if counted else Limits(0, 0)


def _measures(survey: Survey, axis: Axis, usual: Limits) -> str:
    """Write down, for the style, what all bars have in common, and how wide the column of users is."""
    words = [word for user in survey.users for word in (user.name, user.email or "")]
    widest = min(max(map(len, words), default=0), _WIDEST)
    grace = min(axis.width(usual.delete_after), 100 - axis.x(usual.rotate_after))
    left = 100 - grace
    measures = {
        "who": f"{max(widest, _NARROWEST)}ch",
        "step": f"{axis.width(axis.step())}%",
        "audit": f"{axis.x(survey.max_age_days)}%",
        "limit": f"{axis.x(usual.rotate_after) if usual.rotate_after <= axis.days else 200}%",
        "grace-width": f"{grace}%",
        # Where a background begins is told in percent of the room that it leaves.
        "grace-start": f"{round(axis.x(usual.rotate_after) / left * 100, 2) if left > 0 else 0}%",
    }
    return ":root {" + " ".join(f"--{name}: {value};" for name, value in measures.items()) + "}\n"


def _sorted_by(user: UserReport, now: datetime) -> dict[str, int | str]:
    """Give what each column sorts by; times are in minutes, and what there is not sorts last."""
    uses = [key.last_use.at for key in user.keys if key.last_use]
    return {
        "decision": int(standing(user, now)),
        "next": _minutes(user.step.on) if user.step and user.step.on else "",
        "age": round(user.oldest.total_seconds() / 3600),
        "used": _minutes(max(uses)) if uses else "",
    }


def _minutes(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _tiles(survey: Survey) -> list[tuple[int, str, str]]:
    """Count what a reader wants to know first: number, words, mood."""
    standings = [standing(user, survey.taken_at) for user in survey.users]
    actions = [user.decision.action for user in survey.users if user.decision]
    active = sum(key.active for user in survey.users for key in user.keys)
    due = standings.count(Standing.DUE)
    attention = sum(one <= Standing.HELD for one in standings)
    untagged_mood = "fault" if survey.untagged_too_old else "attention" if survey.untagged else ""
    return [
        (len(survey.users), "tagged users", ""),
        (active, "active keys", ""),
        (len(survey.too_old), f"active keys older than {survey.max_age_days} days", "fault" if survey.too_old else ""),
        (attention, "users to look at", "attention" if attention else ""),
        (due, "due at the next run", "due" if due else ""),
        (actions.count(Action.IN_GRACE), "in grace", ""),
        (len(survey.untagged), "users with keys, not tagged", untagged_mood),
    ]


def used(key: KeyReport) -> str:
    """Say when, and for what, a key was last used."""
    if not key.is_use_known:
        return ""
    if key.last_use is None:
        return "never used"
    return f"used {key.last_use.at:%Y-%m-%d}, {key.last_use.service}, {key.last_use.region}"


_TEMPLATES.filters["used"] = used

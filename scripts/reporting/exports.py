"""The report for programs: JSON with everything in it, CSV with a line per key."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime, timedelta
from typing import Any

from scripts.reporting.standing import standing
from scripts.reporting.survey import Bystander, KeyReport, Survey, UserReport
from scripts.terminal import printable

Record = dict[str, Any]


def as_json(survey: Survey) -> str:
    """Write the whole survey; times are ISO 8601 in UTC, ages are in days."""
    document = {
        "account": {"id": survey.account.id, "alias": survey.account.alias},
        "taken_at": _time(survey.taken_at),
        "max_age_days": survey.max_age_days,
        "passed": survey.passed,
        "users": [{**_of_user(user, survey), "keys": [_of_key(key) for key in user.keys]} for user in survey.users],
        "not_tagged": [
            {**_of_bystander(user), "keys": [_of_key_alone(key) for key in user.keys]} for user in survey.bystanders
        ],
        "malformed_ledger_items": list(survey.malformed),
    }
    return json.dumps(document, indent=2) + "\n"


def as_csv(survey: Survey) -> str:
    """Write a line per key, and one for a user without any; those who are not tagged come last.

    Spreadsheets take no cell of it for a formula.
    """
    records: list[Record] = []
    for user in survey.users:
        whose = _of_user(user, survey)
        whose["warnings"] = "; ".join(user.notes)
        records.extend({**whose, **_of_key(key)} for key in user.keys)
        if not user.keys:
            records.append(whose)
    for other in survey.bystanders:
        records.extend({**_of_bystander(other), **_of_key_alone(key)} for key in other.keys)
        if not other.keys:
            records.append(_of_bystander(other))
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in record.items()} for record in records)
    return text.getvalue()


def _of_bystander(user: Bystander) -> Record:
    return {
        "user": user.name,
        "decision": "unreadable" if user.unreadable else "left_alone",
        "reason": user.fault or user.why,
    }


def _of_user(user: UserReport, survey: Survey) -> Record:
    return {
        "user": user.name,
        "standing": standing(user, survey.taken_at).name.lower(),
        "email": user.email,
        "rotate_after_days": user.policy.rotate_after_days if user.policy else None,
        "delete_after_days": user.policy.delete_after_days if user.policy else None,
        "decision": user.verdict.replace(" ", "_"),
        "reason": user.fault or (user.decision.reason if user.decision else None),
        "next_step": user.step.what if user.step else None,
        "next_date": _time(user.step.on if user.step else None),
        "next_reason": (user.step.why or None) if user.step else None,
        "warnings": list(user.notes),
    }


def _of_key_alone(key: KeyReport) -> Record:
    """Tell of a key what IAM knows; without a last use it was never used, or that was not asked."""
    used = key.last_use
    return {
        "access_key_id": key.id,
        "active": key.active,
        "created_at": _time(key.created_at),
        "age_days": round(key.age / timedelta(days=1), 2),
        "too_old": key.too_old,
        "last_used_at": _time(used.at if used else None),
        "last_used_service": used.service if used else None,
        "last_used_region": used.region if used else None,
        "last_use_known": key.is_use_known,
    }


def _of_key(key: KeyReport) -> Record:
    entry = key.entry
    return {
        **_of_key_alone(key),
        "ledger_status": entry.status if entry else None,
        "ledger_ends_at": _time(entry.delete_on if entry else None),
        "ledger_successor": entry.new_key_id if entry else None,
        "ledger_replaces": entry.replaces if entry else None,
        "ledger_attempts": entry.attempts if entry else None,
        "ledger_last_error": entry.last_error if entry else None,
    }


# With these, the last four in full width, spreadsheets take a cell for a formula.
_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# With these, another cell may begin.
_FORMULA = re.compile(rf"([;,|\"] *)(?=[{re.escape(''.join(_SIGNS))}])")

_COLUMNS = (
    "user",
    "standing",
    "email",
    "rotate_after_days",
    "delete_after_days",
    "decision",
    "reason",
    "next_step",
    "next_date",
    "next_reason",
    "warnings",
    "access_key_id",
    "active",
    "created_at",
    "age_days",
    "too_old",
    "last_used_at",
    "last_used_service",
    "last_used_region",
    "last_use_known",
    "ledger_status",
    "ledger_ends_at",
    "ledger_successor",
    "ledger_replaces",
    "ledger_attempts",
    "ledger_last_error",
)


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _cell(value: object) -> object:
    """Write a value so that no program computes it, whichever character it takes for the end of a cell.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    shown = printable(value)  # tabs and line breaks become escapes: none begins a cell, or another one
    return _FORMULA.sub(r"\1'", f"'{shown}" if shown.lstrip(" ").startswith(_SIGNS) else shown)

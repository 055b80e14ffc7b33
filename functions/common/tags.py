"""The policy that a user's own tags state: where mail goes, how old a key may grow, how long the grace lasts.

Whoever may tag a user states that user's policy, so a value is data until it has been checked here. IAM compares tag
keys without regard to case, and so does this module, for ASCII letters. A key with a letter that only looks or folds
like one of ours (a dotless i, a Kelvin sign) would mean one thing to IAM's policies and another to Python: it is a
fault.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from functions.common.errors import PolicyError

PREFIX = "ikr:"
EMAIL = "IKR:EMAIL"
ROTATE_AFTER_DAYS = "IKR:ROTATE_AFTER_DAYS"
DELETE_AFTER_DAYS = "IKR:DELETE_AFTER_DAYS"
INSTRUCTION_PREFIX = "IKR:INSTRUCTION_"

HIGHEST_DAYS = 3650

# One plain ASCII address: a tag value may hold two of them, or letters that look like others.
_ATOM = r"[A-Za-z0-9_+=/-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@)(?=.{{1,254}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """The stack's limits, in days, for users whose tags do not override them."""

    rotate_after_days: int
    delete_after_days: int


@dataclass(frozen=True, kw_only=True)
class UserPolicy:
    """What holds for one user.

    Attributes:
        email: the one address that mail about this user's keys goes to.
        rotate_after_days: a key older than so many times 24 hours is due; with 0 every key is.
        delete_after_days: the grace period of an old key, in days.
        instruction: help text for the mail, empty if there is none.
        warnings: tags that were passed over, each with the reason.
    """

    email: str
    rotate_after_days: int
    delete_after_days: int
    instruction: str
    warnings: tuple[str, ...] = ()


def parse(
    tags: Mapping[str, str], *, defaults: Defaults, allowed_email_domains: frozenset[str] = frozenset()
) -> UserPolicy | None:
    """Read a user's policy from the user's tags.

    Args:
        tags: all tags of the user, as IAM returns them.
        defaults: the stack's limits.
        allowed_email_domains: lower-case domains that mail may go to; empty means any.

    Returns:
        The policy, or None for a user without ``IKR:EMAIL``, who is to be left alone.

    Raises:
        PolicyError: naming each tag that is wrong, and what is wrong with it.
    """
    ours = {key: value for key, value in tags.items() if is_ours(key)}
    policy_tags = {key.upper(): value for key, value in ours.items() if key.isascii()}
    faults = _faults_of_keys(list(ours))
    if EMAIL not in policy_tags and not faults:
        return None

    email = policy_tags.get(EMAIL)
    if email is None:
        faults.append(f"{EMAIL} is missing")
    elif not is_address(email):
        faults.append(f"{EMAIL} is {email!r}, which is not one plain e-mail address")
    elif email != (lowered := with_lower_domain(email)):
        # IAM's policies compare the domain by case, so another spelling would be refused there.
        faults.append(f"{EMAIL} is {email!r}, and its domain must be in lower case: {lowered}")
    elif not is_allowed(email, allowed_email_domains):
        faults.append(f"{EMAIL} is {email!r}, whose domain is not among the allowed ones")

    days = {}
    for tag, default in (
        (ROTATE_AFTER_DAYS, defaults.rotate_after_days),
        (DELETE_AFTER_DAYS, defaults.delete_after_days),
    ):
        value = policy_tags.get(tag)
        if value is None:
            days[tag] = default
        elif is_day_count(value):
            days[tag] = int(value)
        else:
            faults.append(f"{tag} is {value!r}, and must be a whole number from 0 to {HIGHEST_DAYS}")

    if faults or email is None:
        raise PolicyError("; ".join(faults))

    instruction, warnings = _instruction(policy_tags)
    return UserPolicy(
        email=email,
        rotate_after_days=days[ROTATE_AFTER_DAYS],
        delete_after_days=days[DELETE_AFTER_DAYS],
        instruction=instruction,
        warnings=warnings,
    )


def is_ours(key: str) -> bool:
    """Tell whether a tag's key begins with ``IKR:``, or with what looks or folds like it."""
    folded = unicodedata.normalize("NFKC", key).upper().casefold()
    return folded.replace("i\u0307", "i").startswith(PREFIX)


def same_address(one: str, other: str) -> bool:
    """Tell whether two addresses are one: the case of the domain means nothing, that of the mailbox may."""
    return one.rpartition("@")[0] == other.rpartition("@")[0] and domain_of(one) == domain_of(other)


def with_lower_domain(address: str) -> str:
    """Write an address with its domain in lower case; the case of the mailbox may mean something."""
    mailbox, at, domain = address.rpartition("@")
    return f"{mailbox}{at}{domain.lower()}"


def is_allowed(address: str, allowed_email_domains: frozenset[str]) -> bool:
    """Tell whether mail may go to an address; no domains allow any."""
    return not allowed_email_domains or domain_of(address) in allowed_email_domains


def is_address(value: str) -> bool:
    """Tell whether the value is exactly one plain ASCII e-mail address with a domain that has a dot."""
    return _ADDRESS.fullmatch(value) is not None


def is_day_count(value: str) -> bool:
    """Tell whether the value is ASCII digits for 0 to 3650; ``int`` alone takes spaces, signs and other scripts."""
    return value.isascii() and value.isdigit() and len(value) <= len(str(HIGHEST_DAYS)) and int(value) <= HIGHEST_DAYS


def domain_of(address: str) -> str:
    """Give the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def _faults_of_keys(keys: Sequence[str]) -> list[str]:
    """Find keys with letters beyond ASCII, and keys that differ in case alone."""
    faults = [f"the tag key {key!r} has characters other than ASCII" for key in keys if not key.isascii()]
    spellings = Counter(key.upper() for key in keys if key.isascii())
    faults += [f"{key} is set {times} times, in different spellings" for key, times in spellings.items() if times > 1]
    return faults


def _instruction(policy_tags: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Join the instruction's parts in the numeric order of their suffixes, so that 2 comes before 10."""
    parts: list[tuple[int, str]] = []
    warnings: list[str] = []
    for key, value in policy_tags.items():
        if not key.startswith(INSTRUCTION_PREFIX):
            continue
        suffix = key.removeprefix(INSTRUCTION_PREFIX)
        if suffix.isascii() and suffix.isdigit():
            parts.append((int(suffix), value))
        else:
            warnings.append(f"{key} is ignored: its suffix is not a number")
    return " ".join(value for _, value in sorted(parts)), tuple(warnings)

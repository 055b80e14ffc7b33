"""The file that says which policy tags which users get: read, and checked as a whole before anything is changed.

It is a JSON object of users, each an object of tags: ``{"alice": {"IKR:EMAIL": "alice@example.com"}}``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from functions.common import tags
from functions.common.errors import PolicyError

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
USER_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
TAGS_PER_USER = 50
LONGEST_TAG_KEY = 128
LONGEST_TAG_VALUE = 256
PUNCTUATION_IN_TAGS = frozenset("_.:/=+-@")

TagsByUser = dict[str, dict[str, str]]


class TagFileError(Exception):
    """The file cannot be used.

    Attributes:
        faults: everything that is wrong with it, one sentence each.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _Object(tuple[tuple[str, object], ...]):
    """A JSON object as its pairs, for a dict would drop the first of two equal names without a word."""

    __slots__ = ()


def load(path: Path) -> TagsByUser:
    """Read a tag file.

    Returns:
        The tags of each user, in the file's order. All of them are known policy tags with values that the service
        and IAM take.

    Raises:
        TagFileError: with all faults of the file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Object)
    except OSError as error:
        raise TagFileError(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TagFileError("it is not UTF-8 text") from None
    except ValueError as error:
        raise TagFileError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise TagFileError("it is nested too deeply: it must be an object of users, each an object of tags") from None

    if not isinstance(document, _Object):
        raise TagFileError('it must be an object of users: {"USER": {"TAG": "VALUE"}}')
    if not document:
        raise TagFileError("it names no user")
    if faults := [*_name_faults(document), *(fault for pair in document for fault in _user_faults(*pair))]:
        raise TagFileError(*faults)
    return {user: {tag: str(value) for tag, value in pairs} for user, pairs in document if isinstance(pairs, _Object)}


def _name_faults(users: _Object) -> Iterable[str]:
    for user, other in _repeated(name for name, _ in users):
        yield f"{_label(user)}: stands twice in the file" + (
            f", the second time as {_label(other)}" if user != other else ""
        )


def _user_faults(user: str, pairs: object) -> Iterable[str]:
    """Say what is wrong with one user's entry."""
    if not USER_NAME.fullmatch(user):
        yield f"{user!r}: is no IAM user name (1 to 64 letters, digits and + = , . @ _ -)"
    if not isinstance(pairs, _Object):
        yield f"{_label(user)}: must be an object of tags, each with a text as its value"
        return
    if not pairs:
        yield f"{_label(user)}: has no tags"
    if len(pairs) > TAGS_PER_USER:
        yield f"{_label(user)}: has {len(pairs)} tags, and IAM takes at most {TAGS_PER_USER}"
    for tag, other in _repeated(tag for tag, _ in pairs):
        yield f"{_label(user)}: {_label(tag)} stands twice" + (
            f", the second time as {_label(other)}" if tag != other else ""
        )

    known: dict[str, str] = {}
    for tag, value in pairs:
        if not _is_policy_tag(tag):
            yield (
                f"{_label(user)}: {tag!r} is no policy tag; these are {tags.EMAIL}, {tags.ROTATE_AFTER_DAYS}, "
                f"{tags.DELETE_AFTER_DAYS} and {tags.INSTRUCTION_PREFIX}0, {tags.INSTRUCTION_PREFIX}1, …"
            )
        elif not isinstance(value, str):
            yield f"{_label(user)}: {tag} must have a text as its value, in double quotes"
        else:
            known[tag.upper()] = value
            yield from (f"{_label(user)}: {tag} {fault}" for fault in _value_faults(value))
    yield from (f"{_label(user)}: {fault}" for fault in _policy_faults(known))


def _repeated(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Find names that IAM takes for the same: it compares them without regard to case."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            yield seen[name.lower()], name
        seen.setdefault(name.lower(), name)


def _label(name: str) -> str:
    """Write a name for the screen, on which what cannot be printed could do mischief."""
    return name if name.isprintable() else repr(name)


def _is_policy_tag(tag: str) -> bool:
    if not tag.isascii():
        return False
    tag = tag.upper()
    if tag in {tags.EMAIL, tags.ROTATE_AFTER_DAYS, tags.DELETE_AFTER_DAYS}:
        return True
    suffix = tag.removeprefix(tags.INSTRUCTION_PREFIX)
    return suffix != tag and suffix.isascii() and suffix.isdigit() and len(tag) <= LONGEST_TAG_KEY


def _value_faults(value: str) -> Iterable[str]:
    if len(value) > LONGEST_TAG_VALUE:
        yield f"has {len(value)} characters, and IAM takes at most {LONGEST_TAG_VALUE}"
    if foreign := sorted({character for character in value if not _fits_tag(character)}):
        yield (
            f"holds {', '.join(map(repr, foreign))}, which IAM does not take: only letters, digits, spaces "
            "and _ . : / = + - @"
        )


def _fits_tag(character: str) -> bool:
    r"""Tell whether IAM takes the character in a tag: ``[\p{L}\p{Z}\p{N}_.:/=+\-@]`` in its API model."""
    return character in PUNCTUATION_IN_TAGS or unicodedata.category(character)[0] in "LNZ"


def _policy_faults(policy_tags: dict[str, str]) -> Iterable[str]:
    """Ask the service's own parser.

    It leaves a user without an address alone. Here such a user may still get other tags, because the address may be
    tagged already; they are checked beside an address that is certainly right.
    """
    any_address = {} if tags.EMAIL in policy_tags else {tags.EMAIL: "someone@example.com"}
    try:
        tags.parse(any_address | policy_tags, defaults=tags.Defaults(rotate_after_days=0, delete_after_days=0))
    except PolicyError as error:
        yield str(error)

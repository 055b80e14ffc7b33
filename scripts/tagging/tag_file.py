"""The file that says which tags which users get: read, and checked as a whole before anything is changed.

It is a JSON object of users, each an object of tags, ``{"alice": {"IKR:EMAIL": "alice@example.com"}}``; or, with a name
that ends in ``.csv``, a table with a line per user.
"""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from functions.common import tags
from functions.common.errors import PolicyError
from scripts.tagging import csv_file
from scripts.terminal import did_you_mean, nearest

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
USER_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
TAGS_PER_USER = 50
LONGEST_TAG_KEY = 128
LONGEST_TAG_VALUE = 256
RESERVED_PREFIX = "aws:"
PUNCTUATION_IN_TAGS = frozenset("_.:/=+-@")

POLICY_TAGS = (tags.EMAIL, tags.ROTATE_AFTER_DAYS, tags.DELETE_AFTER_DAYS, f"{tags.INSTRUCTION_PREFIX}0")

TagsByUser = dict[str, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The tags that users are to get, in the file's order.

    Attributes:
        users: the tags of each user; those of the policy have values that the service and IAM take.
        notes: what is unusual, but no fault, a sentence each: tags that mean nothing to the service.
    """

    users: TagsByUser
    notes: tuple[str, ...] = ()


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


def load(path: Path) -> Wanted:
    """Read a tag file.

    Raises:
        TagFileError: with all faults of the file.
    """
    text = _text_of(path)
    if not text.strip():
        raise TagFileError("it is empty")
    return check(_read_csv(text) if path.suffix.lower() == ".csv" else _read_json(text))


def check(users: Iterable[tuple[str, object]]) -> Wanted:
    """Check users and the pairs of tag and value that each is to get.

    Raises:
        TagFileError: with everything that is wrong.
    """
    document = _Object((user, _Object(pairs) if isinstance(pairs, tuple) else pairs) for user, pairs in users)
    if not document:
        raise TagFileError("it names no user")
    if faults := [*_name_faults(document), *(fault for pair in document for fault in _user_faults(*pair))]:
        raise TagFileError(*faults)
    wanted = {user: {tag: str(value) for tag, value in pairs} for user, pairs in document if isinstance(pairs, tuple)}
    foreign = Counter(tag for found in wanted.values() for tag in found if not tags.is_ours(tag))
    return Wanted(users=wanted, notes=tuple(_note(tag, number) for tag, number in foreign.items()))


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TagFileError(f"it cannot be read: {error.strerror}") from None
    # Windows writes UTF-16 with such a mark where it says "Unicode".
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TagFileError(f"it is not UTF-8 text (line {line}): save it as UTF-8") from None


def _read_json(text: str) -> _Object:
    try:
        document = json.loads(text, object_pairs_hook=_Object)
    except ValueError as error:
        raise TagFileError(f"it is not JSON: {error}; the name of a CSV file ends in .csv") from None
    except RecursionError:
        raise TagFileError("it is nested too deeply: it must be an object of users, each an object of tags") from None
    if not isinstance(document, _Object):
        raise TagFileError('it must be an object of users: {"USER": {"TAG": "VALUE"}}')
    return document


def _read_csv(text: str) -> list[tuple[str, object]]:
    try:
        return [(user, _Object(pairs)) for user, pairs in csv_file.read(text)]
    except csv_file.Malformed as fault:
        raise TagFileError(str(fault)) from None


def _note(tag: str, number: int) -> str:
    whose = "1 user" if number == 1 else f"{number:,} users"
    guess = nearest(tag, [known.removeprefix(tags.PREFIX.upper()) for known in POLICY_TAGS])
    end = f"; did you mean {tags.PREFIX.upper()}{guess}?" if guess else "."
    return f"{_label(tag)} ({whose}) is not a tag of iam-key-rotator; it is set anyway{end}"


def _name_faults(users: _Object) -> Iterable[str]:
    for user, other in _repeated(name for name, _ in users):
        yield f"{_label(user)}: duplicate user" + (f", the second time as {_label(other)}" if user != other else "")


def _user_faults(user: str, pairs: object) -> Iterable[str]:
    """Say what is wrong with one user's entry."""
    if not USER_NAME.fullmatch(user):
        yield f"{user!r}: is not an IAM user name (1 to 64 letters, digits and + = , . @ _ -)"
    if not isinstance(pairs, _Object):
        yield f"{_label(user)}: must be an object of tags, each with a text as its value"
        return
    if not pairs:
        yield f"{_label(user)}: has no tags"
    if len(pairs) > TAGS_PER_USER:
        yield f"{_label(user)}: has {len(pairs)} tags, and IAM takes at most {TAGS_PER_USER}"
    for tag, other in _repeated(tag for tag, _ in pairs):
        again = f", the second time as {_label(other)}" if tag != other else ""
        yield f"{_label(user)}: duplicate tag {_label(tag)}{again}"

    for tag, value in pairs:
        yield from (f"{_label(user)}: {fault}" for fault in _tag_faults(tag, value))
    known = {tag.upper(): str(value) for tag, value in pairs if _is_policy_tag(tag) and _is_value(value)}
    yield from (f"{_label(user)}: {fault}" for fault in _policy_faults(known))


def _tag_faults(tag: str, value: object) -> Iterable[str]:
    """Say what is wrong with one tag, apart from what its value means to the service."""
    if tags.is_ours(tag) and not _is_policy_tag(tag):
        near = did_you_mean(tag, POLICY_TAGS) or f"; these are {', '.join(POLICY_TAGS)}, …"
        yield f"{tag!r} is not a policy tag{near}"
    elif not tags.is_ours(tag) and (fault := _fault_of_key(tag)):
        yield f"the tag {tag!r} {fault}"
    elif not _is_value(value):
        yield f"{_label(tag)} must have a text or a whole number as its value"
    else:
        yield from (f"{_label(tag)} {fault}" for fault in _value_faults(str(value)))


def _is_value(value: object) -> bool:
    """Tell whether a tag can have this value: a text, or a number such as 80; to Python, JSON's true is one as well."""
    return isinstance(value, str | int) and not isinstance(value, bool)


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


def _fault_of_key(tag: str) -> str | None:
    """Say what IAM has against the key of a tag that is not ours."""
    if not 1 <= len(tag) <= LONGEST_TAG_KEY:
        return f"has {len(tag)} characters, and IAM takes 1 to {LONGEST_TAG_KEY}"
    if tag.lower().startswith(RESERVED_PREFIX):
        return f"begins with {RESERVED_PREFIX}, which AWS keeps for itself"
    return None if all(map(_fits_tag, tag)) else "has characters that IAM does not take"


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

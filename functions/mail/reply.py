"""What a mail service answered, made fit for an error message."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator

from functions.mail.message import Message

RUN = 8
"""How many characters of a secret in a row a quoted reply never shows. Seven give away 42 of a secret access key's 240
bits."""

_LONGEST = 200
_BLOTTED = "[...]"

# Secret access keys and Fernet tokens are unbroken runs of these characters, 40 and more of them.
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/=_-]{32,}")

# One character as quoted-printable, percent encoding, JSON and other languages write it.
_ESCAPED = re.compile(r"(?:[=%]|\\u00|\\x)([0-9A-Fa-f]{2})")
_ESCAPED_BLANK = re.compile(r"\\[nrt]")
# What SMTP servers begin each line of a reply with (RFC 2034).
_LINE_CODE = re.compile(r"(?:\b\d{3}[ -])?\b\d\.\d{1,3}\.\d{1,3}\b")


def quote(reply: str | bytes, message: Message, password: str = "") -> str:
    """Return a reply as one short line that shows nothing secret, however the service has encoded it.

    Anything that looks like key material is blotted out. If what is left still holds ``RUN`` characters in a row of
    something secret, all of it is.

    Args:
        reply: the service's words.
        message: the mail that it was handed. A service may quote it.
        password: what it was logged in to with.
    """
    words = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    line = " ".join(_KEY_MATERIAL.sub(_BLOTTED, words).split())
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
    secrets = [*_KEY_MATERIAL.findall(message.text), *filter(None, [password])]
    runs = {run for secret in secrets for form in _forms(secret) for run in _runs(_squeezed(form))}
    shown = [_squeezed(reading) for reading in _readings(line)]
    return _BLOTTED if any(run in reading for run in runs for reading in shown) else line


def _forms(secret: str) -> Iterator[str]:
    """Write a secret as it is, in hexadecimal, and in base64 at each of the three places it may have in a whole."""
    data = secret.encode()
    yield secret
    yield data.hex()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        # Its first and last characters may depend on the neighbours, too.
        yield encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]


def _runs(form: str) -> Iterator[str]:
    length = min(RUN, len(form))
    if length:
        yield from (form[start : start + length] for start in range(len(form) - length + 1))


def _readings(line: str) -> set[str]:
    """Read a line as it is, and with whatever may be encoded in it decoded, twice over."""
    readings = {line}
    for _ in range(2):
        for decode in (html.unescape, _unescape, _without_codes):
            readings |= {decode(reading) for reading in readings}
    return readings


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), _ESCAPED_BLANK.sub(" ", text))


def _without_codes(text: str) -> str:
    return _LINE_CODE.sub("", text)


def _squeezed(text: str) -> str:
    """Drop what may lie between two characters of a secret, soft line breaks among it; base64 has two alphabets."""
    return re.sub(r"[^a-z0-9+/]", "", text.lower().replace("-", "+").replace("_", "/"))

"""What a mail service answered, made fit for an error message."""

from __future__ import annotations

import re

_LONGEST = 200

# A service may quote the mail that it refuses. Secret access keys and Fernet tokens are unbroken runs of these
# characters, 40 and more of them.
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/=_-]{32,}")


def quote(reply: str | bytes) -> str:
    """Return a reply as one short line in which anything that could be key material is blotted out."""
    words = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    line = " ".join(_KEY_MATERIAL.sub("[...]", words).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."

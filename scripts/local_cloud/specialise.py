"""The one thing in the program's policies that MiniStack's IAM does not understand, and what stands in for it.

Everything else of a policy reaches the emulator as it was written. The documents as AWS gets them are asserted by
tests/components; this is the only place that changes one, and it never gives a principal a right over another user.
"""

from __future__ import annotations


def for_user(document: str, *, user_name: str, user_id: str) -> str:
    """Fill in ``${aws:username}`` and ``${aws:userid}``: MiniStack takes policy variables literally."""
    return document.replace("${aws:username}", user_name).replace("${aws:userid}", user_id)

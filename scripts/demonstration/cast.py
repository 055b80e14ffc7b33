"""The people of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Person:
    """An IAM user, and what should become of them.

    Attributes:
        ages: how many days ago each of their keys was made, on the first day.
        inactive: whether the key is deactivated.
    """

    name: str
    ages: tuple[int, ...]
    fate: str
    tags: Mapping[str, str] = field(default_factory=dict)
    inactive: bool = False

    @property
    def address(self) -> str | None:
        """Give the address that their mails go to."""
        return self.tags.get("IKR:EMAIL")


ANA = Person(name="ana", ages=(83,), fate="a new key, and she switches", tags={"IKR:EMAIL": "ana@example.com"})
BEN = Person(
    name="ben.ito@example.com",
    ages=(81,),
    fate="a new key, and he switches",
    tags={
        "IKR:EMAIL": "ben.ito@example.com",
        "IKR:INSTRUCTION_0": "Put it into the deployment settings",
        "IKR:INSTRUCTION_1": "and tell the platform team.",
    },
)
HAL = Person(
    name="hal", ages=(82,), fate="a new key, but he is away: ignores the mail", tags={"IKR:EMAIL": "hal@example.com"}
)
KIM = Person(
    name="kim", ages=(84,), fate="a new key; an operator keeps the old one", tags={"IKR:EMAIL": "kim@example.com"}
)
CHLOE = Person(
    name="chloe", ages=(33,), fate="nothing, until her key is 80 days old", tags={"IKR:EMAIL": "chloe@example.com"}
)
OTHERS = (
    Person(
        name="dev", ages=(30, 12), fate="nothing: a second key, made by hand", tags={"IKR:EMAIL": "dev@example.com"}
    ),
    Person(
        name="eli",
        ages=(150,),
        fate="nothing: the key is deactivated",
        tags={"IKR:EMAIL": "eli@example.com"},
        inactive=True,
    ),
    Person(name="fay", ages=(20,), fate="nothing: has no tag"),
    Person(
        name="gus",
        ages=(31,),
        fate="nothing: a tag that cannot be used",
        tags={"IKR:EMAIL": "gus@example.com", "IKR:ROTATE_AFTER_DAYS": "soon"},
    ),
)

READERS = (ANA, BEN, KIM)
"""Those who open their mail at once."""
DUE = (ANA, BEN, HAL, KIM)
PEOPLE = (*DUE, CHLOE, *OTHERS)

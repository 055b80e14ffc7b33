"""Who a mail comes from, as far as its reader has to know: where it is explained, and whom to ask."""

from __future__ import annotations

from dataclasses import dataclass

from functions.common.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Organisation:
    """What the stack's configuration says to every reader; None where it says nothing.

    Attributes:
        help_url: a page that explains all this, ``decryption.py`` included.
        script_url: where ``decryption.py`` is, for a stack that has no such page.
        support_contact: whom to ask: an address, a channel, a telephone number.
        reply_to: where an answer to a mail goes.
    """

    help_url: str | None = None
    script_url: str | None = None
    support_contact: str | None = None
    reply_to: str | None = None

    @classmethod
    def of(cls, environment: Environment) -> Organisation:
        """Read it from a function's environment."""
        return cls(
            help_url=environment.help_url,
            script_url=environment.decryption_script_url,
            support_contact=environment.support_contact,
            reply_to=environment.reply_to,
        )

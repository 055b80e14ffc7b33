"""What every mailer is: the one method that SES, SMTP and Mailgun have in common."""

from __future__ import annotations

from typing import Protocol

from functions.mail.message import Message


class Mailer(Protocol):
    """Something that takes mails. ``send`` may be called from several threads at once."""

    def send(self, message: Message, /) -> None:
        """Hand one mail over; returning means that the service has accepted it.

        Raises:
            RecipientRefused: this mail is not taken, others may be.
            MailThrottled: mails are taken, but not so fast.
            MailServiceError: the service refuses or fails.
            MailUnanswered: the mail was handed over, and may have been accepted.
        """

from __future__ import annotations

import base64
import email
import email.policy
import logging
import ssl
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
import trustme

from functions.common.environment import Smtp, SmtpProtocol
from functions.common.errors import (
    ConfigurationError,
    MailError,
    MailServiceError,
    MailThrottled,
    MailUnanswered,
    RecipientRefused,
)
from functions.mail.message import Message
from functions.mail.smtp import SmtpMailer, _Session
from tests.functions.mail.conftest import LOOPBACK, PASSWORD, USERNAME, Inbox, StartDripping, StartSmtp

# aiosmtpd does not count TLS from the first byte as TLS, and warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")

PROTOCOLS: list[SmtpProtocol] = ["ssl", "tls"]
KEY_LIKE = "not/a/real/secret/but/as/long/as/one+Xx1"


def mailer_for(
    port: int, trusting: ssl.SSLContext | None = None, *, protocol: SmtpProtocol = "ssl", **changes: Any
) -> SmtpMailer:
    server = Smtp(server=LOOPBACK, port=port, protocol=protocol, username=USERNAME, password_parameter="/mailer")
    password = changes.pop("password", PASSWORD)
    return SmtpMailer(server, password, "Key Rotator <keys@example.com>", tls=trusting, **changes)


def received(inbox: Inbox) -> EmailMessage:
    [envelope] = inbox.mails
    assert isinstance(envelope.content, bytes)
    return email.message_from_bytes(envelope.content, _class=EmailMessage, policy=email.policy.default)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mail_arrives_over_tls_with_both_parts(
    protocol: SmtpProtocol, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp(protocol)

    mailer_for(inbox.port, trusting, protocol=protocol).send(message)

    mail = received(inbox)
    [envelope] = inbox.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("keys@example.com", ["alice@example.com"])
    assert (mail["From"], mail["To"]) == ("Key Rotator <keys@example.com>", "alice@example.com")
    assert mail["Subject"] == message.subject
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["Message-ID"].endswith("@example.com>")
    assert {name: mail[name] for name in message.headers} == message.headers
    text, html = mail.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert text.get_content().replace("\r\n", "\n") == message.text
    assert html.get_content().replace("\r\n", "\n") == message.html


def test_deadline_goes_along_as_a_file_and_an_answer_goes_elsewhere(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, deadline: Message
) -> None:
    inbox = start_smtp("ssl")

    mailer_for(inbox.port, trusting).send(deadline)

    mail = received(inbox)
    [file] = mail.iter_attachments()
    assert mail["Reply-To"] == "cloud-help@example.com"
    assert (file.get_content_type(), file.get_filename()) == ("text/calendar", "deadline.ics")
    assert file.get_content() == deadline.calendar
    body = mail.get_body(["plain"])
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == deadline.text


def test_threads_send_at_the_same_time(start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message) -> None:
    inbox = start_smtp("ssl")
    mailer = mailer_for(inbox.port, trusting)
    users = [f"user{number}@example.com" for number in range(8)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda user: mailer.send(replace(message, to=user)), users))

    assert sorted(envelope.rcpt_tos for envelope in inbox.mails) == [[user] for user in users]


def test_international_address_arrives_where_the_server_takes_it(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp("ssl")

    mailer_for(inbox.port, trusting).send(replace(message, to="jürgen@example.com"))

    assert inbox.mails[0].rcpt_tos == ["jürgen@example.com"]


def test_international_address_is_refused_where_the_server_does_not_know_it(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp("ssl", enable_SMTPUTF8=False)

    with pytest.raises(RecipientRefused, match="SMTPUTF8"):
        mailer_for(inbox.port, trusting).send(replace(message, to="jürgen@example.com"))


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("RCPT", "550 5.1.1 no such user"),
        ("RCPT", "450 4.2.1 greylisted, come again"),
        ("RCPT", "451 4.7.1 greylisted, come again"),
        ("RCPT", "452 4.2.2 mailbox full, daily clean-up ahead"),
        ("RCPT", "550 5.7.1 rate limit exceeded for this recipient"),
        ("DATA", "552 5.3.4 too big for this mailbox"),
        ("DATA", "554 5.7.1 looks like spam"),
    ],
)
def test_refusal_of_one_mail_is_not_a_fault_of_the_service(
    verb: str, answer: str, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    """One full mailbox, or one instruction that looks like spam, must not stop everyone's rotation."""
    inbox = start_smtp("ssl", {verb: answer})

    with pytest.raises(RecipientRefused) as refusal:
        mailer_for(inbox.port, trusting).send(message)

    assert "alice@example.com" in str(refusal.value)
    assert answer in str(refusal.value)


@pytest.mark.parametrize(
    ("verb", "answer", "transient"),
    [
        ("MAIL", "550 5.7.1 not your address", False),
        ("MAIL", "451 4.3.0 try again", True),
        ("RCPT", "421 4.3.2 shutting down", True),
        ("DATA", "451 4.7.1 greylisted, come again", True),
        ("DATA", "454 Throttling failure: Daily message quota exceeded", False),
        ("MAIL", "454 Throttling failure: Daily message quota exceeded", False),
    ],
)
def test_refusal_of_every_mail_is_a_fault_of_the_service(
    *,
    verb: str,
    answer: str,
    transient: bool,
    start_smtp: StartSmtp,
    trusting: ssl.SSLContext,
    message: Message,
) -> None:
    inbox = start_smtp("ssl", {verb: answer})

    with pytest.raises(MailServiceError) as failure:
        mailer_for(inbox.port, trusting).send(message)

    assert failure.value.transient is transient
    assert not isinstance(failure.value, MailThrottled)
    assert answer in str(failure.value)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("MAIL", "450 4.7.1 Too many messages, slow down"),
        ("RCPT", "450 4.7.1 Error: rate limit exceeded"),
        ("RCPT", "421 4.7.0 too many connections"),
        ("DATA", "454 Throttling failure: Maximum sending rate exceeded"),
        ("DATA", "451 4.7.1 throttled"),
    ],
)
def test_server_that_takes_mail_only_not_so_fast_throttles(
    verb: str, answer: str, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    """It is neither down, nor does it refuse this recipient: the same mail goes out a little later."""
    inbox = start_smtp("ssl", {verb: answer})

    with pytest.raises(MailThrottled, match="throttles") as failure:
        mailer_for(inbox.port, trusting).send(message)

    assert answer in str(failure.value)


def test_server_that_takes_no_more_connections_throttles(start_dripping: StartDripping, message: Message) -> None:
    server = start_dripping(b"421 4.7.0 Too many connections\r\n")

    with pytest.raises(MailThrottled, match="421"):
        mailer_for(server.port, protocol="tls").send(message)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_connection_lost_before_the_mail_may_be_tried_again(
    verb: str, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp("ssl", {verb: ""})

    with pytest.raises(MailServiceError, match="hung up") as failure:
        mailer_for(inbox.port, trusting).send(message)

    assert failure.value.transient


def test_connection_lost_within_the_mail_may_be_tried_again(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    """A server that has not seen the end of a mail has not accepted it."""
    inbox = start_smtp("ssl", {"354": ""})
    longer_than_any_buffer = replace(message, text=f"{'x' * 900}\n" * 8_000)

    with pytest.raises(MailServiceError, match="hung up") as failure:
        mailer_for(inbox.port, trusting).send(longer_than_any_buffer)

    assert failure.value.transient


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_connection_lost_after_the_mail_leaves_open_whether_it_was_accepted(
    protocol: SmtpProtocol, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    """Taken for a failure, it would have the key taken back that the user may just be reading about."""
    inbox = start_smtp(protocol, {"DATA": ""})

    with pytest.raises(MailUnanswered, match="was handed the mail, and did not answer") as failure:
        mailer_for(inbox.port, trusting, protocol=protocol).send(message)

    assert "not-a-real-secret" not in "".join(traceback.format_exception(failure.value))


def test_server_may_think_about_a_mail_for_longer_than_about_anything_else(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    """Filters take their time, and a mail that is given up too early is mailed twice."""
    inbox = start_smtp("ssl")
    inbox.delays["DATA"] = 1.6

    mailer_for(inbox.port, trusting, timeout=1.0, deadline=1.5, answer=60).send(message)

    assert len(inbox.mails) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_server_that_thinks_for_too_long_leaves_open_whether_it_accepts(
    protocol: SmtpProtocol, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp(protocol)
    inbox.delays["DATA"] = 60

    with pytest.raises(MailUnanswered):
        mailer_for(inbox.port, trusting, protocol=protocol, answer=0.2).send(message)


def test_patience_is_for_the_mail_alone(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    """A farewell that nobody answers must not hold a worker up."""
    inbox = start_smtp("ssl")
    patience: list[float | None] = []
    monkeypatch.setattr(_Session, "quit", lambda session: patience.append(session.sock.gettimeout()))

    mailer_for(inbox.port, trusting, timeout=7, answer=60).send(message)

    assert patience == [7]


def test_rude_farewell_does_not_make_an_accepted_mail_look_refused(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    """Else the new key would be rolled back after its user has been sent it."""
    inbox = start_smtp("ssl", {"QUIT": ""})

    mailer_for(inbox.port, trusting).send(message)

    assert len(inbox.mails) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_wrong_password_is_a_lasting_fault(
    protocol: SmtpProtocol, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp(protocol)

    with pytest.raises(MailServiceError, match="535") as failure:
        mailer_for(inbox.port, trusting, protocol=protocol, password="wrong").send(message)

    assert not failure.value.transient
    assert inbox.mails == []


def test_server_without_login_is_a_lasting_fault(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp("ssl", auth_exclude_mechanism=["LOGIN", "PLAIN"])

    with pytest.raises(MailServiceError, match="cannot do what is asked") as failure:
        mailer_for(inbox.port, trusting).send(message)

    assert not failure.value.transient


def test_server_without_starttls_is_told_neither_password_nor_mail(
    start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp("tls", tls_context=None, require_starttls=False, auth_require_tls=False)

    with pytest.raises(MailServiceError, match="STARTTLS") as failure:
        mailer_for(inbox.port, trusting, protocol="tls").send(message)

    assert not failure.value.transient
    assert inbox.mails == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_certificate_of_an_unknown_authority_is_not_trusted(
    protocol: SmtpProtocol, start_smtp: StartSmtp, message: Message
) -> None:
    inbox = start_smtp(protocol)

    with pytest.raises(MailServiceError, match="cannot be trusted") as failure:
        mailer_for(inbox.port, protocol=protocol).send(message)

    assert not failure.value.transient
    assert inbox.mails == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_certificate_of_another_host_is_not_trusted(
    protocol: SmtpProtocol, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp(protocol, identity="mail.example.org")

    with pytest.raises(MailServiceError, match="cannot be trusted") as failure:
        mailer_for(inbox.port, trusting, protocol=protocol).send(message)

    assert not failure.value.transient
    assert inbox.mails == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_silent_server_is_given_up_and_may_be_tried_again(
    protocol: SmtpProtocol, silent_port: int, message: Message
) -> None:
    with pytest.raises(MailServiceError) as failure:
        mailer_for(silent_port, protocol=protocol, timeout=0.2).send(message)

    assert failure.value.transient


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("says", [b"", b"220 ", b"220 Hello\r\n", b"220 Hello\r\n250-Hello\r\n"])
def test_server_that_drips_its_answer_is_cut_off_and_may_be_tried_again(
    protocol: SmtpProtocol, says: bytes, start_dripping: StartDripping, trusting: ssl.SSLContext, message: Message
) -> None:
    """No time-out of a socket ends this: each byte begins it anew, and the run would be killed halfway."""
    server = start_dripping(says, tls=protocol == "ssl")

    with pytest.raises(MailServiceError, match="not done in time") as failure:
        mailer_for(server.port, trusting, protocol=protocol, deadline=0.2).send(message)

    assert failure.value.transient
    assert not server.tired.is_set()


def test_absent_server_may_be_tried_again(closed_port: int, message: Message) -> None:
    with pytest.raises(MailServiceError, match="cannot be reached") as failure:
        mailer_for(closed_port).send(message)

    assert failure.value.transient


@pytest.mark.parametrize(
    "quotation",
    [
        f"554 5.7.1 spam: {KEY_LIKE}",
        f"554-5.7.1 spam: {KEY_LIKE[:20]}=\r\n554 5.7.1 {KEY_LIKE[20:]}",
        f"554 5.7.1 spam: {KEY_LIKE.replace('/', '=2F')}",
        f"554 5.7.1 spam: {KEY_LIKE.replace('/', '%2f')}",
    ],
)
def test_refusal_that_quotes_the_mail_does_not_give_the_secret_away(
    quotation: str, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    inbox = start_smtp("ssl", {"DATA": quotation})

    with pytest.raises(RecipientRefused, match=r"\[\.\.\.\]") as refusal:
        mailer_for(inbox.port, trusting).send(replace(message, text=KEY_LIKE))

    told = "".join(traceback.format_exception(refusal.value))
    assert [start for start in range(len(KEY_LIKE) - 7) if KEY_LIKE[start : start + 8] in told] == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_server_that_quotes_the_password_does_not_give_it_away(
    command: str, start_smtp: StartSmtp, trusting: ssl.SSLContext, message: Message
) -> None:
    said = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()
    inbox = start_smtp("ssl", {command: f"554 5.7.8 no such login: {said}"})

    with pytest.raises(MailError) as failure:
        mailer_for(inbox.port, trusting).send(message)

    assert said[12:24] not in "".join(traceback.format_exception(failure.value))


def test_password_that_smtp_cannot_carry_is_refused_before_any_key_is_made() -> None:
    with pytest.raises(ConfigurationError) as fault:
        mailer_for(465, password="pässword")

    assert "pässword" not in str(fault.value)


def test_default_trust_is_the_systems(start_smtp: StartSmtp, authority: trustme.CA, message: Message) -> None:
    """Without an injected context the system's trust store decides, here through SSL_CERT_FILE."""
    inbox = start_smtp("ssl")

    with authority.cert_pem.tempfile() as bundle, pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", bundle)
        mailer = mailer_for(inbox.port)
    mailer.send(message)

    assert len(inbox.mails) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_log_that_tells_everything_holds_no_secret(
    protocol: SmtpProtocol,
    start_smtp: StartSmtp,
    trusting: ssl.SSLContext,
    message: Message,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """smtplib, if it were told to, would print the whole conversation to standard error."""
    inbox = start_smtp(protocol)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.CRITICAL, "mail.log")  # of the server here

    mailer_for(inbox.port, trusting, protocol=protocol).send(message)

    told = caplog.text + "".join(capfd.readouterr())
    assert len(inbox.mails) == 1
    assert [
        secret
        for secret in ("not-a-real-secret", PASSWORD, base64.b64encode(PASSWORD.encode()).decode())
        if secret in told
    ] == []

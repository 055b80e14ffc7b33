from __future__ import annotations

import email
import email.policy
import logging
import traceback
from base64 import b64encode
from email.message import Message as Part
from urllib.parse import parse_qs

import pytest

from functions.common.errors import MailServiceError, MailThrottled, MailUnanswered, RecipientRefused
from functions.mail.mailgun import MailgunMailer
from functions.mail.message import Message
from tests.functions.mail.conftest import LOOPBACK, HttpService, StartDripping

KEY = "not-a-real-key"


def mailer_for(url: str) -> MailgunMailer:
    return MailgunMailer(url, KEY, "Key Rotator <keys@example.com>", timeout=(2, 0.2))


def content_of(part: Part) -> str:
    """Give what a part of a form holds, byte for byte."""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_mail_is_posted_with_the_key(http_service: HttpService, message: Message) -> None:
    mailer_for(http_service.url).send(message)

    [(path, headers, body)] = http_service.requests
    assert path == "/v3/mail.example.com/messages"
    assert headers["Authorization"] == "Basic " + b64encode(f"api:{KEY}".encode()).decode()
    assert parse_qs(body.decode(), strict_parsing=True) == {
        "from": ["Key Rotator <keys@example.com>"],
        "to": ["alice@example.com"],
        "subject": [message.subject],
        "text": [message.text],
        "html": [message.html],
        "o:tracking": ["no"],
        "o:require-tls": ["yes"],
        "o:skip-verification": ["no"],
        **{f"h:{name}": [value] for name, value in message.headers.items()},
    }


def test_deadline_goes_along_as_a_file_and_an_answer_goes_elsewhere(
    http_service: HttpService, deadline: Message
) -> None:
    mailer_for(http_service.url).send(deadline)

    [(_, headers, body)] = http_service.requests
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    parts = {part.get_param("name", header="Content-Disposition"): part for part in form.iter_parts()}
    assert parts["h:Reply-To"].get_content() == "cloud-help@example.com"
    assert content_of(parts["text"]) == deadline.text
    assert parts["attachment"].get_filename() == "deadline.ics"
    assert parts["attachment"].get_content_type() == "text/calendar"
    assert content_of(parts["attachment"]) == deadline.calendar


@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (400, "'to' parameter is not a valid address. please check documentation"),
        (403, "Sandbox subdomains are for test purposes only. Please add the address to authorized recipients."),
    ],
)
def test_refusal_of_one_recipient_is_not_a_fault_of_the_service(
    status: int, reply: str, http_service: HttpService, message: Message
) -> None:
    http_service.say(status, reply)

    with pytest.raises(RecipientRefused, match=r"alice@example\.com") as refusal:
        mailer_for(http_service.url).send(message)

    assert reply in str(refusal.value)


@pytest.mark.parametrize(
    ("status", "reply", "transient"),
    [
        (400, "'from' parameter is not a valid address. please check documentation", False),
        (401, "Forbidden", False),
        (403, "Domain mail.example.com is not allowed to send", False),
        (404, "Domain not found: mail.example.com", False),
        (500, "Internal Server Error", True),
        (503, "Service Unavailable", True),
    ],
)
def test_refusal_of_every_mail_is_a_fault_of_the_service(
    *, status: int, reply: str, transient: bool, http_service: HttpService, message: Message
) -> None:
    http_service.say(status, reply)

    with pytest.raises(MailServiceError) as failure:
        mailer_for(http_service.url).send(message)

    assert failure.value.transient is transient
    assert not isinstance(failure.value, MailThrottled)
    assert f"{status} {reply}" in str(failure.value)


def test_service_that_takes_mail_only_not_so_fast_throttles(http_service: HttpService, message: Message) -> None:
    http_service.say(429, "Too many requests")

    with pytest.raises(MailThrottled, match="429 Too many requests"):
        mailer_for(http_service.url).send(message)


@pytest.mark.parametrize("body", [b"<html><h1>Welcome</h1></html>", b"[]", b'{"id": 1}', b"\xff", b""])
def test_success_page_that_is_not_mailguns_is_no_success(
    body: bytes, http_service: HttpService, message: Message
) -> None:
    """A proxy's page with status 200 would otherwise pass for a delivered key."""
    http_service.body = body

    with pytest.raises(MailServiceError, match="is the API URL right") as failure:
        mailer_for(http_service.url).send(message)

    assert not failure.value.transient


def test_error_page_of_a_gateway_may_be_tried_again(http_service: HttpService, message: Message) -> None:
    http_service.status, http_service.body = 502, b"<html><h1>Bad Gateway</h1></html>"

    with pytest.raises(MailServiceError, match="502") as failure:
        mailer_for(http_service.url).send(message)

    assert failure.value.transient


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirect_is_not_followed(status: int, http_service: HttpService, message: Message) -> None:
    """Else whoever answers in Mailgun's place could send key and mail elsewhere."""
    http_service.status, http_service.headers = status, {"Location": "/elsewhere"}

    with pytest.raises(MailServiceError, match=str(status)) as failure:
        mailer_for(http_service.url).send(message)

    assert not failure.value.transient
    assert len(http_service.requests) == 1


def test_silent_service_is_given_up_and_may_have_queued_the_mail(
    silent_port: int, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    """Taken for a failure, it would have the key taken back that the user may just be reading about."""
    monkeypatch.setenv("NO_PROXY", LOOPBACK)

    with pytest.raises(MailUnanswered, match="ReadTimeout"):
        mailer_for(f"http://{LOOPBACK}:{silent_port}/").send(message)


@pytest.mark.parametrize(
    "says",
    [b"HTTP/1.1 200 OK\r\nServer: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"],
)
def test_service_that_drips_its_answer_is_cut_off_and_may_have_queued_the_mail(
    says: bytes, start_dripping: StartDripping, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    """No time-out of a socket ends this: each byte begins it anew, and the run would be killed halfway."""
    monkeypatch.setenv("NO_PROXY", LOOPBACK)
    server = start_dripping(says)
    mailer = MailgunMailer(f"http://{LOOPBACK}:{server.port}/", KEY, "keys@example.com", timeout=(2, 2), deadline=0.2)

    with pytest.raises(MailUnanswered, match="TimeoutError"):
        mailer.send(message)

    assert not server.tired.is_set()


def test_absent_service_may_be_tried_again(closed_port: int, monkeypatch: pytest.MonkeyPatch, message: Message) -> None:
    monkeypatch.setenv("NO_PROXY", LOOPBACK)

    with pytest.raises(MailServiceError, match="ConnectionError") as failure:
        mailer_for(f"http://{LOOPBACK}:{closed_port}/").send(message)

    assert failure.value.transient


def test_service_that_cannot_be_trusted_has_not_seen_the_mail(
    start_dripping: StartDripping, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    monkeypatch.setenv("NO_PROXY", LOOPBACK)
    server = start_dripping(tls=True)

    with pytest.raises(MailServiceError, match="SSLError"):
        mailer_for(f"https://{LOOPBACK}:{server.port}/").send(message)


def test_answer_that_breaks_off_leaves_open_whether_the_mail_is_queued(
    http_service: HttpService, message: Message
) -> None:
    http_service.headers = {"Content-Length": "1000"}

    with pytest.raises(MailUnanswered):
        mailer_for(http_service.url).send(message)


def test_url_that_is_none_is_a_lasting_fault(message: Message) -> None:
    with pytest.raises(MailServiceError, match="MissingSchema") as failure:
        mailer_for("api.mailgun.net/v3").send(message)

    assert not failure.value.transient


def test_failure_shows_neither_the_key_nor_the_mail(
    silent_port: int, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    monkeypatch.setenv("NO_PROXY", LOOPBACK)

    with pytest.raises(MailUnanswered) as failure:
        mailer_for(f"http://{LOOPBACK}:{silent_port}/").send(message)

    assert failure.value.__cause__ is None, "the error beneath holds the request"
    shown = "".join(traceback.format_exception(failure.value)) + repr(failure.value)
    assert KEY not in shown
    assert "not-a-real-secret" not in shown


def test_log_that_tells_everything_holds_no_secret(
    http_service: HttpService, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.NOTSET, "urllib3")  # as in a fresh process

    mailer_for(http_service.url).send(message)

    assert "POST" in caplog.text
    assert [
        secret
        for secret in ("not-a-real-secret", KEY, b64encode(f"api:{KEY}".encode()).decode())
        if secret in caplog.text
    ] == []

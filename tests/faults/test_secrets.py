"""No secret leaves the program but in the one mail and the one parameter that are meant for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import mock
from urllib.parse import unquote_plus

import pytest
from moto.iam.models import iam_backends

from tests.faults.test_every_call import live_a_life
from tests.simulation.branches import branch_at_every_call
from tests.simulation.faults import Kind
from tests.simulation.world import ACCOUNT, World, new_world

USERS = ("bob+test@example.com",)


@pytest.fixture
def secrets_made(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every secret access key and every encryption key that came to be, also those that are gone again."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 (patched here, before the program imports it)

    made: set[str] = set()
    backend = type(iam_backends[ACCOUNT]["aws"])
    create, generate = backend.create_access_key, Fernet.generate_key

    def create_and_note(*args: object, **kwargs: object) -> object:
        key = create(*args, **kwargs)  # type: ignore[arg-type] # moto's own signature is passed through
        made.add(key.secret_access_key)
        return key

    def generate_and_note() -> bytes:
        key = generate()
        made.add(key.decode())
        return key

    monkeypatch.setattr(backend, "create_access_key", create_and_note)
    monkeypatch.setattr(Fernet, "generate_key", generate_and_note)
    return made


@dataclass
class Wire:
    """What the functions have sent to AWS, but for what is meant to hold secrets: encryption keys, mails with keys."""

    sent: list[str] = field(default_factory=list)

    def tap(self, world: World) -> None:
        observe = world.controller.observe

        def also_note(operation: str, body: bytes) -> None:
            observe(operation, body)
            text = body.decode()
            if operation != "PutParameter" and not (operation == "SendEmail" and ": new AWS access key for" in text):
                self.sent.append(text if text.startswith("{") else unquote_plus(text))

        world.controller.observe = also_note


def emitted(world: World, capture: pytest.CaptureFixture[str], answers: list[object], wire: Wire) -> str:
    """Everything that a life has left anywhere: logs and metrics, answers, errors with causes, calls, the ledger."""
    output = capture.readouterr()
    errors = [repr(error) for fault in world.faults_seen for error in _chain(fault)]
    streams = [record["dynamodb"] for record in world.stream()]
    return "\n".join(
        [
            output.out,
            output.err,
            *errors,
            *wire.sent,
            json.dumps(answers),
            json.dumps(world.ledger()),
            json.dumps(streams, default=str),
        ]
    )


def _chain(fault: BaseException | None) -> list[BaseException]:
    found = []
    while fault is not None:
        found.append(fault)
        fault = fault.__cause__ or fault.__context__
    return found


def live(world: World, answers: list[object], life: Callable[[World], None] = live_a_life) -> None:
    rotate = world.rotate

    def listen() -> None:
        answers.append(rotate())

    for name in USERS:
        world.add_user(name)
    with mock.patch.object(world, "rotate", listen):
        life(world)


def stay_away(world: World) -> None:
    """Leave the mail unread, have the old key activated again, leave the mail unread, and change over at last."""
    world.wait(days=81)
    for days in (0, 4, 2, 1, 31, 31):
        world.wait(days=days)
        world.rotate()
        world.deliver_stream()
        for key, item in world.ledger().items():
            if item["status"] == "inactive":
                world.iam.update_access_key(UserName=item["user"], AccessKeyId=key, Status="Active")
            if item.get("windows") == "2":
                world.read_mail()


def kinds_of_mails(world: World) -> list[str]:
    """List what the mails after the one with the new key were about."""
    return [mail.subject.rpartition(" ")[2] for name in USERS for mail in world.people[name].mails[1:]]


@pytest.mark.parametrize("encrypt", ["true", "false"])
@pytest.mark.parametrize(
    ("life", "kind"),
    [(live_a_life, None), (live_a_life, Kind.REFUSED), (live_a_life, Kind.ANSWER_LOST), (stay_away, None)],
)
def test_nothing_that_a_life_leaves_behind_holds_a_secret(
    life: Callable[[World], None],
    kind: Kind | None,
    encrypt: str,
    secrets_made: set[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whichever call fails, no log, metric, answer, error, call, notice or ledger item holds a secret."""
    with new_world(ENCRYPT_KEY_PAIR=encrypt, GRACE_EXTENSION_DAYS="2") as world:

        def live_and_look() -> None:
            answers: list[object] = []
            wire = Wire()
            wire.tap(world)
            live(world, answers, life)
            everything = emitted(world, capsys, answers, wire)
            assert '"message":"rotated"' in everything
            assert len(secrets_made) >= len(USERS) * 2
            assert [secret for secret in secrets_made if secret in everything] == []

        if kind:
            branch_at_every_call(world.controller, kind, live_and_look)
        else:
            live_and_look()


def test_mails_but_for_the_one_with_the_key_are_among_what_was_looked_through(secrets_made: set[str]) -> None:
    """Somebody who stays away gets every kind of mail there is, and a sealed pair is a secret in none of them."""
    wire = Wire()
    with new_world(GRACE_EXTENSION_DAYS="2") as world:
        wire.tap(world)

        live(world, [], stay_away)

        mails = [mail.text for name in USERS for mail in world.people[name].mails]
        assert kinds_of_mails(world) == ["yet", "yet", "deactivated", "again", "deleted"]
        assert sum('"Subject"' in request for request in wire.sent) == len(mails) - 1
        assert any("has never used it" in request for request in wire.sent)
    assert len(secrets_made) == 3
    assert [secret for secret in secrets_made if secret in "".join(mails)] == []


@pytest.mark.parametrize("encrypt", ["true", "false"])
def test_log_that_tells_everything_holds_no_secret(
    encrypt: str, secrets_made: set[str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """With Lambda's log level at DEBUG, boto3 would log each request and each answer whole."""
    for logger in ("botocore", "boto3", "urllib3"):
        caplog.set_level(logging.NOTSET, logger)  # as in a fresh process
    caplog.set_level(logging.DEBUG)
    with new_world(ENCRYPT_KEY_PAIR=encrypt, GRACE_EXTENSION_DAYS="2") as world:
        world.add_user("alice")
        caplog.clear()  # of what the administrator's own call has logged
        live_a_life(world)
        everything = emitted(world, capsys, [], Wire()) + caplog.text

    assert "rotated" in caplog.text
    assert len(secrets_made) >= 2
    assert [secret for secret in secrets_made if secret in everything] == []

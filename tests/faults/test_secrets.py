"""No secret leaves the program but in the one mail and the one parameter that are meant for it."""

from __future__ import annotations

import json
from unittest import mock

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


def emitted(world: World, capture: pytest.CaptureFixture[str], answers: list[object]) -> str:
    """Everything that a life has left anywhere: logs and metrics, answers, errors with their causes, the ledger."""
    output = capture.readouterr()
    errors = [repr(error) for fault in world.faults_seen for error in _chain(fault)]
    streams = [record["dynamodb"] for record in world.stream()]
    return "\n".join(
        [
            output.out,
            output.err,
            *errors,
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


def live(world: World, answers: list[object]) -> None:
    rotate = world.rotate

    def listen() -> None:
        answers.append(rotate())

    for name in USERS:
        world.add_user(name)
    with mock.patch.object(world, "rotate", listen):
        live_a_life(world)


@pytest.mark.parametrize("encrypt", ["true", "false"])
@pytest.mark.parametrize("kind", [None, Kind.REFUSED, Kind.ANSWER_LOST])
def test_nothing_that_a_life_leaves_behind_holds_a_secret(
    kind: Kind | None, encrypt: str, secrets_made: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever call fails, no log, metric, answer, error or ledger item holds a secret."""
    with new_world(ENCRYPT_KEY_PAIR=encrypt) as world:

        def live_and_look() -> None:
            answers: list[object] = []
            live(world, answers)
            everything = emitted(world, capsys, answers)
            assert '"message":"rotated"' in everything
            assert len(secrets_made) >= len(USERS) * 2
            assert [secret for secret in secrets_made if secret in everything] == []

        if kind:
            branch_at_every_call(world.controller, kind, live_and_look)
        else:
            live_and_look()

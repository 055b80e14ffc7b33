"""When a key was last used, as the emulator answers it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from scripts.local_cloud import control, server
from scripts.local_cloud.clients import ROOT, Clients, Credentials


@pytest.fixture(scope="module")
def emulator() -> Iterator[server.Server]:
    with server.running() as emulator:
        Clients(emulator.endpoint, ROOT).iam.create_user(UserName="alice")
        yield emulator


@pytest.fixture
def root(emulator: server.Server) -> Clients:
    return Clients(emulator.endpoint, ROOT)


@pytest.fixture
def key(root: Clients) -> Iterator[Credentials]:
    made = root.iam.create_access_key(UserName="alice")["AccessKey"]
    yield Credentials(access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"])
    root.iam.delete_access_key(UserName="alice", AccessKeyId=made["AccessKeyId"])


def test_new_key_was_never_used(root: Clients, key: Credentials) -> None:
    answer = root.iam.get_access_key_last_used(AccessKeyId=key.access_key_id)

    assert answer["UserName"] == "alice"
    assert answer["AccessKeyLastUsed"] == {"Region": "N/A", "ServiceName": "N/A"}


def test_use_is_remembered(emulator: server.Server, root: Clients, key: Credentials) -> None:
    before = datetime.now(UTC)
    Clients(emulator.endpoint, key).sts.get_caller_identity()

    used = root.iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]

    assert before <= used.pop("LastUsedDate") <= datetime.now(UTC)
    assert used == {"Region": server.REGION, "ServiceName": "sts"}


def test_request_that_a_policy_refuses_is_a_use(emulator: server.Server, root: Clients, key: Credentials) -> None:
    """Whoever gets such a refusal holds the secret."""
    with pytest.raises(ClientError, match="AccessDenied"):
        Clients(emulator.endpoint, key).ssm.get_parameter(Name="/somebody/elses")

    used = root.iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]

    assert used["ServiceName"] == "ssm"


def test_request_with_a_wrong_secret_is_no_use(emulator: server.Server, root: Clients, key: Credentials) -> None:
    guessed = Credentials(access_key_id=key.access_key_id, secret_access_key="not-a-real-secret")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        Clients(emulator.endpoint, guessed).sts.get_caller_identity()

    used = root.iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]

    assert "LastUsedDate" not in used


def test_request_with_an_inactive_key_is_no_use(emulator: server.Server, root: Clients, key: Credentials) -> None:
    root.iam.update_access_key(UserName="alice", AccessKeyId=key.access_key_id, Status="Inactive")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        Clients(emulator.endpoint, key).sts.get_caller_identity()

    used = root.iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]

    assert "LastUsedDate" not in used


def test_use_grows_older_when_time_is_said_to_pass(emulator: server.Server, root: Clients, key: Credentials) -> None:
    Clients(emulator.endpoint, key).sts.get_caller_identity()
    before = root.iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]["LastUsedDate"]

    control.age(emulator.endpoint, timedelta(days=3, seconds=5))

    after = root.iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]["LastUsedDate"]
    assert before - after == timedelta(days=3, seconds=5)

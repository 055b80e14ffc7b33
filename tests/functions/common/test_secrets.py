from __future__ import annotations

import json
import string
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from cryptography.fernet import Fernet

from functions.common.clients import Clients
from functions.common.errors import SealingError
from functions.common.keys import KeyPair
from functions.common.parameters import parameter_name
from functions.common.secrets import SealedPair, SecretStore
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import World

PAIR = KeyPair(id="AKIAFAKE00000000NEW1", secret="not-a-real-secret", created_at=datetime(2030, 1, 1, tzinfo=UTC))
USER_ID = "AIDAFAKE000000000001"
NAME = "/ikr/secret/iam/alice"
ATTEMPT = "attempt-1"


def store(kms_key_arn: str | None = None) -> SecretStore:
    return SecretStore(Clients().ssm, kms_key_arn)


def seal(user: str = "alice", attempt: str = ATTEMPT) -> SealedPair:
    return store().prepare(user, USER_ID, attempt).close(user, PAIR)


class TestParameterName:
    @pytest.mark.parametrize("user", ["alice", "Alice.B_c-1", "x" * 64])
    def test_is_the_users_where_that_can_be(self, user: str) -> None:
        assert parameter_name(user, USER_ID) == f"/ikr/secret/iam/{user}"

    @pytest.mark.parametrize("user", ["alice@example.com", "a+b", "a=b", "a,b", "a+=,.@_-b"])
    def test_is_the_users_id_where_ssm_would_refuse_the_name(self, user: str) -> None:
        assert parameter_name(user, USER_ID) == f"/ikr/secret/iam-id/{USER_ID}"

    def test_of_a_user_named_after_an_id_is_not_that_users(self) -> None:
        assert parameter_name(USER_ID, "AIDAFAKE000000000002") != parameter_name("alice@example.com", USER_ID)

    def test_is_one_that_aws_takes_for_every_letter_of_a_user_name(self, world: World) -> None:
        secrets = store()

        for name in [string.ascii_letters, string.digits, *"+=,.@_-"]:
            secrets.prepare(name, USER_ID, ATTEMPT)

        assert set(world.controller.calls) == {"PutParameter"}


class TestSealing:
    def test_key_is_stored_before_there_is_a_pair(self, world: World) -> None:
        """What can fail for everybody must cost no access key."""
        prepared = store().prepare("alice", USER_ID, ATTEMPT)

        assert prepared.parameter == NAME
        assert list(world.parameters()) == [NAME]
        assert world.controller.calls == ["PutParameter"]

        prepared.close("alice", PAIR)

        assert world.controller.calls == ["PutParameter"]

    def test_key_is_not_shown(self, world: World) -> None:
        prepared = store().prepare("alice", USER_ID, ATTEMPT)

        assert world.parameters()[NAME] not in f"{prepared} {prepared!r}"

    def test_parameter_says_which_attempt_it_is_of(self, world: World) -> None:
        """Its version could not, for that starts from 1 again once a parameter has been deleted."""
        seal(attempt="attempt-1")
        seal(attempt="attempt-2")

        (metadata,) = world.ssm.describe_parameters()["Parameters"]
        assert metadata["Description"] == "Opens the mail of key rotation attempt-2"

    def test_pair_opens_with_the_key_in_the_parameter(self, world: World) -> None:
        sealed = seal()

        assert sealed.parameter == NAME
        opened = json.loads(Fernet(world.parameters()[NAME]).decrypt(sealed.block))
        assert opened == {"user": "alice", "access_key_id": PAIR.id, "secret_access_key": "not-a-real-secret"}

    def test_key_is_a_secure_string_under_the_customers_key(self, world: World) -> None:
        store("arn:aws:kms:us-east-1:123456789012:key/1").prepare("alice", USER_ID, ATTEMPT)

        (metadata,) = world.ssm.describe_parameters()["Parameters"]
        assert (metadata["Type"], metadata["KeyId"]) == ("SecureString", "arn:aws:kms:us-east-1:123456789012:key/1")

    def test_each_pair_has_a_key_of_its_own(self, world: World) -> None:
        seal()
        first = world.parameters()[NAME]

        seal()

        assert world.parameters()[NAME] != first

    @pytest.mark.parametrize("code", ["AccessDeniedException", "ParameterLimitExceeded", "InvalidKeyId"])
    def test_there_is_no_falling_back(self, world: World, code: str) -> None:
        world.controller.outages["PutParameter"] = aws_error("PutParameter", code, 400)

        with pytest.raises(SealingError) as fault:
            seal()

        assert str(fault.value) == f"the encryption key could not be stored as {NAME}: PutParameter: {code}"

    def test_lost_answer_counts_as_failure(self, world: World) -> None:
        world.controller.silent.add("PutParameter")

        with pytest.raises(SealingError, match="ReadTimeoutError"):
            seal()


class TestRemoval:
    def test_spares_the_key_of_a_newer_rotation(self, world: World) -> None:
        seal(attempt="attempt-1")
        seal(attempt="attempt-2")

        assert store().remove_if_for(NAME, "attempt-1") is False
        assert list(world.parameters()) == [NAME]

    def test_deletes_the_key_of_its_own_rotation_once(self, world: World) -> None:
        seal()
        seal("alice2")

        assert store().remove_if_for(NAME, ATTEMPT) is True
        assert store().remove_if_for(NAME, ATTEMPT) is False
        assert list(world.parameters()) == ["/ikr/secret/iam/alice2"]

    @pytest.mark.parametrize("attempt", ["", "attempt", "attempt-12", "Opens the mail of key rotation attempt-1"])
    def test_goes_by_the_whole_attempt(self, world: World, attempt: str) -> None:
        seal(attempt="attempt-1")

        assert store().remove_if_for(NAME, attempt) is False
        assert list(world.parameters()) == [NAME]

    def test_spares_a_parameter_that_somebody_made_by_hand(self, world: World) -> None:
        world.ssm.put_parameter(Name=NAME, Value="not-a-real-key", Type="SecureString")

        assert store().remove_if_for(NAME, ATTEMPT) is False
        assert list(world.parameters()) == [NAME]

    def test_never_reads_a_key(self, world: World) -> None:
        seal()

        store().remove_if_for(NAME, ATTEMPT)

        assert world.controller.calls == ["PutParameter", "DescribeParameters", "DeleteParameter"]

    def test_of_what_is_gone_is_done(self, world: World) -> None:
        store().remove(NAME)

        assert world.controller.calls == ["DeleteParameter"]

    def test_whose_answer_is_lost_is_done_all_the_same(self, world: World) -> None:
        """The SDK asks again, and finds that there is nothing to delete."""
        seal()
        world.controller.fault = Fault("DeleteParameter", Kind.ANSWER_LOST)

        assert store().remove_if_for(NAME, ATTEMPT) is True
        assert world.parameters() == {}

    def test_that_is_refused_is_told(self, world: World) -> None:
        seal()
        world.controller.outages["DeleteParameter"] = aws_error("DeleteParameter", "AccessDeniedException", 400)

        with pytest.raises(ClientError, match="AccessDenied"):
            store().remove_if_for(NAME, ATTEMPT)

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from functions.common.clients import Clients
from functions.common.errors import KeyCreationUnanswered, KeyLimitExceeded
from functions.common.keys import AccessKey, AccessKeys, KeyMaker
from tests.simulation.faults import aws_error
from tests.simulation.world import START, World

THROTTLED = aws_error("CreateAccessKey", "Throttling", 400)


def existing() -> AccessKeys:
    return AccessKeys(Clients().iam)


class TestKeysThatExist:
    def test_are_listed_oldest_first(self, world: World) -> None:
        world.add_user("alice")
        world.wait(days=1)
        world.add_key("alice")
        first, second = world.keys("alice")
        world.iam.update_access_key(UserName="alice", AccessKeyId=first, Status="Inactive")

        assert existing().of("alice") == [
            AccessKey(id=first, created_at=START, active=False),
            AccessKey(id=second, created_at=START + timedelta(days=1), active=True),
        ]

    def test_of_somebody_who_is_gone_are_none(self, world: World) -> None:
        world.add_user("alice", keys=0)

        assert existing().of("alice") == []
        assert existing().of("bob") is None

    def test_deleting_one_twice_is_done_both_times(self, world: World) -> None:
        world.add_user("alice")
        (key,) = world.keys("alice")

        assert existing().delete("alice", key) is True
        assert existing().delete("alice", key) is False
        assert existing().delete("bob", key) is False
        assert world.keys("alice") == {}

    def test_refused_deletion_is_told(self, world: World) -> None:
        world.add_user("alice")
        world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)

        with pytest.raises(ClientError, match="AccessDenied"):
            existing().delete("alice", *world.keys("alice"))

    def test_know_whether_they_were_ever_used(self, world: World) -> None:
        world.add_user("alice", keys=2)
        used, unused = world.keys("alice")
        world.use_key("alice", used)

        assert existing().was_used(used)
        assert not existing().was_used(unused)

    def test_know_whose_they_are_by_the_name_of_now(self, world: World) -> None:
        world.add_user("alice")
        (key,) = world.keys("alice")
        world.rename("alice", "alice-smith")

        assert existing().owner(key) == "alice-smith"

    @pytest.mark.parametrize("code", ["NoSuchEntity", "AccessDenied"])
    def test_that_iam_does_not_know_have_no_owner(self, world: World, code: str) -> None:
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", code, 403)

        assert existing().owner("AKIAFAKE00000000OLD1") is None

    def test_whose_owner_is_not_told_for_another_reason_are_an_error(self, world: World) -> None:
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", "InvalidInput", 400)

        with pytest.raises(ClientError, match="InvalidInput"):
            existing().owner("AKIAFAKE00000000OLD1")


class TestMaking:
    def test_gives_the_pair(self, world: World) -> None:
        world.add_user("alice", keys=0)

        pair = KeyMaker(Clients().iam_once).create("alice")

        assert list(world.keys("alice")) == [pair.id]
        assert pair.created_at == START
        assert len(pair.secret) == 40
        assert pair.secret not in repr(pair)

    def test_third_key_is_not_to_be_had(self, world: World) -> None:
        world.add_user("alice", keys=2)

        with pytest.raises(KeyLimitExceeded, match="alice has two access keys already"):
            KeyMaker(Clients().iam_once).create("alice")

    def test_throttled_request_is_sent_again_after_a_pause(self, world: World) -> None:
        """A throttled request has made nothing, so that sending it again is safe."""
        world.add_user("alice", keys=0)
        world.controller.outages["CreateAccessKey"] = THROTTLED
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                world.controller.outages.clear()

        pair = KeyMaker(Clients().iam_once, pause).create("alice")

        assert list(world.keys("alice")) == [pair.id]
        assert 1 <= pauses[0] <= 2 <= pauses[1] <= 4

    def test_throttling_that_stays_is_told(self, world: World) -> None:
        world.add_user("alice", keys=0)
        world.controller.outages["CreateAccessKey"] = THROTTLED
        pauses: list[float] = []

        with pytest.raises(ClientError, match="Throttling"):
            KeyMaker(Clients().iam_once, pauses.append).create("alice")

        assert world.controller.counted["CreateAccessKey"] == 5
        assert len(pauses) == 4

    def test_refusal_is_told(self, world: World) -> None:
        world.add_user("alice", keys=0)
        world.controller.outages["CreateAccessKey"] = aws_error("CreateAccessKey", "AccessDenied", 403)

        with pytest.raises(ClientError, match="AccessDenied"):
            KeyMaker(Clients().iam_once).create("alice")

    def test_request_without_answer_is_never_sent_again(self, world: World) -> None:
        """It has no idempotency token: sent again, it would leave a key that nobody holds."""
        world.add_user("alice", keys=0)
        world.controller.silent.add("CreateAccessKey")

        with pytest.raises(KeyCreationUnanswered, match="alice"):
            KeyMaker(Clients().iam_once).create("alice")

        assert world.controller.calls == ["CreateAccessKey"]
        assert len(world.keys("alice")) == 1

    def test_failing_service_may_have_made_a_key(self, world: World) -> None:
        world.add_user("alice", keys=0)
        world.controller.outages["CreateAccessKey"] = aws_error("CreateAccessKey", "ServiceFailure", 500)

        with pytest.raises(KeyCreationUnanswered, match="alice"):
            KeyMaker(Clients().iam_once).create("alice")

        assert world.controller.calls == ["CreateAccessKey"]

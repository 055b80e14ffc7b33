from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders
from botocore.exceptions import ClientError

from functions.common.clients import Clients
from functions.common.errors import KeyCreationUnanswered, KeyLimitExceeded
from functions.common.keys import AccessKey, AccessKeys, KeyMaker, LastUse
from tests.simulation.faults import aws_error
from tests.simulation.world import REGION, START, World

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

THROTTLED = aws_error("CreateAccessKey", "Throttling", 400)
UNKNOWN = "AKIAFAKE00000000OLD1"
SECRET = "not/a/real/secret/but/as/long/as/one+Xx1"


def existing() -> AccessKeys:
    return AccessKeys(Clients().iam)


@dataclass(frozen=True)
class Body:
    """The body of an answer, as urllib3 hands it over."""

    content: bytes

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.content


def answering(status: int, body: bytes) -> IAMClient:
    """Make a client that gets this answer, whatever IAM has done."""
    client = Clients().iam_once
    events: Any = client.meta.events
    events.register_first(
        "before-send", lambda request, **_: AWSResponse(request.url, status, HTTPHeaders(), Body(body))
    )
    return client


def made(inside: str) -> bytes:
    """Write an answer to CreateAccessKey with this in it."""
    result = f"<CreateAccessKeyResult><AccessKey>{inside}</AccessKey></CreateAccessKeyResult>"
    return f"<CreateAccessKeyResponse>{result}</CreateAccessKeyResponse>".encode()


def chain(fault: BaseException | None) -> Iterator[BaseException]:
    """Give an error and all that it hangs on."""
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


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

        assert existing().last_use(used) == LastUse(at=START, service="s3", region=REGION)
        assert existing().last_use(unused) is None
        assert existing().was_used(used)
        assert not existing().was_used(unused)

    def test_know_whose_they_are_by_the_name_of_now(self, world: World) -> None:
        world.add_user("alice")
        (key,) = world.keys("alice")
        world.rename("alice", "alice-smith")

        assert existing().owner(key) == "alice-smith"

    @pytest.mark.parametrize("code", ["NoSuchEntity", "AccessDenied"])
    def test_that_iam_does_not_know_were_never_used_and_have_no_owner(self, world: World, code: str) -> None:
        """A user who deletes their own old key is no fault of anybody's."""
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", code, 403)

        assert existing().last_use(UNKNOWN) is None
        assert not existing().was_used(UNKNOWN)
        assert existing().owner(UNKNOWN) is None

    @pytest.mark.parametrize("question", ["last_use", "was_used", "owner"])
    def test_of_which_iam_does_not_tell_for_another_reason_are_an_error(self, world: World, question: str) -> None:
        """An outage must not pass for a key that was never used."""
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", "InvalidInput", 400)

        with pytest.raises(ClientError, match="InvalidInput"):
            getattr(existing(), question)(UNKNOWN)

    @pytest.mark.usefixtures("world")
    @pytest.mark.parametrize("question", ["last_use", "was_used", "owner"])
    def test_of_which_only_a_proxy_speaks_are_an_error(self, question: str) -> None:
        """Its page may say 403 like IAM, and says nothing about the key."""
        keys = AccessKeys(answering(403, b"<html><h1>Forbidden</h1></html>"))

        with pytest.raises(ClientError):
            getattr(keys, question)(UNKNOWN)

    def test_are_gone_when_neither_the_listing_nor_their_owner_knows_them(self, world: World) -> None:
        world.add_user("alice", keys=2)
        there, gone = world.keys("alice")
        world.iam.delete_access_key(UserName="alice", AccessKeyId=gone)
        listed = existing().of("alice") or []

        assert existing().is_gone(gone, listed)
        assert not existing().is_gone(there, listed)

    def test_are_not_gone_on_the_word_of_one_answer(self, world: World) -> None:
        """A listing may lag behind a creation, and the answer about an owner behind that."""
        world.add_user("alice")
        (key,) = world.keys("alice")
        listed = existing().of("alice") or []

        assert not existing().is_gone(key, [])
        world.controller.outages["GetAccessKeyLastUsed"] = aws_error("GetAccessKeyLastUsed", "AccessDenied", 403)
        assert not existing().is_gone(key, listed)
        assert existing().is_gone(key, [])


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

        assert world.controller.counted["CreateAccessKey"] == 7
        assert len(pauses) == 6
        assert max(pauses) <= 16

    @pytest.mark.usefixtures("world")
    @pytest.mark.parametrize("status", [400, 403, 404, 409])
    def test_definite_refusal_is_told_as_it_is(self, status: int) -> None:
        """No key was made, so that there is nothing to look for, and the intent can be taken back at once."""
        answer = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"

        with pytest.raises(ClientError, match="AccessDenied"):
            KeyMaker(answering(status, answer)).create("alice")

    def test_request_without_answer_is_never_sent_again(self, world: World) -> None:
        """It has no idempotency token: sent again, it would leave a key that nobody holds."""
        world.add_user("alice", keys=0)
        world.controller.silent.add("CreateAccessKey")

        with pytest.raises(KeyCreationUnanswered, match="alice"):
            KeyMaker(Clients().iam_once).create("alice")

        assert world.controller.calls == ["CreateAccessKey"]
        assert len(world.keys("alice")) == 1

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            pytest.param(200, f"<CreateAccessKeyResponse><SecretAccessKey>{SECRET}".encode(), id="cut-off"),
            pytest.param(200, f'{{"SecretAccessKey": "{SECRET}"}}'.encode(), id="no-xml"),
            pytest.param(200, b"", id="empty"),
            pytest.param(200, b"<html><h1>Welcome</h1></html>", id="a-proxys-page"),
            pytest.param(200, made(f"<SecretAccessKey>{SECRET}</SecretAccessKey>"), id="no-id"),
            pytest.param(200, made("<AccessKeyId>AKIAFAKE00000000NEW1</AccessKeyId>"), id="no-secret"),
            pytest.param(
                200,
                made(
                    f"<AccessKeyId>AKIAFAKE00000000NEW1</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
                    "<CreateDate>the other day</CreateDate>"
                ),
                id="no-date",
            ),
            pytest.param(302, b"<html/>", id="a-redirect"),
            pytest.param(403, b"<html><h1>Forbidden</h1></html>", id="a-proxys-403"),
            pytest.param(403, b"<html><br>Forbidden", id="a-proxys-403-that-is-no-xml"),
            pytest.param(407, b"", id="an-empty-407"),
            pytest.param(400, b"<ErrorResponse><Error>Bad</Error></ErrorResponse>", id="an-error-without-parts"),
            pytest.param(404, b"<r><Error><Code>404</Code></Error></r>", id="an-error-that-is-not-iams"),
            pytest.param(500, b"<r><Error><Code>ServiceFailure</Code></Error></r>", id="iams-own-failure"),
            pytest.param(502, b"<html><h1>Bad Gateway</h1></html>", id="a-gateways-failure"),
        ],
    )
    def test_anything_but_a_refusal_may_have_made_a_key(self, world: World, status: int, body: bytes) -> None:
        """Taken for a refusal, it would leave a key that nobody holds; told in full, it would tell the secret."""
        world.add_user("alice", keys=0)

        with pytest.raises(KeyCreationUnanswered, match=r"^no answer came to CreateAccessKey for alice: ") as fault:
            KeyMaker(answering(status, body)).create("alice")

        assert world.controller.calls == ["CreateAccessKey"]
        assert [told for told in chain(fault.value) if SECRET in f"{told} {told!r} {vars(told)}"] == []
        assert SECRET not in "".join(traceback.format_exception(fault.value))

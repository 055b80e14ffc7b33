from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common import errors
from functions.common.errors import (
    KeyRotatorError,
    MailServiceError,
    MailThrottled,
    MailUnanswered,
    SealingError,
    is_throttled,
    reason,
)
from tests.simulation.faults import aws_error


def test_own_words_are_told() -> None:
    assert reason(SealingError("the encryption key could not be stored")) == "the encryption key could not be stored"


def test_of_aws_the_operation_and_the_code_are_told_and_not_the_message() -> None:
    fault = aws_error("PutParameter", "AccessDenied", 400, "not-a-real-secret is refused")

    assert reason(fault) == "PutParameter: AccessDenied"


def test_error_without_a_code_is_told_as_unknown() -> None:
    """The page of a proxy is parsed like an answer of IAM, and has none of its parts."""
    page: Any = {"ResponseMetadata": {"HTTPStatusCode": 403}}
    fault = ClientError(page, "ListAccessKeys")

    assert reason(fault) == "ListAccessKeys: unknown"
    assert not is_throttled(fault)


@pytest.mark.parametrize(
    "code", ["RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"]
)
def test_being_asked_to_call_less_often_is_known(code: str) -> None:
    assert is_throttled(aws_error("ListAccessKeys", code, 400))


@pytest.mark.parametrize("fault", [None, ValueError("Throttling"), aws_error("ListAccessKeys", "AccessDenied", 403)])
def test_anything_else_is_no_throttling(fault: Exception | None) -> None:
    assert not is_throttled(fault)


def test_of_anything_else_only_the_kind_is_told() -> None:
    """A library's error may quote what it was given, and with it a secret."""
    assert reason(ValueError("not-a-real-secret")) == "ValueError"


def test_mail_service_knows_whether_its_fault_may_pass() -> None:
    fault = MailServiceError("busy", transient=True)

    assert fault.transient
    assert reason(fault) == "busy"


def test_throttled_mail_may_pass_and_an_unanswered_one_is_no_fault_of_the_service() -> None:
    """The one is sent again; the other may have arrived, and so is neither sent again nor taken back."""
    assert MailThrottled("not so fast").transient
    assert not issubclass(MailUnanswered, MailServiceError)


def test_every_error_stands_in_the_drawn_tree() -> None:
    kinds = [kind.__name__ for kind in vars(errors).values() if isinstance(kind, type)]
    own = [name for name in kinds if issubclass(getattr(errors, name), KeyRotatorError)]

    assert len(own) > 10
    assert [name for name in own if name not in (errors.__doc__ or "")] == []

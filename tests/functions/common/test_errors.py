from __future__ import annotations

from functions.common import errors
from functions.common.errors import KeyRotatorError, MailServiceError, SealingError, reason
from tests.simulation.faults import aws_error


def test_own_words_are_told() -> None:
    assert reason(SealingError("the encryption key could not be stored")) == "the encryption key could not be stored"


def test_of_aws_the_operation_and_the_code_are_told_and_not_the_message() -> None:
    fault = aws_error("PutParameter", "AccessDenied", 400, "not-a-real-secret is refused")

    assert reason(fault) == "PutParameter: AccessDenied"


def test_of_anything_else_only_the_kind_is_told() -> None:
    """A library's error may quote what it was given, and with it a secret."""
    assert reason(ValueError("not-a-real-secret")) == "ValueError"


def test_mail_service_knows_whether_its_fault_may_pass() -> None:
    fault = MailServiceError("busy", transient=True)

    assert fault.transient
    assert reason(fault) == "busy"


def test_every_error_stands_in_the_drawn_tree() -> None:
    kinds = [kind.__name__ for kind in vars(errors).values() if isinstance(kind, type)]
    own = [name for name in kinds if issubclass(getattr(errors, name), KeyRotatorError)]

    assert len(own) > 10
    assert [name for name in own if name not in (errors.__doc__ or "")] == []

"""Faults that strike AWS calls, and a count of the calls.

The handlers sit in boto3's own event system, around moto: a fault before the call keeps it from taking effect, one
after it only keeps the answer from arriving. So the SDK's retries, error parsing and the program's own handling are all
the real ones.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.simulation.blind_spots import refuse_parameter_name


class Death(BaseException):
    """The process is gone: nothing in it may catch this, and nothing it does after it has any effect."""


class Kind(StrEnum):
    """What goes wrong with a call."""

    DIES_BEFORE = "the process dies before the call"
    DIES_AFTER = "the process dies after the call took effect"
    REFUSED = "the call is refused"
    BROKEN = "the service fails before the call took effect"
    ANSWER_LOST = "the call takes effect and its answer is lost"


@dataclass(frozen=True)
class Fault:
    """Strikes exactly once: at the call of this number, counted from 1, or at the first call of this operation."""

    call: int | str
    kind: Kind


@dataclass
class Controller:
    """What stands between the program and AWS.

    Attributes:
        fault: what is to go wrong, if anything.
        outages: operations that fail before they take effect, each with its error, for as long as they stand here.
        silent: operations that take effect and never answer, for as long as they stand here.
        observe: called with the operation and the request's body after each call that took effect.
        at_each_call: called with the call's number before anything happens at it.
        at_rest: called with a description of the world whenever nothing is under way in it.
        counted: calls by operation.
        calls: the operations, in their order.
    """

    fault: Fault | None = None
    outages: dict[str, Exception] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    observe: Callable[[str, bytes], None] = lambda _operation, _body: None
    at_each_call: Callable[[int], None] | None = None
    at_rest: Callable[[str], None] | None = None
    calls: list[str] = field(default_factory=list)
    struck: str | None = None
    dead: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _under_way: threading.local = field(default_factory=threading.local)

    @property
    def counted(self) -> Counter[str]:
        """How often each operation was called."""
        return Counter(self.calls)

    def before(self, event_name: str) -> None:
        """Strike before the call has any effect."""
        operation = event_name.rpartition(".")[2]
        with self._lock:
            if self.dead:
                raise Death
            self.calls.append(operation)
            self._under_way.number = len(self.calls)
            if self.at_each_call:
                self.at_each_call(self._under_way.number)
            if operation in self.outages:
                raise self.outages[operation]
            if not self._is_struck():
                return
            match self.fault.kind if self.fault else None:
                case Kind.DIES_BEFORE:
                    self._strike(operation)
                    self.dead = True
                    raise Death
                case Kind.REFUSED:
                    self._strike(operation)
                    raise aws_error(operation, "AccessDenied", 403)
                case Kind.BROKEN:
                    self._strike(operation)
                    raise aws_error(operation, "InternalFailure", 500)

    def after(self, event_name: str, body: bytes) -> None:
        """Look at what the call has done, and strike before its answer arrives."""
        operation = event_name.rpartition(".")[2]
        with self._lock:
            self.observe(operation, body)
            if operation in self.silent:
                raise ReadTimeoutError(endpoint_url="https://aws.invalid")
            if not self._is_struck():
                return
            match self.fault.kind if self.fault else None:
                case Kind.DIES_AFTER:
                    self._strike(operation)
                    self.dead = True
                    raise Death
                case Kind.ANSWER_LOST:
                    self._strike(operation)
                    raise ReadTimeoutError(endpoint_url="https://aws.invalid")

    def _is_struck(self) -> bool:
        if self.fault is None or self.struck is not None:
            return False
        number = self._under_way.number
        return self.fault.call in {number, self.calls[number - 1]}

    def _strike(self, operation: str) -> None:
        self.struck = operation


def new_session(region: str | None = None) -> boto3.Session:
    """Make a session that leaves out what nobody looks at here: moto takes every call for its one account's.

    Signatures and the list of versions in the user agent would be worked out anew for each call.
    """
    session = botocore.session.get_session()
    session.set_default_client_config(Config(signature_version=UNSIGNED, user_agent="simulation"))
    return boto3.Session(botocore_session=session, region_name=region)


class Switch:
    """Holds the controller of the world that lives at the moment; boto3's handlers outlive any of them.

    Attributes:
        session: stands around every call of the clients that are built from it.
    """

    def __init__(self) -> None:
        self.controller = Controller()
        self.session = new_session()
        self.session.events.register_first("before-send", self._before)
        self.session.events.register_last("before-send", self._after)

    def _before(self, event_name: str, request: Any, **_: Any) -> None:
        self.controller.before(event_name)
        refuse_parameter_name(event_name, request.body)

    def _after(self, event_name: str, request: Any, **_: Any) -> None:
        body = request.body or b""
        self.controller.after(event_name, body if isinstance(body, bytes) else str(body).encode())


def aws_error(operation: str, code: str, status: int, message: str = "struck by a fault") -> ClientError:
    """Make the error that boto3 raises for an answer of AWS."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "none",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
                "HostId": "",
            },
        },
        operation,
    )

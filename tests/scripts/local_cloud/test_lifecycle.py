"""The two doors to the embedded cloud lead to the same description of each resource."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2 as messages

from scripts.local_cloud import resources
from scripts.local_cloud.clients import ROOT, Clients
from scripts.local_cloud.lifecycle import lifecycles
from scripts.local_cloud.lifecycle.contract import Lifecycle
from scripts.local_cloud.orders import Call, Ordered, Orders
from scripts.local_cloud.provider import Provider

NOWHERE = Clients("http://127.0.0.1:9", ROOT)
TABLE = "urn:pulumi:prod::iam-key-rotator::iam-key-rotator:index:KeyLedger$aws:dynamodb/table:Table::ledger-table"


def struct(**values: Any) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(NOWHERE, lifecycles(tmp_path), Orders(tmp_path))


def test_both_doors_know_the_same_types(tmp_path: Path) -> None:
    """A type that only one of them knows could be deployed in one kind of test and not in the other."""
    assert lifecycles(tmp_path).keys() == resources.creators(tmp_path).keys()


def test_both_doors_create_alike(tmp_path: Path) -> None:
    creators = resources.creators(tmp_path)

    def same(token: str, lifecycle: Lifecycle) -> bool:
        creator: Any = creators[token]
        return lifecycle.create is creator or getattr(creator, "func", None) is resources.function

    assert [token for token, lifecycle in lifecycles(tmp_path).items() if not same(token, lifecycle)] == []


@pytest.mark.parametrize(
    ("changed", "replaces"),
    [({"name": "other"}, ["name"]), ({"hashKey": "id"}, ["hashKey"]), ({"tags": {"Team": "identity"}}, [])],
)
def test_a_change_replaces_only_where_the_provider_does(
    changed: dict[str, Any], replaces: list[str], provider: Provider
) -> None:
    old = {"name": "ledger", "hashKey": "user", "tags": {}}
    request = messages.DiffRequest(urn=TABLE, old_inputs=struct(**old), news=struct(**{**old, **changed}))

    answer = provider.Diff(request, None)

    assert answer.changes == messages.DiffResponse.DIFF_SOME
    assert list(answer.diffs) == list(changed)
    assert list(answer.replaces) == replaces


def test_a_preview_creates_nothing_and_leaves_open_what_only_aws_knows(provider: Provider, tmp_path: Path) -> None:
    request = messages.CreateRequest(urn=TABLE, preview=True, properties=struct(name="ledger"))

    answer = provider.Create(request, None)

    assert answer.id == ""
    assert answer.properties["name"] == "ledger"
    assert {"arn", "streamArn"} <= set(answer.properties)
    assert Orders(tmp_path).calls() == []


def test_an_ordered_fault_strikes_once(tmp_path: Path) -> None:
    orders = Orders(tmp_path)
    call = Call("create", "aws:dynamodb/table:Table", "ledger-table")
    orders.fail("create", ["ledger-table"])

    with pytest.raises(Ordered, match="create of ledger-table"):
        orders.carry_out(call)
    orders.carry_out(call)

    assert orders.calls() == [call, call]

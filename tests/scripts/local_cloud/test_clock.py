"""The cloud's clock: what is made, used and decided in the past has the dates of then."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.local_cloud import cloud, function_clock, server
from scripts.local_cloud.clients import ROOT, Clients
from scripts.local_cloud.clock import VARIABLE, Clock

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

MONTH = timedelta(days=30)


@pytest.fixture(scope="module")
def emulator() -> Iterator[server.Server]:
    with server.running() as emulator:
        yield emulator


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


def test_it_is_this_machines_until_it_is_set(clock: Clock) -> None:
    before = datetime.now(UTC)

    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.behind == timedelta(0)


def test_days_pass_at_once(clock: Clock) -> None:
    clock.set(MONTH)

    clock.move_on(timedelta(days=12))

    assert clock.behind == timedelta(days=18)


def test_it_goes_on_from_where_it_was_once_it_was_set_back(clock: Clock) -> None:
    """Whatever happens in the meantime."""
    clock.set(timedelta(days=1))

    with clock.set_back(MONTH):
        behind = clock.behind
    with pytest.raises(RuntimeError), clock.set_back(MONTH):
        raise RuntimeError

    assert (behind, clock.behind) == (MONTH + timedelta(days=1), timedelta(days=1))


def test_a_key_has_the_date_of_the_day_on_which_it_was_made_and_used(emulator: server.Server) -> None:
    root = Clients(emulator.endpoint, ROOT)
    root.iam.create_user(UserName="alice")
    account = cloud.LocalCloud(server=emulator, root=root, outputs={})

    pair = account.add_key("alice", days_old=83)
    with emulator.clock.set_back(MONTH):
        account.clients(pair).sts.get_caller_identity()

    now = datetime.now(UTC)
    (key,) = root.iam.list_access_keys(UserName="alice")["AccessKeyMetadata"]
    used = root.iam.get_access_key_last_used(AccessKeyId=pair.access_key_id)["AccessKeyLastUsed"]
    assert round((now - key["CreateDate"]) / timedelta(days=1), 2) == 83
    assert round((now - used["LastUsedDate"]) / timedelta(days=1), 2) == 30


def test_a_handler_goes_by_it_and_so_do_the_records_of_a_stream(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator dates a record by this machine; were it not moved, every removal would look overdue."""
    destructor: Any = importlib.import_module("functions.destructor.handler")
    monkeypatch.setattr(destructor, "datetime", datetime)
    monkeypatch.setattr(destructor, "handler", lambda event, _context: (event, destructor.datetime.now(UTC)))
    monkeypatch.setenv(VARIABLE, str(clock.file))
    clock.set(MONTH)
    removed = {"dynamodb": {"ApproximateCreationDateTime": datetime.now(UTC).timestamp()}}

    event, now = function_clock.destructor({"Records": [removed]}, None)

    then = datetime.now(UTC) - MONTH
    assert abs(now - then) < timedelta(hours=1)
    assert abs(event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] - then.timestamp()) < 3600


def test_the_functions_part_names_the_same_variable() -> None:
    """It runs in a function, where nothing of the scripts can be imported."""
    assert f'"{VARIABLE}"' in Path(function_clock.__file__).read_text()

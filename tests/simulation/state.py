"""What of a world its future depends on, in a form in which worlds can be compared."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import iam_backends
from moto.ssm.models import ssm_backends

from functions.common.entry import _TIMES
from tests.simulation.faults import Kind
from tests.simulation.world import ACCOUNT, REGION, TABLE, Mail, Person, World, _passes

_ID = re.compile(r"AKIA[A-Z0-9]{16}|\b[0-9a-f]{32}\b")
_MINUTE = 60


def fingerprint(world: World) -> str:
    """Describe a world so that two of the same description fare alike from here on.

    What is named at random counts by the order in which it is first met, times by the minute, and a mail by what can be
    read in it now. How it all came to be is left out, but for whom was told what, and for broken promises.
    """
    users = iam_backends[ACCOUNT]["aws"].users
    table = dynamodb_backends[ACCOUNT][REGION].tables[TABLE]
    assert table.stream_shard is not None
    items = [{name: value.value for name, value in item.attrs.items()} for item in table.all_items()]
    pending = [item.to_json() for item in table.stream_shard.items[world._position :]]
    description = {
        "now": int(time.time()) // _MINUTE,
        "people": [_person(world, person) for _, person in sorted(world.people.items())],
        "ledger": [_item(world, item) for item in sorted(items, key=_place)],
        "pending": [
            (record["dynamodb"]["OldImage"], record.get("userIdentity")) for record in pending if _passes(record)
        ],
        "parameters": sorted(
            (name, versions[-1].description)
            for name, versions in ssm_backends[ACCOUNT][REGION]._parameters.items()
            if name.startswith("/ikr/secret/")
        ),
        "misaddressed": _told(world.misaddressed),
        "excused": sorted(world.excused),
        "broken promises": world.broken_promises,
        "a mail was refused": _refused_mail(world),
    }
    text = json.dumps(description, default=str)
    for name, user in users.items():
        text = text.replace(user.id, f"id of {name}")
    met: dict[str, str] = {}
    text = _ID.sub(lambda found: met.setdefault(found[0], f"id {len(met)}"), text)
    return sha256(text.encode()).hexdigest()


def _refused_mail(world: World) -> bool:
    """Tell whether a mail was refused, since nobody sends that again: what people are told differs ever after."""
    fault = world.controller.fault
    return fault is not None and fault.kind is Kind.REFUSED and world.controller.struck == "SendEmail"


def _person(world: World, person: Person) -> Mapping[str, Any]:
    iam = iam_backends[ACCOUNT]["aws"]
    keys = world._keys(person.name)
    return {
        "name": person.name,
        "tags": sorted((tag["Key"], tag["Value"]) for tag in iam.list_user_tags(person.name)),
        "keys": [
            {
                "id": key.access_key_id,
                "status": key.status,
                "created": _minute(key.create_date),
                "used": key.last_used and (_minute(key.last_used.timestamp), key.last_used.service),
                "written down": key.secret_access_key in person.secrets,
            }
            for key in keys
        ],
        "mails": _told(person.mails),
        "readable": [list(_readable(world, key.secret_access_key, person.mails)) for key in keys],
    }


def _told(mails: list[Mail]) -> list[tuple[str, str]]:
    """Give the addresses and subjects of mails, each once: a mail that comes twice tells nothing new."""
    return list(dict.fromkeys((mail.to, mail.subject) for mail in mails))


def _readable(world: World, secret: str, mails: list[Mail]) -> Iterator[str]:
    """Name what it takes to read a secret in some mails: the parameters with the key, or nothing."""
    if any(secret in mail.text for mail in mails):
        yield "in the open"
    for parameter, key in world.parameters().items():
        if any(secret in opened for mail in mails for opened in world.opened_with(key, mail.text)):
            yield parameter


def _item(world: World, item: Mapping[str, str]) -> Mapping[str, Any]:
    times = {name: int(value) // _MINUTE for name, value in item.items() if name in _TIMES}
    block = item.get("sealed_block", "")
    opens = [name for name, key in world.parameters().items() if list(world.opened_with(key, block))]
    return {**item, **times, "sealed_block": opens if block else None}


def _place(item: Mapping[str, str]) -> tuple[str, int, str]:
    """Order the ledger by user and by age, since the ids are random."""
    return item["user"], int(item["created_at"]), item["status"]


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // _MINUTE

"""Spares moto work whose outcome is always the same, and which takes a good part of the time of the tests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any
from unittest import mock

from moto.core.serialize import AttributePicker, XFormedAttributePicker
from moto.core.utils import method_names_from_class
from moto.dynamodb.models.table import StreamShard

GetKeys = Callable[[Any, Any], Iterable[str]]

_method_names = cache(method_names_from_class)


@contextmanager
def taken() -> Iterator[None]:
    """Take the shortcuts within the ``with`` block."""
    with (
        # What moto can do is worked out anew at every call.
        mock.patch("moto.core.responses.method_names_from_class", _method_names),
        mock.patch.object(AttributePicker, "get_possible_keys", _plain_keys),
        mock.patch.object(XFormedAttributePicker, "get_possible_keys", _transformed_keys),
        # Before each transaction the table is copied, with all that has ever happened to it.
        mock.patch.object(StreamShard, "__deepcopy__", _with_the_same_records, create=True),
    ):
        yield


def _remembered(get_keys: GetKeys) -> GetKeys:
    """Remember under which names an attribute may be found: its name, its shape and its owner's class decide."""
    known: dict[object, tuple[str, ...]] = {}

    @wraps(get_keys)
    def look_up(picker: Any, context: Any) -> Iterable[str]:
        about = (*picker.alias_providers, context.key, context.shape, type(context.obj))
        if about not in known:
            known[about] = tuple(get_keys(picker, context))
        return known[about]

    return look_up


_plain_keys = _remembered(AttributePicker.get_possible_keys)
_transformed_keys = _remembered(XFormedAttributePicker.get_possible_keys)


def _with_the_same_records(shard: StreamShard, memo: dict[int, Any]) -> StreamShard:
    """Copy a shard, but not its records, which nobody changes."""
    twin = copy.copy(shard)
    memo[id(shard)] = twin
    twin.table = copy.deepcopy(shard.table, memo)
    twin.items = list(shard.items)
    return twin

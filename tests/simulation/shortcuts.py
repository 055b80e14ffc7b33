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
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node  # type: ignore[attr-defined] # moto hides them

GetKeys = Callable[[Any, Any], Iterable[str]]

_method_names = cache(method_names_from_class)

# Whether a kind of traverser changes a kind of node.
_is_changed: dict[tuple[type, type], bool] = {}


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
        # Which nodes of an update expression a pass changes is worked out anew at every node.
        mock.patch.object(DepthFirstTraverser, "traverse_node_recursively", _traverse),
        # For each world, hundreds of answers are laid ready for the library requests, which nobody here calls AWS with.
        mock.patch("moto.core.models.RESPONSES_METHODS", []),
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


def _traverse(self: DepthFirstTraverser, node: Any, child_id: int = -1) -> Any:
    """Do as moto does, but look up what it works out."""
    if Node not in type(node).__mro__:  # as isinstance says, which asks abc for it
        return node
    parent = node.parent
    for number, child in enumerate(node.children or ()):
        self.pre_processing_of_child(node, number)
        _traverse(self, child, number)
    of = (type(self), type(node))
    if of not in _is_changed:
        _is_changed[of] = isinstance(node, self.nodes_to_be_processed())
    if _is_changed[of]:
        node = self.process(node)
        node.parent = parent
        if parent:
            parent.children[child_id] = node
    return node

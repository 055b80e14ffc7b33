"""Reads templates without rendering them, and tells what is wrong whatever branch a mail takes.

What only some notices lack, or what comes of values, shows in rendering alone: that is done by preview_mails.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import jinja2
from jinja2 import nodes

from functions.mail.wording import Wording

_ALWAYS_THERE = {"notice", "organisation", "self", "super", "loop", "caller", "varargs", "kwargs"}
_ASKS_WHETHER_THERE = {"defined", "undefined", "default", "d"}


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong, and on which line of which template; ``line`` is 0 where it is about the whole."""

    template: str
    line: int
    words: str

    def __str__(self) -> str:
        place = f"{self.template}, line {self.line}" if self.line else self.template
        return f"{place}: {self.words}"


def faults_in(
    wording: Wording, sources: Mapping[str, str], own: Iterable[str], samples: Mapping[str, Sequence[object]]
) -> set[Fault]:
    """Tell what can be right in no mail: syntax, unknown names and fields, and what reaches beyond the sandbox.

    Args:
        wording: what the templates are going to be read by.
        sources: all templates by name.
        own: the names of those whose faults are told.
        samples: by the name that a template knows them by, one of each kind at least. A field that none of them has is
            unknown.
    """
    faults: set[Fault] = set()
    trees: dict[str, nodes.Template] = {}
    for name, source in sources.items():
        try:
            trees[name] = wording.parse(source, name)
        except jinja2.TemplateSyntaxError as fault:
            faults.add(Fault(name, fault.lineno, " ".join((fault.message or "syntax error").split())))
    names = _ALWAYS_THERE | set(wording.globals) | set(chain.from_iterable(map(_names_given, trees.values())))
    for name in own:
        if tree := trees.get(name):
            told = chain(_unknown(tree, wording, names), _unsafe(tree), _unknown_fields(tree, samples))
            faults.update(Fault(name, line, words) for line, words in told)
    return faults


def _names_given(tree: nodes.Template) -> Iterator[str]:
    """Find what a template gives a name to. Another one may see it, so that it counts for all."""
    yield from (node.name for node in tree.find_all(nodes.Name) if node.ctx != "load")
    yield from (node.name for node in tree.find_all(nodes.Macro))
    yield from (node.target for node in tree.find_all(nodes.Import))
    for node in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in node.names)


def _unknown(tree: nodes.Template, wording: Wording, names: set[str]) -> Iterator[tuple[int, str]]:
    asked = _asked_whether_there(tree)
    for name in tree.find_all(nodes.Name):
        if name.name not in names and id(name) not in asked:
            yield name.lineno, f"{name.name!r} is undefined"
    for what, kind, known in (("filter", nodes.Filter, wording.filters), ("test", nodes.Test, wording.tests)):
        for node in tree.find_all(kind):
            if node.name not in known:
                yield node.lineno, f"No {what} named {node.name!r}."


def _unsafe(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Find attributes that the sandbox refuses of whatever object: those that begin with an underscore."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        attribute: object = None
        if isinstance(node, nodes.Getattr):
            attribute = node.attr
        elif isinstance(node, nodes.Getitem):
            attribute = _constant(node.arg)
        elif isinstance(node, nodes.Filter) and node.name == "attr" and node.args:
            attribute = _constant(node.args[0])
        if isinstance(attribute, str) and attribute.startswith("_"):
            yield node.lineno, f"access to attribute {attribute!r} is unsafe: a template is wording, not code"


def _constant(node: nodes.Node) -> object:
    return node.value if isinstance(node, nodes.Const) else None


def _unknown_fields(tree: nodes.Template, samples: Mapping[str, Sequence[object]]) -> Iterator[tuple[int, str]]:
    renamed = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    asked = _asked_whether_there(tree)
    for node in tree.find_all(nodes.Getattr):
        path = _path(node)
        if not path or path[0] in renamed or id(node) in asked or node.attr.startswith("_"):
            continue
        owners = _values(path[1:-1], samples.get(path[0], ()))
        if owners and not any(hasattr(owner, node.attr) for owner in owners):
            yield node.lineno, f"{'.'.join(path[:-1])} has no attribute {node.attr!r}"


def _path(node: nodes.Node) -> list[str]:
    """Write ``notice.content.block`` as its parts; what is no such chain of names, as none."""
    if isinstance(node, nodes.Name):
        return [node.name]
    before = _path(node.node) if isinstance(node, nodes.Getattr) else []
    return [*before, node.attr] if before and isinstance(node, nodes.Getattr) else []


def _values(path: list[str], samples: Sequence[object]) -> list[Any]:
    """Follow a path through every sample, as far as it goes."""
    values = list(samples)
    for attribute in path:
        values = [getattr(value, attribute) for value in values if hasattr(value, attribute)]
    return values


def _asked_whether_there(tree: nodes.Template) -> set[int]:
    """Find what is not used but asked for, as in ``notice.key_id is defined``, and what it is part of."""
    found: set[int] = set()
    for node in tree.find_all((nodes.Test, nodes.Filter)):
        if node.name in _ASKS_WHETHER_THERE and node.node is not None:
            found |= {id(node.node), *(id(part) for part in node.node.find_all(nodes.Name))}
    return found

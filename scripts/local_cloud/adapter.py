"""Stands where Pulumi's engine would: creates in the emulator what the program declares, and answers its look-ups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pulumi

from scripts.local_cloud import lookups
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.errors import UnsupportedResource
from scripts.local_cloud.resources import Create


class Made(NamedTuple):
    """A resource that was created: what Pulumi's state would hold of it."""

    type: str
    name: str
    id: str
    inputs: Mapping[str, Any]


class Adapter(pulumi.runtime.Mocks):
    """Pulumi calls this with each resource, its inputs resolved, once everything that it depends on exists.

    Attributes:
        made: what was created so far, in order.
    """

    def __init__(self, root: Clients, creators: Mapping[str, Create]) -> None:
        self._root = root
        self._creators = creators
        self.made: list[Made] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Create a resource.

        Raises:
            UnsupportedResource: there is no creator for its type.
        """
        if not args.custom:  # a component: only its children are real
            return None, args.inputs
        create = self._creators.get(args.typ)
        if create is None:
            raise UnsupportedResource(f"{args.typ} ({args.name}): the local cloud has no creator for this type")
        inputs = lookups.in_the_open(args.inputs)
        created = create(self._root, inputs.get("name") or args.name, inputs)
        self.made.append(Made(args.typ, args.name, created.id, inputs))
        return created.id, {"name": args.name, **args.inputs, **created.outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Answer a look-up.

        Raises:
            UnsupportedResource: it is one that the program did not make when this was written.
        """
        return lookups.answer(args.token), []

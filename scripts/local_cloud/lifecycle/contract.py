"""What each type of resource says of its life after its creation."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from botocore.exceptions import ClientError

from scripts.local_cloud.clients import Clients
from scripts.local_cloud.resources import Create, Inputs

Read = Callable[[Clients, str, Inputs], object]
"""Looks for a resource by its id; raises the service's error, or ``Gone``, if it is not there."""
Update = Callable[[Clients, str, Inputs], object]
"""Changes a resource in place to what the inputs say."""
Delete = Callable[[Clients, str, Inputs], object]
"""Deletes a resource."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """One type of resource.

    Attributes:
        replaced_by: the inputs whose change makes a new resource.
        computed: the outputs that only AWS knows: unknown in a preview that creates the resource.
    """

    create: Create
    read: Read
    update: Update
    delete: Delete
    replaced_by: frozenset[str]
    computed: tuple[str, ...] = ("arn",)


class Gone(Exception):
    """A list of what is there does not name the resource."""


def is_missing(error: ClientError) -> bool:
    """Tell whether a service's error says that the thing is not there; each service has its own word for it."""
    code = error.response.get("Error", {}).get("Code", "")
    return any(word in code for word in ("NotFound", "NonExistent", "NoSuch", "DoesNotExist"))


def nothing(_root: Clients, _id: str, _inputs: Inputs) -> None:
    """Do nothing: what may change is not passed on to the emulator (see ``resources``), or AWS keeps it."""


def must_be_there(name: str, found: Container[str]) -> None:
    """Look for a resource in a list of what is there.

    Raises:
        Gone: it is not in it.
    """
    if name not in found:
        raise Gone(name)

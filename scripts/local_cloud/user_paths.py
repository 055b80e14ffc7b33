"""Names IAM users by their whole ARN when MiniStack judges a request: it leaves the user's path out, AWS does not.

A policy for ``user/developers/*`` would otherwise match nobody.
"""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions
from ministack.services import iam

_extract = iam_actions.extract_resource_arn


def tell() -> None:
    """Name users so from now on."""
    iam_actions.extract_resource_arn = _extract_with_path


def _extract_with_path(service: str, *request: Any) -> Any:
    arn = _extract(service, *request)
    if service != "iam" or not isinstance(arn, str) or ":user/" not in arn:
        return arn
    user = iam._users.get(arn.rpartition("/")[2])
    return user["Arn"] if user else arn

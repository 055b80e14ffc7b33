"""SSM: parameters."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Lifecycle
from scripts.local_cloud.resources import Inputs


def _parameter() -> Lifecycle:
    def update(root: Clients, id_: str, inputs: Inputs) -> None:
        root.ssm.put_parameter(Name=id_, Type=inputs["type"], Value=inputs["value"], Overwrite=True)

    return Lifecycle(
        create=resources.parameter,
        read=lambda root, id_, _: root.ssm.get_parameter(Name=id_),
        update=update,
        delete=lambda root, id_, _: root.ssm.delete_parameter(Name=id_),
        replaced_by=frozenset({"name", "dataType"}),
        computed=("arn", "version"),
    )


TYPES: Mapping[str, Lifecycle] = {
    "aws:ssm/parameter:Parameter": _parameter(),
}

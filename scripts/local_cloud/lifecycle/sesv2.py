"""SES: the configuration set, and where its events go."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Lifecycle, must_be_there, nothing
from scripts.local_cloud.resources import Inputs


def _configuration_set() -> Lifecycle:
    return Lifecycle(
        create=resources.configuration_set,
        read=lambda root, id_, _: root.sesv2.get_configuration_set(ConfigurationSetName=id_),
        update=nothing,
        delete=lambda root, id_, _: root.sesv2.delete_configuration_set(ConfigurationSetName=id_),
        replaced_by=frozenset({"configurationSetName"}),
    )


def _event_destination() -> Lifecycle:
    def named(inputs: Inputs) -> dict[str, str]:
        return {
            "ConfigurationSetName": inputs["configurationSetName"],
            "EventDestinationName": inputs["eventDestinationName"],
        }

    def read(root: Clients, _id: str, inputs: Inputs) -> None:
        name = inputs["configurationSetName"]
        found = root.sesv2.get_configuration_set_event_destinations(ConfigurationSetName=name)["EventDestinations"]
        must_be_there(inputs["eventDestinationName"], [each["Name"] for each in found])

    def update(root: Clients, _id: str, inputs: Inputs) -> None:
        root.sesv2.update_configuration_set_event_destination(
            **named(inputs), EventDestination=resources.destination_of(inputs)
        )

    return Lifecycle(
        create=resources.event_destination,
        read=read,
        update=update,
        delete=lambda root, _id, inputs: root.sesv2.delete_configuration_set_event_destination(**named(inputs)),
        replaced_by=frozenset({"configurationSetName", "eventDestinationName"}),
        computed=(),
    )


TYPES: Mapping[str, Lifecycle] = {
    "aws:sesv2/configurationSet:ConfigurationSet": _configuration_set(),
    "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination": _event_destination(),
}

"""The engine's door to the embedded cloud: a Pulumi provider for ``aws`` that acts on the emulator.

It serves ``ResourceProvider`` of ``pulumi.runtime.proto``. What each resource does to the emulator is in ``resources``
and ``lifecycle``; here is only what the engine asks, and how it is answered. The mock monitor's door is ``adapter``.

Run as ``python -m scripts.local_cloud.provider ENGINE``, as the engine runs plug-ins, with this in the environment:

    LOCAL_CLOUD_ENDPOINT       where the emulator listens
    LOCAL_CLOUD_DEPENDENCIES   the functions' dependencies, built for this machine
    LOCAL_CLOUD_ORDERS         a folder for faults on order and the record of calls (see ``orders``)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
from botocore.exceptions import ClientError
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto import provider_pb2 as messages
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer, add_ResourceProviderServicer_to_server

from scripts.local_cloud import lookups, plugin
from scripts.local_cloud.clients import ROOT, Clients
from scripts.local_cloud.lifecycle import lifecycles
from scripts.local_cloud.lifecycle.contract import Gone, Lifecycle, is_missing
from scripts.local_cloud.orders import Call, Method, Ordered, Orders


class Provider(ResourceProviderServicer):
    """Answers the engine. To whatever is not here the answer is "unimplemented", as that of an older provider."""

    def __init__(self, root: Clients, known: Mapping[str, Lifecycle], orders: Orders) -> None:
        self._root = root
        self._known = known
        self._orders = orders

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Any) -> plugin_pb2.PluginInfo:
        """Give the version of the package that the program uses."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi-aws"))

    def CheckConfig(self, request: messages.CheckRequest, context: Any) -> messages.CheckResponse:
        """Refuse a stack without a region, as the provider does."""
        response = messages.CheckResponse(inputs=request.news)
        if "region" not in request.news:
            reason = "Missing region configuration: set it with `pulumi config set aws:region REGION`"
            response.failures.add(property="region", reason=reason)
        return response

    def DiffConfig(self, request: messages.DiffRequest, context: Any) -> messages.DiffResponse:
        """Replace nothing, whatever changed."""
        return messages.DiffResponse()

    def Configure(self, request: messages.ConfigureRequest, context: Any) -> messages.ConfigureResponse:
        """Say what this provider understands."""
        return messages.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=False)

    def Invoke(self, request: messages.InvokeRequest, context: Any) -> messages.InvokeResponse:
        """Answer a look-up."""
        response = messages.InvokeResponse()
        getattr(response, "return").update(lookups.answer(request.tok))
        return response

    def Check(self, request: messages.CheckRequest, context: Any) -> messages.CheckResponse:
        """Take the inputs as they are, of a type that is known."""
        self._lifecycle(request.urn, context)
        return messages.CheckResponse(inputs=request.news)

    def Diff(self, request: messages.DiffRequest, context: Any) -> messages.DiffResponse:
        """Compare the inputs, one by one."""
        lifecycle = self._lifecycle(request.urn, context)
        old, new = request.old_inputs.fields, request.news.fields
        changed = sorted(key for key in {*old, *new} if not key.startswith("__") and old.get(key) != new.get(key))
        replacing = [key for key in changed if key in lifecycle.replaced_by]
        return messages.DiffResponse(
            changes=messages.DiffResponse.DIFF_SOME if changed else messages.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replacing,
            # Names are the program's, and two things cannot bear the same one.
            deleteBeforeReplace="name" in new and old.get("name") == new.get("name"),
        )

    def Create(self, request: messages.CreateRequest, context: Any) -> messages.CreateResponse:
        """Create a resource, or say what a preview can know of it."""
        lifecycle = self._lifecycle(request.urn, context)
        response = messages.CreateResponse(properties=request.properties)
        if request.preview:
            response.properties.update(dict.fromkeys(lifecycle.computed, rpc.UNKNOWN))
            return response
        self._record("create", request.urn, context)
        inputs = _read(request.properties)
        try:
            created = lifecycle.create(self._root, inputs.get("name") or _name(request.urn), inputs)
        except ClientError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        response.id = created.id
        response.properties.update(created.outputs)
        return response

    def Read(self, request: messages.ReadRequest, context: Any) -> messages.ReadResponse:
        """Say whether a resource is still there. An answer without an id says that it is not."""
        lifecycle = self._lifecycle(request.urn, context)
        try:
            lifecycle.read(self._root, request.id, _recall(request.properties))
        except (ClientError, Gone) as error:
            if isinstance(error, ClientError) and not is_missing(error):
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
            return messages.ReadResponse()
        return messages.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Update(self, request: messages.UpdateRequest, context: Any) -> messages.UpdateResponse:
        """Change a resource in place."""
        lifecycle = self._lifecycle(request.urn, context)
        response = messages.UpdateResponse(properties=request.news)
        for key in lifecycle.computed:
            if key in request.olds:
                response.properties.fields[key].CopyFrom(request.olds.fields[key])
        if not request.preview:
            self._record("update", request.urn, context)
            try:
                lifecycle.update(self._root, request.id, _read(request.news))
            except ClientError as error:
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return response

    def Delete(self, request: messages.DeleteRequest, context: Any) -> empty_pb2.Empty:
        """Delete a resource; one that is gone already counts as deleted."""
        lifecycle = self._lifecycle(request.urn, context)
        self._record("delete", request.urn, context)
        try:
            lifecycle.delete(self._root, request.id, _recall(request.properties))
        except ClientError as error:
            if not is_missing(error):
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: Any) -> empty_pb2.Empty:
        """Let what is under way come to its end: no call takes long."""
        return empty_pb2.Empty()

    def _lifecycle(self, urn: str, context: Any) -> Lifecycle:
        token = _type(urn)
        if token not in self._known:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{token}: the local cloud does not know this type")
        return self._known[token]

    def _record(self, method: Method, urn: str, context: Any) -> None:
        try:
            self._orders.carry_out(Call(method, _type(urn), _name(urn)))
        except Ordered as fault:
            context.abort(grpc.StatusCode.UNKNOWN, str(fault))


def _type(urn: str) -> str:
    """Take the type out of ``urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME``."""
    return urn.split("::")[2].rpartition("$")[2]


def _name(urn: str) -> str:
    return urn.split("::")[3]


def _read(properties: struct_pb2.Struct) -> dict[str, Any]:
    """Read what the engine sends, secrets in the open."""
    opened: dict[str, Any] = lookups.in_the_open(rpc.deserialize_properties(properties))
    return opened


def _recall(properties: struct_pb2.Struct) -> dict[str, Any]:
    """Read what the state remembers of a resource: of an archive, no more than its hash."""
    opened: dict[str, Any] = lookups.in_the_open(json_format.MessageToDict(properties))
    return opened


def main() -> None:
    """Serve until the engine ends this process."""
    root = Clients(os.environ["LOCAL_CLOUD_ENDPOINT"], ROOT)
    orders = Orders(Path(os.environ["LOCAL_CLOUD_ORDERS"]))
    provider = Provider(root, lifecycles(Path(os.environ["LOCAL_CLOUD_DEPENDENCIES"])), orders)
    plugin.serve(lambda server: add_ResourceProviderServicer_to_server(provider, server))


if __name__ == "__main__":
    main()

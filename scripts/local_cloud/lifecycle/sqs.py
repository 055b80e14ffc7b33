"""SQS: queues and their policies."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.local_cloud import resources
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.lifecycle.contract import Lifecycle, nothing
from scripts.local_cloud.resources import Inputs


def _queue() -> Lifecycle:
    return Lifecycle(
        create=resources.queue,
        read=lambda root, id_, _: root.sqs.get_queue_attributes(QueueUrl=id_),
        update=nothing,
        delete=lambda root, id_, _: root.sqs.delete_queue(QueueUrl=id_),
        replaced_by=frozenset({"name", "fifoQueue"}),
        computed=("arn", "url"),
    )


def _queue_policy() -> Lifecycle:
    def delete(root: Clients, id_: str, _inputs: Inputs) -> None:
        root.sqs.set_queue_attributes(QueueUrl=id_, Attributes={"Policy": ""})

    return Lifecycle(
        create=resources.queue_policy,
        read=lambda root, id_, _: root.sqs.get_queue_attributes(QueueUrl=id_),
        update=resources.queue_policy,
        delete=delete,
        replaced_by=frozenset({"queueUrl"}),
        computed=(),
    )


TYPES: Mapping[str, Lifecycle] = {
    "aws:sqs/queue:Queue": _queue(),
    "aws:sqs/queuePolicy:QueuePolicy": _queue_policy(),
}

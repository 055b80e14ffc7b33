"""Stands for Pulumi's command line in the playground, as far as the README and ``take_down.py`` use it there.

The stack was deployed without Pulumi's engine (see ``scripts.local_cloud.deployment``); a file holds what would be its
state. To change a stack, or to look at a preview, take a real one: ``make engine`` shows how that goes.

Run as ``python -m scripts.sandbox.pulumi FILE stack output NAME`` and the like.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from components import bundle
from scripts.local_cloud.clients import ROOT, Clients
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.deployment import PROJECT
from scripts.local_cloud.lifecycle import lifecycles
from scripts.local_cloud.lifecycle.contract import is_missing
from scripts.local_cloud.server import REGION

_STACK = "playground"


def write_state(cloud: LocalCloud, file: Path) -> None:
    """Write what Pulumi's state would hold of the stack."""
    stack = {
        "type": "pulumi:pulumi:Stack",
        "urn": _urn("pulumi:pulumi:Stack", f"{PROJECT}-{_STACK}"),
        "outputs": cloud.outputs,
    }
    made = [
        {"type": each.type, "urn": _urn(each.type, each.name), "custom": True, "id": each.id, "inputs": each.inputs}
        for each in cloud.made
    ]
    file.write_text(json.dumps({"deployment": {"resources": [stack, *made]}}, default=str), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Answer one command."""
    file, *rest = arguments
    words = [word for word in rest if not word.startswith("--")]
    state = json.loads(Path(file).read_text(encoding="utf-8"))
    resources = state["deployment"]["resources"]
    outputs: Mapping[str, Any] = resources[0]["outputs"] if resources else {}
    match words:
        case ["stack", "export", *_]:
            print(json.dumps(state))
        case ["stack", "output"]:
            print("\n".join(f"{name}: {_text(value)}" for name, value in outputs.items()))
        case ["stack", "output", name] if name in outputs:
            print(_text(outputs[name]))
        case ["config", "get", "aws:region", *_]:
            print(REGION)
        case ["destroy", *_]:
            _destroy(resources[1:])
            Path(file).write_text(json.dumps({"deployment": {"resources": []}}), encoding="utf-8")
        case _:
            print(
                f"The playground's pulumi does not know: {' '.join(rest)}. Its words are stack output, stack export, "
                "config get aws:region and destroy; leave this shell to use your own.",
                file=sys.stderr,
            )
            return 1
    return 0


def _destroy(resources: Sequence[Mapping[str, Any]]) -> None:
    """Delete what the stack has made, the last thing first."""
    root = Clients(os.environ["AWS_ENDPOINT_URL"], ROOT)
    known = lifecycles(bundle.dependencies(bundle.Target.host()))
    for resource in reversed(resources):
        try:
            known[resource["type"]].delete(root, resource["id"], resource["inputs"])
        except ClientError as error:
            if not is_missing(error):
                raise
        print(f"deleted {resource['type']} {resource['urn'].rpartition('::')[2]}")


def _urn(type_: str, name: str) -> str:
    return f"urn:pulumi:{_STACK}::{PROJECT}::{type_}::{name}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

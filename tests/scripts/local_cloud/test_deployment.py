"""How a program is run: what reaches the creators, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.local_cloud import deployment
from scripts.local_cloud.adapter import Adapter
from scripts.local_cloud.clients import ROOT, Clients
from scripts.local_cloud.errors import UnsupportedResource
from scripts.local_cloud.resources import Created

PROGRAM = """
import pulumi

class Thing(pulumi.CustomResource):
    arn: pulumi.Output[str]

    def __init__(self, title, **props):
        super().__init__("test:index:Thing", title, {"arn": None, **props})

secret = pulumi.Config().require_secret("password")
thing = Thing("first", nested={"secrets": [secret]})
pulumi.export("arn", thing.arn)
pulumi.export("second", Thing("second", of=thing.arn, name="physical").id)
"""


def adapter(**creators: Any) -> Adapter:
    return Adapter(
        Clients("http://127.0.0.1:9", ROOT), {f"test:index:{name}": create for name, create in creators.items()}
    )


def written(folder: Path, program: str) -> Path:
    path = folder / "__main__.py"
    path.write_text(program)
    return path


def test_a_program_gets_real_outputs_and_its_secrets_arrive_in_the_open(tmp_path: Path) -> None:
    seen = []

    def create(_root: Clients, name: str, inputs: Any) -> Created:
        seen.append((name, dict(inputs)))
        return Created(f"id-of-{name}", {"arn": f"arn-of-{name}"})

    outputs = deployment.deploy(adapter(Thing=create), {"password": "not-a-real-secret"}, written(tmp_path, PROGRAM))

    assert outputs == {"arn": "arn-of-first", "second": "id-of-physical"}
    assert seen == [
        ("first", {"nested": {"secrets": ["not-a-real-secret"]}}),
        ("physical", {"of": "arn-of-first", "name": "physical"}),
    ]


def test_a_type_without_creator_stops_the_deployment(tmp_path: Path) -> None:
    """A resource that was quietly left out would make every end-to-end test a test of something else."""
    program = 'import pulumi\npulumi.CustomResource("aws:s3/bucket:Bucket", "attic")\n'

    with pytest.raises(UnsupportedResource, match=r"aws:s3/bucket:Bucket \(attic\)"):
        deployment.deploy(adapter(), {}, written(tmp_path, program))


def test_a_look_up_without_answer_stops_the_deployment(tmp_path: Path) -> None:
    program = 'import pulumi\npulumi.export("zones", pulumi.runtime.invoke_output("aws:index/getZones:getZones", {}))\n'

    with pytest.raises(UnsupportedResource, match="getZones"):
        deployment.deploy(adapter(), {}, written(tmp_path, program))


def test_one_deployment_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    program = written(tmp_path, 'import pulumi\npulumi.export("word", pulumi.Config().get("word"))\n')

    outputs = [deployment.deploy(adapter(), config, program) for config in ({"word": "first"}, {})]

    assert outputs == [{"word": "first"}, {"word": None}]

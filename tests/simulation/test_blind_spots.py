from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from functions.common.clients import Clients
from tests.simulation.world import new_world

REFUSED = [
    "/ikr/secret/iam/alice@example.com",
    "/ikr/secret/iam/a+b",
    "/ikr/secret/iam/a=b",
    "/ikr/secret/iam/a,b",
    "/ikr/secret/iam/a b",
    "/ikr/secret/iam/",
    "/ikr/secret/iam/grüße",
    "/aws/secret",
    "ssm-secret",
    "/" + "x" * 1011,
]


@pytest.mark.parametrize("name", REFUSED)
def test_parameter_name_that_aws_refuses_is_refused(name: str) -> None:
    with new_world(), pytest.raises(ClientError, match="ValidationException"):
        Clients().ssm.put_parameter(Name=name, Value="not-a-real-secret", Type="SecureString")


@pytest.mark.parametrize("name", ["/ikr/secret/iam/alice", "/ikr/secret/iam/A.b_c-1", "plain", "/ikr/ssm/aws"])
def test_parameter_name_that_aws_takes_is_taken(name: str) -> None:
    with new_world() as world:
        Clients().ssm.put_parameter(Name=name, Value="not-a-real-secret", Type="SecureString")

        assert world.controller.calls == ["PutParameter"]

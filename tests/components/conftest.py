from __future__ import annotations

import warnings

import pulumi_aws as aws
import pytest

from tests.components.recorder import EVERY_KIND, Deployment, deployed

with warnings.catch_warnings():
    # pulumi_aws warns of one of its own modules when it loads its package for Lambda.
    warnings.simplefilter("ignore", DeprecationWarning)
    assert aws.lambda_.Function is not None


@pytest.fixture
def stack() -> Deployment:
    """The stack as the defaults make it."""
    return deployed()


@pytest.fixture(params=EVERY_KIND, name="any_stack")
def any_kind_of_stack(request: pytest.FixtureRequest) -> Deployment:
    """Every mailer, with encryption on and off, with the stack's own keys, AWS's, and a customer's."""
    return deployed(**EVERY_KIND[request.param])

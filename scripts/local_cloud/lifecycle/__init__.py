"""What becomes of each type of resource after its creation: what changes in place, what replaces it, how it goes.

``resources`` creates; this is the other half of the description. The mock monitor needs only the first half; the engine
needs both, through ``provider``.

What replaces a resource is what the provider marks as ``ForceNew`` in the type's schema. Pulumi's provider is built on
https://github.com/hashicorp/terraform-provider-aws, where each type has a file in ``internal/service/SERVICE``.

One module for each service, by the name that type tokens give it. What a module says of a type is in ``contract``.
"""

from __future__ import annotations

from pathlib import Path

from scripts.local_cloud.lifecycle import cloudwatch, dynamodb, iam, kms, lambda_, sesv2, sns, sqs, ssm
from scripts.local_cloud.lifecycle.contract import Lifecycle


def lifecycles(dependencies: Path) -> dict[str, Lifecycle]:
    """Map Pulumi's type tokens to what becomes of their resources.

    Args:
        dependencies: the folder of the functions' dependencies, built for this machine.
    """
    services = (cloudwatch, dynamodb, iam, kms, sesv2, sns, sqs, ssm)
    known = {token: lifecycle for service in services for token, lifecycle in service.TYPES.items()}
    return known | lambda_.types(dependencies)

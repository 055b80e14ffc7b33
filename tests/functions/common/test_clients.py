from __future__ import annotations

import subprocess
import sys

from functions.common.clients import WORKERS, Clients
from tests.simulation.world import World

NAMES = ["iam", "iam_once", "dynamodb", "ssm", "sesv2", "sns", "sqs"]


def test_client_is_built_once_and_on_first_use(world: World) -> None:
    clients = Clients()

    assert vars(clients) == {}
    assert clients.iam is clients.iam
    assert list(vars(clients)) == ["iam"]


def test_only_keys_and_mails_are_sent_once(world: World) -> None:
    """The SDK sends a request again after a lost answer, in every mode, unless one attempt is all it has.

    A key may have been made, and a mail accepted, then: the program has to know.
    """
    clients = Clients()

    attempts = {name: getattr(clients, name).meta.config.retries["total_max_attempts"] for name in NAMES}

    assert attempts == {name: {"iam_once": 1, "sesv2": 1}.get(name, 6) for name in NAMES}


def test_every_client_gives_up_in_time_and_serves_all_workers(world: World) -> None:
    clients = Clients()

    for name in NAMES:
        config = getattr(clients, name).meta.config
        assert config.retries["mode"] == "standard"
        assert (config.connect_timeout, config.read_timeout) == ((3, 10) if name == "sesv2" else (5, 20))
        assert config.max_pool_connections == WORKERS


def test_handlers_are_imported_without_environment_and_make_no_client() -> None:
    """A test, a script or Lambda's own first load must not need credentials, a region or the stack's settings."""
    program = """
import boto3, os
def refuse(*args, **kwargs):
    raise SystemExit(f"a client was made: {args}")
boto3.client = boto3.session.Session.client = refuse
class Untouched(dict):
    def _touched(self, name, *rest):
        if str(name).startswith(("IAM_KEY", "MAIL", "AWS_REGION", "ENCRYPT", "POWERTOOLS_SERVICE", "SMTP")):
            raise SystemExit(f"{name} was read")
        return rest[0] if rest else None
    __getitem__ = get = _touched
os.environ = Untouched()
os.getenv = os.environ.get
import functions.rotator.handler, functions.destructor.handler
"""

    done = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

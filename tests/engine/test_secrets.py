"""The mailer's secret on its way through the engine: ciphertext in state, plan, outputs and the most talkative log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.engine.workspace import Outcome, Workspace
from scripts.local_cloud.clients import Clients

MAILERS = {
    "smtp": ({"mailer": "smtp", "smtpServer": "smtp.example.com"}, "smtpPassword", "smtp-password"),
    "mailgun": (
        {"mailer": "mailgun", "mailgunApiUrl": "https://api.mailgun.net/v3/mail.example.com/messages"},
        "mailgunApiKey",
        "mailgun-api-key",
    ),
}


@dataclass(frozen=True)
class Deployed:
    """A stack with a secret, and everything that was said and written on the way."""

    project: Workspace
    secret: str
    parameter: str
    outcomes: list[Outcome]

    def where_it_shows(self) -> list[str]:
        """Name whatever holds the secret in plain text: a command that said it, a file of project or state."""
        said = [outcome.command for outcome in self.outcomes if self.secret in outcome.said]
        folder = self.project.project.parent
        written = [path for path in folder.rglob("*") if self._is_readable(path) and self.secret in _text(path)]
        return [*said, *(str(path.relative_to(folder)) for path in written)]

    def _is_readable(self, path: Path) -> bool:
        return path.is_file() and ".venv" not in path.parts and "bundles" not in path.parts


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module", params=MAILERS)
def deployed(request: pytest.FixtureRequest, new_stack: Callable[..., Workspace]) -> Deployed:
    config, key, parameter = MAILERS[request.param]
    name = f"secrets-{request.param}"
    project = new_stack(namePrefix=name, **config)
    secret = f"tell-nobody-{request.param}"
    outcomes = [
        project.pulumi("config", "set", "--secret", key, typed=secret),
        project.pulumi("preview", "--diff", "--save-plan", "plan.json"),
        project.pulumi("up", "--yes", "--skip-preview", "--plan", "plan.json", "-v=9", "--logtostderr", "--logflow"),
        project.pulumi("stack", "output", "--json"),
        project.pulumi("stack", "export"),
        project.pulumi("refresh", "--yes", "--diff"),
        project.pulumi("config", "--json"),
    ]
    return Deployed(project, secret, f"/{name}/mailer/{parameter}", [outcome.ok() for outcome in outcomes])


def test_it_shows_nowhere(deployed: Deployed) -> None:
    assert deployed.where_it_shows() == []


def test_the_log_and_the_plan_do_tell_of_its_parameter(deployed: Deployed) -> None:
    """If nothing was written where we look, nothing would be found there."""
    log = deployed.outcomes[2].errors
    plan = (deployed.project.project / "plan.json").read_text()

    assert "mailer-secret" in log
    assert "mailer-secret" in plan


def test_it_arrives_in_its_parameter(deployed: Deployed, root: Clients) -> None:
    found = root.ssm.get_parameter(Name=deployed.parameter, WithDecryption=True)["Parameter"]

    assert (found["Type"], found["Value"]) == ("SecureString", deployed.secret)


def test_a_change_of_it_shows_nowhere_either(deployed: Deployed, root: Clients) -> None:
    key = next(key for _, key, parameter in MAILERS.values() if deployed.parameter.endswith(parameter))
    new = Deployed(deployed.project, f"{deployed.secret}-new", deployed.parameter, deployed.outcomes)
    new.outcomes.append(deployed.project.pulumi("config", "set", "--secret", key, typed=new.secret).ok())

    new.outcomes.append(deployed.project.pulumi("preview", "--diff").ok())
    assert deployed.project.preview().changes == {"mailer-secret": "update"}
    new.outcomes.append(deployed.project.up("--diff").ok())

    assert new.where_it_shows() == []
    assert root.ssm.get_parameter(Name=new.parameter, WithDecryption=True)["Parameter"]["Value"] == new.secret

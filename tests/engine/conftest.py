"""The real engine, an emulator for each file of tests, and as many clean copies of the project as a test asks for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components import bundle
from scripts.engine import command_line, workspace
from scripts.engine.command_line import CommandLine
from scripts.engine.workspace import Workspace
from scripts.local_cloud import server
from scripts.local_cloud.clients import ROOT, Clients
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.server import Server

SENDER = "key-rotation@example.com"


@pytest.fixture(scope="session")
def pulumi() -> CommandLine:
    return command_line.find()


@pytest.fixture(scope="session")
def bundles() -> Path:
    """The functions' dependencies for Lambda, built once for all tests but those that build them."""
    return bundle.dependencies(bundle.Target.lambda_runtime("arm64")).parent


@pytest.fixture(scope="module")
def emulator() -> Iterator[Server]:
    with server.running() as running:
        Clients(running.endpoint, ROOT).sesv2.create_email_identity(EmailIdentity=SENDER)
        yield running


@pytest.fixture(scope="module")
def root(emulator: Server) -> Clients:
    """Clients that may do everything in the emulator."""
    return Clients(emulator.endpoint, ROOT)


@pytest.fixture(scope="module")
def clean_project(tmp_path_factory: pytest.TempPathFactory, pulumi: CommandLine, emulator: Server) -> Workspace:
    """A copy of the project in which nothing was ever built."""
    host = bundle.dependencies(bundle.Target.host())
    return workspace.make(tmp_path_factory.mktemp("clean"), pulumi, emulator.endpoint, host)


@pytest.fixture(scope="module")
def new_project(
    tmp_path_factory: pytest.TempPathFactory, pulumi: CommandLine, emulator: Server, bundles: Path
) -> Callable[[], Workspace]:
    """Make a copy of the project, its archive built."""
    host = bundle.dependencies(bundle.Target.host())

    def make() -> Workspace:
        return workspace.make(tmp_path_factory.mktemp("project"), pulumi, emulator.endpoint, host, built=bundles)

    return make


@pytest.fixture(scope="module")
def new_stack(new_project: Callable[[], Workspace]) -> Callable[..., Workspace]:
    """Make a copy of the project with a stack, configured but not deployed."""
    numbers = itertools.count(1)

    def make(**config: str) -> Workspace:
        project = new_project()
        project.pulumi("stack", "init", f"stack-{next(numbers)}").ok()
        project.pulumi("config", "set", "aws:region", server.REGION).ok()
        project.configure(mailFrom=SENDER, **config)
        return project

    return make


@pytest.fixture(scope="module")
def as_cloud(emulator: Server, root: Clients) -> Callable[[Workspace], LocalCloud]:
    """See a deployed stack as the end-to-end tests do."""
    return lambda project: LocalCloud(server=emulator, root=root, outputs=project.outputs())

"""Stands in for ``pulumi-language-python``: runs the program with Pulumi's own executor, and says what it needs.

A release of Pulumi has its language host beside the command line. One that was built from its Go module has none,
but the module of the SDK carries the executor: the script that runs a program for whatever host starts it. This is
the rest, as far as this project needs it. The protocol is ``LanguageRuntime`` of ``pulumi.runtime.proto``.

Run as ``python -m scripts.engine.language_host EXECUTOR [OPTIONS] ENGINE``: the engine's address comes last, as for any
plug-in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2 as messages
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto.language_pb2_grpc import LanguageRuntimeServicer, add_LanguageRuntimeServicer_to_server

from scripts.local_cloud import plugin

# The executor ends with this code when it has already told the user what is wrong.
_HAS_TOLD = 32


class LanguageHost(LanguageRuntimeServicer):
    """Runs one project's program. Whatever is not here is answered with "unimplemented", as by an older host."""

    def __init__(self, executor: Path, engine: str) -> None:
        self._executor = executor
        self._engine = engine

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Any) -> plugin_pb2.PluginInfo:
        """Give the version: that of the SDK, for the executor goes with it."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(
        self, request: messages.GetRequiredPackagesRequest, context: Any
    ) -> messages.GetRequiredPackagesResponse:
        """Name the one provider that the program uses, in the version that is installed."""
        aws = plugin_pb2.PackageDependency(name="aws", kind="resource", version=metadata.version("pulumi-aws"))
        return messages.GetRequiredPackagesResponse(packages=[aws])

    def InstallDependencies(
        self, request: messages.InstallDependenciesRequest, context: Any
    ) -> Iterator[messages.InstallDependenciesResponse]:
        """Install the locked packages into the virtual environment that Pulumi.yaml names; what is there stays."""
        folder = Path(request.info.program_directory)
        environment = folder / str(request.info.options["virtualenv"])
        for command in (
            [sys.executable, "-m", "venv", str(environment)],
            [
                *(str(environment / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"),
                *("--require-hashes", "-r", str(folder / "requirements.txt")),
            ],
        ):
            if "venv" in command and environment.exists():
                continue
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
            yield messages.InstallDependenciesResponse(stdout=done.stdout, stderr=done.stderr)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')}")

    def Run(self, request: messages.RunRequest, context: Any) -> messages.RunResponse:
        """Run the program once. Its output goes where the engine reads this process's."""
        virtualenv = Path(request.info.root_directory) / str(request.info.options["virtualenv"])
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        command = [
            *(str(virtualenv / "bin" / "python"), "-u", str(self._executor)),
            *("--monitor", request.monitor_address, "--engine", self._engine),
            *("--project", request.project, "--stack", request.stack, "--organization", request.organization),
            *("--root_directory", request.info.root_directory, "--pwd", request.pwd),
            *("--parallel", str(request.parallel), "--dry_run", "true" if request.dryRun else "false"),
            str(Path(request.info.program_directory) / request.info.entry_point),
            *request.args,
        ]
        code = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
        if code == 0:
            return messages.RunResponse()
        if code == _HAS_TOLD:
            return messages.RunResponse(bail=True)
        return messages.RunResponse(error=f"Program exited with non-zero exit code: {code}")


def main() -> None:
    """Serve until the engine ends this process."""
    executor, *_options, engine = sys.argv[1:]  # the engine hands on how much it logs
    host = LanguageHost(Path(executor), engine)
    plugin.serve(lambda server: add_LanguageRuntimeServicer_to_server(host, server))


if __name__ == "__main__":
    main()

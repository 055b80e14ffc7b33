"""Runs the Pulumi program as ``pulumi up`` would, with the adapter in the engine's place."""

from __future__ import annotations

import asyncio
import contextlib
import runpy
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi.runtime.mocks import MockEngine, MockMonitor
from pulumi.runtime.stack import Stack

PROJECT = "iam-key-rotator"
PROGRAM = Path(__file__).parents[2] / "__main__.py"


def deploy(adapter: pulumi.runtime.Mocks, config: Mapping[str, str], program: Path = PROGRAM) -> dict[str, Any]:
    """Deploy a program once and return its stack outputs.

    Args:
        adapter: creates the resources.
        config: the stack's configuration, by key without namespace; structured values as JSON, as Pulumi keeps them.
        program: the ``__main__.py`` to run.
    """
    # Pulumi keeps its settings in context variables, and asyncio.run works in a copy of the context: so a deployment
    # leaves nothing behind for the next one.
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        # One thread makes every call, with an event loop that is closed in the end: each thread without one would make,
        # and leave open, its own.
        caller = ThreadPoolExecutor(1, initializer=asyncio.set_event_loop, initargs=(loop,))
        return asyncio.run(_deploy(adapter, config, program, caller))


async def _deploy(
    adapter: pulumi.runtime.Mocks,
    config: Mapping[str, str],
    program: Path,
    caller: ThreadPoolExecutor,
) -> dict[str, Any]:
    asyncio.get_running_loop().set_default_executor(caller)
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=MockMonitor(adapter),
            engine=MockEngine(logger=None),
            project=PROJECT,
            stack="local",
            dry_run=False,
        ),
    )
    pulumi.runtime.set_all_config({f"{PROJECT}:{key}": value for key, value in config.items()})

    def run() -> None:
        runpy.run_path(str(program), run_name="__main__")

    await pulumi.runtime.run_in_stack(run)
    stack = cast("Stack", pulumi.runtime.get_root_resource())
    return await pulumi.Output.all(**stack.outputs).future() or {}

"""The figures as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Column, Table

from scripts.benchmark.scenario import Run

MEGABYTE = 1_000_000


def costs(runs: Sequence[Run]) -> Table:
    """Tabulate what each run took."""
    table = Table(
        "run",
        *(
            Column(header, justify="right")
            for header in ("users", "tagged", "due", "calls", "wall", "CPU", "peak memory")
        ),
        title="What a run takes",
        box=box.SIMPLE_HEAD,
    )
    for run in runs:
        scenario, measured = run.scenario, run.measured
        table.add_row(
            run.name,
            f"{scenario.users:,}",
            f"{scenario.tagged:,}",
            f"{scenario.due:,}",
            f"{sum(measured.calls.values()):,}",
            f"{measured.wall_seconds:.1f} s",
            f"{measured.cpu_seconds:.1f} s",
            f"{measured.peak_memory_bytes / MEGABYTE:.0f} MB",
        )
    return table


def calls(runs: Sequence[Run]) -> Table:
    """Tabulate the calls of each run by operation; at its head, how many of the users are tagged."""
    table = Table(Column("operation", no_wrap=True), title="Calls", box=box.SIMPLE_HEAD)
    for run in runs:
        table.add_column(f"{run.name}\n{run.scenario.tagged:,}\n/{run.scenario.users:,}", justify="right")
    for operation in sorted({operation for run in runs for operation in run.measured.calls}):
        table.add_row(operation, *(f"{run.measured.calls.get(operation, 0):,}" for run in runs))
    return table


def footprint(size: int, imports: Mapping[str, float]) -> Table:
    """Tabulate the archive's size, in bytes, and the time of each import, in seconds."""
    table = Table("", Column(justify="right"), title="Archive", box=box.SIMPLE)
    table.add_row("unzipped", f"{size / MEGABYTE:.1f} MB")
    for module, seconds in imports.items():
        table.add_row(f"import {module}", f"{seconds * 1000:.0f} ms")
    return table

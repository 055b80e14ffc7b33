"""Starts a script, so that it ends well however it ends.

A script that is called by its path calls ``run`` above its own imports. ``run`` imports it as a module: only then is
anything loaded that takes time or may be missing. Every Python since 3.8 understands this file, and those that call it.
"""

import errno
import importlib
import io
import os
import sys
from typing import NoReturn

OLDEST_PYTHON = (3, 11)
INTERRUPTED = 130
CLOSED_PIPE = 141
"""What a shell says of a program that wrote to a pipe nobody reads any more, as in ``report.py | head -1``."""

_UNWRITABLE = {errno.ENOSPC, errno.EIO}
_OURS = {"components", "functions", "scripts"}


def run(module: str) -> NoReturn:
    """Import a script, call its ``main``, and exit with what that returns.

    Args:
        module: the script's name as a module, such as ``scripts.report``.
    """
    code: str | int | None = 1
    try:
        if sys.version_info < OLDEST_PYTHON:
            _send_to_set_up(module, f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old")
        _prepare_streams()
        try:
            code = importlib.import_module(module).main()
        except SystemExit as ended:  # as after --help
            code = ended.code
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        _give_up_standard_output()
        code = CLOSED_PIPE
    except OSError as fault:
        if fault.errno not in _UNWRITABLE:
            raise
        _give_up_standard_output()
        print(f"Standard output cannot be written ({fault.strerror}).", file=sys.stderr)
        code = 1
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        if package in _OURS:
            raise
        _send_to_set_up(module, f"The package {package} is not installed")
    if code == INTERRUPTED:
        # Threads that still wait for an answer would hold the script up, and a second Ctrl-C would print a traceback.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    sys.exit(code)


def _prepare_streams() -> None:
    """Let no stream be the reason to fall over: one that is closed, or a terminal without UTF-8."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - it stays open to the end
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_standard_output() -> None:
    """Send what is left in the buffer nowhere; Python would try to write it once more, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _send_to_set_up(module: str, lack: str) -> NoReturn:
    script = module.replace(".", "/") + ".py"
    print(f"{lack}: run `make setup`, then .venv/bin/python {script}", file=sys.stderr)
    sys.exit(1)

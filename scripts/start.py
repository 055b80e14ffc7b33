"""Starts a script, so that it ends well however it ends.

A script that is called by its path calls ``run`` above its own imports. ``run`` imports it as a module: only then is
anything loaded that takes time or may be missing. What stands here is understood by every Python since 3.6.
"""

import importlib
import io
import os
import sys
from typing import NoReturn

OLDEST_PYTHON = (3, 11)
INTERRUPTED = 130
CLOSED_PIPE = 141
"""What a shell says of a program that wrote to a pipe nobody reads any more, as in ``report.py | head -1``."""

_OURS = {"components", "functions", "scripts"}


def run(module: str) -> NoReturn:
    """Import a script, call its ``main``, and exit with what that returns.

    Args:
        module: the script's name as a module, such as ``scripts.report``.
    """
    try:
        if sys.version_info < OLDEST_PYTHON:
            _send_to_set_up(module, f"This is Python {sys.version_info[0]}.{sys.version_info[1]}, and too old")
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fall over
        code = importlib.import_module(module).main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes there
        code = CLOSED_PIPE
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


def _send_to_set_up(module: str, lack: str) -> NoReturn:
    script = module.replace(".", "/") + ".py"
    print(f"{lack}: run `make setup`, then .venv/bin/python {script}", file=sys.stderr)
    sys.exit(1)

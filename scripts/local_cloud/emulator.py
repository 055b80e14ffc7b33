"""The emulator's own process: serve MiniStack on a socket that the parent has opened, for as long as the parent lives.

Run as ``python -m scripts.local_cloud.emulator FD``. The parent holds the other end of standard input and never writes
to it: when the parent ends, in whichever way, the pipe closes and this process ends as well.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from scripts.local_cloud import clock, control, iam_context, key_index, last_use, mail_extras

_KEEP_ALIVE_SECONDS = 3600


def _end_with_the_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve until SIGTERM."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    clock.keep()
    key_index.keep()
    last_use.remember()
    mail_extras.keep()
    iam_context.tell()
    application = control.serve(app, age=last_use.age, extras=mail_extras.of_mails)
    config = Config()
    config.bind = [f"fd://{sys.argv[1]}"]
    config.graceful_timeout = 1
    # A client that sends each request once must not find its idle connection closed at that very moment.
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    asyncio.run(serve(application, config))


if __name__ == "__main__":
    main()

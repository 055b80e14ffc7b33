"""What Pulumi's engine expects of any plug-in: a gRPC server on a free port, and the port on standard output."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

_THREADS = 16
# The engine's own limit: an archive's list of files makes long messages.
_LONGEST_MESSAGE = 400 * 1024 * 1024


def serve(add: Callable[[grpc.Server], None]) -> None:
    """Serve on loopback until the engine interrupts this process, or ends itself and so closes standard input.

    Args:
        add: adds the service to the server.
    """
    server = grpc.server(
        ThreadPoolExecutor(_THREADS),
        options=[("grpc.max_receive_message_length", _LONGEST_MESSAGE), ("grpc.so_reuseport", 0)],
    )
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop(grace=None))
    threading.Thread(target=_end_with_the_engine, args=(server,), daemon=True).start()
    server.wait_for_termination()


def _end_with_the_engine(server: grpc.Server) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.stop(grace=None)

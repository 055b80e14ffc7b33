"""A headless Chromium, spoken to over a pipe: pages are opened in it, and asked how long they took.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_FLAGS = ("--headless=new", "--disable-gpu", "--no-sandbox", "--remote-debugging-pipe", "--hide-scrollbars")
_END = b"\0"


class BrowserFailed(Exception):
    """The browser ended, or refused a command; the message says which."""


class Browser:
    """One browser with one page; it ends with the ``with`` block.

    Args:
        program: the browser's program.
        profile: a folder that it may fill.

    Raises:
        BrowserFailed: it is no Chromium.
    """

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The browser reads its commands from descriptor 3, and answers on 4.
        shell = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._number = 0
        self._buffer = b""
        try:
            target = self._call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        except BrowserFailed:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send the page a command, and wait for its answer.

        Raises:
            BrowserFailed: the browser has ended, or does not do it.
        """
        return self._call(method, self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Evaluate an expression in the page, and wait for its promise.

        Raises:
            BrowserFailed: the browser has ended, or the expression failed.
        """
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserFailed(f"{expression}: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        message = json.dumps(command | ({"sessionId": session} if session else {})).encode() + _END
        try:
            os.write(self._write, message)
        except BrokenPipeError:
            raise BrowserFailed("the browser has ended") from None
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserFailed(f"{method}: {answer['error'].get('message')}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while _END not in self._buffer:
            piece = os.read(self._read, 1 << 16)
            if not piece:
                raise BrowserFailed("the browser has ended")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(_END)
        answer: dict[str, Any] = json.loads(message)
        return answer

"""An AWS on loopback for the recipient's script: whose keys there are, and who may read which parameter where."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCOUNT = "111122223333"

_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>{0}</Arn><UserId>{2}</UserId><Account>{1}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
_ERROR = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{}</Code>'
    "<Message>The answer of AWS</Message></Error></ErrorResponse>"
)


@dataclass
class LoopbackAws:
    """What it answers.

    Attributes:
        owners: the ARN of each access key's owner, or the error code with which STS refuses the key; keys that are not
            here have been deleted.
        user_ids: unique ids by user name, where it matters.
        parameters: values by region and name.
        refusals: the error code and message with which reading a parameter is refused, by its name.
        page: what any request is answered with instead, as a sign-in page of a network does it.
        asked: service and access key id of each request.
    """

    endpoint: str = ""
    owners: dict[str, str] = field(default_factory=dict)
    user_ids: dict[str, str] = field(default_factory=dict)
    parameters: dict[tuple[str, str], str] = field(default_factory=dict)
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    page: bytes = b""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, authorization: str, body: bytes) -> tuple[int, bytes]:
        """Answer a request with status and body."""
        signed = re.search(r"Credential=(\w+)/\d+/([\w-]+)/(\w+)/", authorization)
        assert signed
        key_id, region, service = signed.groups()
        self.asked.append((service, key_id))
        if self.page:
            return 200, self.page
        return self._sts(key_id) if service == "sts" else self._ssm(key_id, region, json.loads(body)["Name"])

    def _sts(self, key_id: str) -> tuple[int, bytes]:
        arn = self.owners.get(key_id, "InvalidClientTokenId")
        if not arn.startswith("arn:"):
            return 403, _ERROR.format(arn).encode()
        user_id = self.user_ids.get(arn.rsplit("/", 1)[-1], "AIDAFAKE00000000USER")
        return 200, _IDENTITY.format(arn, arn.split(":")[4], user_id).encode()

    def _ssm(self, key_id: str, region: str, name: str) -> tuple[int, bytes]:
        arn = self.owners.get(key_id)
        if not arn:
            return _refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
        if name in self.refusals:
            return _refusal(*self.refusals[name])
        if (region, name) not in self.parameters:
            return _refusal("ParameterNotFound", "")
        account = arn.split(":")[4]
        resource = f"arn:aws:ssm:{region}:{account}:parameter{name}"
        answer = {"Parameter": {"Name": name, "Value": self.parameters[region, name], "ARN": resource}}
        return 200, json.dumps(answer).encode()


def _refusal(code: str, message: str) -> tuple[int, bytes]:
    return 400, json.dumps({"__type": code, "message": message}).encode()


@contextlib.contextmanager
def serving() -> Iterator[LoopbackAws]:
    """Serve one on a free port."""
    aws = LoopbackAws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = aws.answer(self.headers["Authorization"], body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        aws.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield aws
        server.shutdown()
        thread.join()

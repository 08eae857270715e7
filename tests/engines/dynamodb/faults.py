"""A proxy in front of DynamoDB Local that does what networks and the real service do, and Local never does."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

#: What becomes of a request: None, nobody hears of it; else a status and a reply.
Reply = tuple[int, dict[str, Any]] | None
#: Given the request and a function that has DynamoDB Local carry it out.
Fault = Callable[[dict[str, Any], Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]], Reply]


class Proxy:
    """Forwards everything; ``faults[operation]`` are used up first, one for each request of that operation."""

    def __init__(self, upstream: str) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self._upstream = urlsplit(upstream).netloc
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                target = self.headers["X-Amz-Target"]
                headers = {name: self.headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization")}
                reply = proxy._reply(target.partition(".")[2], json.loads(body), headers)
                if reply is None:
                    self.close_connection = True
                    return
                status, answer = reply
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("x-amzn-requestid", "proxied")
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, operation: str) -> int:
        return sum(1 for name, _ in self.seen if name == operation)

    def _reply(self, operation: str, request: dict[str, Any], headers: dict[str, str]) -> Reply:
        def forward(changed: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            connection = http.client.HTTPConnection(self._upstream, timeout=20)
            try:
                connection.request("POST", "/", json.dumps(changed), headers)
                response = connection.getresponse()
                return response.status, json.loads(response.read())
            finally:
                connection.close()

        with self._lock:
            self.seen.append((operation, request))
            faults = self.faults.get(operation)
            fault = faults.pop(0) if faults else None
        return fault(request, forward) if fault else forward(request)


def lost(request: dict[str, Any], forward: Any) -> Reply:
    """Carried out, but the reply never comes."""
    forward(request)
    return None


def failed_after(request: dict[str, Any], forward: Any) -> Reply:
    """Carried out, but the reply says that something broke."""
    forward(request)
    return error("InternalServerError", 500)


def error(code: str, status: int = 400, message: str = "injected", **more: Any) -> tuple[int, dict[str, Any]]:
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}


def refuse(code: str, status: int = 400, message: str = "injected", **more: Any) -> Fault:
    """Not carried out."""
    return lambda request, forward: error(code, status, message, **more)


def per_statement(code: str, which: Callable[[int], bool], executed: bool = False, message: str = "injected") -> Fault:
    """A batch of which some statements answer with an error code; without ``executed`` these are not carried out."""

    def fault(request: dict[str, Any], forward: Any) -> Reply:
        statements = request["Statements"]
        sent = [each for at, each in enumerate(statements) if executed or not which(at)]
        answers = iter(forward({**request, "Statements": sent})[1]["Responses"] if sent else [])
        responses = []
        for at in range(len(statements)):
            bad = which(at)
            answer = {} if bad and not executed else next(answers)
            responses.append({"Error": {"Code": code, "Message": message}} if bad else answer)
        return 200, {"Responses": responses}

    return fault

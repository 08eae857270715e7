"""What every test may ask for: an engine URL of each kind, a table name, DynamoDB Local.

One DynamoDB Local serves a whole run. The process that leads the run owns it: pytest itself, or xdist's controller,
whose workers ask it over a socket. So it starts only when a test needs it, and ends with the run, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import uuid
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import dynamodb_local
from tests.dynamodb_local import DynamoDBLocal, DynamoDBLocalUnavailable

# A slow moment of a busy machine is not a bug of the property under test.
hypothesis.settings.register_profile("statustrack", deadline=None)
hypothesis.settings.load_profile("statustrack")


class LocalServer:
    """DynamoDB Local as a test run sees it: absent for a reason, or there when asked for."""

    def __init__(self, absent: str = "") -> None:
        self.absent = absent
        self._server = DynamoDBLocal()
        self._listener: socket.socket | None = None

    def endpoint(self) -> str:
        """Where it answers; started by the first who asks."""
        return self._server.endpoint()

    def listen(self) -> tuple[str, int]:
        """Let xdist's workers ask; returns the address to ask at."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            # One thread, alive until the end: on Linux the server dies with the thread that started it.
            threading.Thread(target=self._answer, args=(self._listener,), daemon=True).start()
        host, port = self._listener.getsockname()
        return host, port

    def close(self) -> None:
        """End the server and stop listening."""
        self._server.stop()
        if self._listener is not None:
            self._listener.close()

    def _answer(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed: the run is over
                return
            with connection:
                try:
                    reply = {"endpoint": self._server.endpoint()}
                except Exception as error:
                    reply = {"error": str(error)}
                connection.sendall(json.dumps(reply).encode())


class RemoteServer:
    """The same, asked for from an xdist worker."""

    def __init__(self, absent: str, address: tuple[str, int]) -> None:
        self.absent = absent
        self._address = address

    def endpoint(self) -> str:
        """Where it answers; the controller starts it if nobody asked before."""
        with socket.create_connection(tuple(self._address)) as connection, connection.makefile("rb") as stream:
            reply = json.loads(stream.read())
        if "error" in reply:
            raise DynamoDBLocalUnavailable(reply["error"])
        return str(reply["endpoint"])

    def close(self) -> None:
        """Nothing: it is the controller's."""


SERVER = pytest.StashKey[LocalServer | RemoteServer]()


def pytest_configure(config: pytest.Config) -> None:
    """Shut out the developer's own AWS account and engine: a test must not depend on them, let alone touch them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts background jobs; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("AWS_")] + ["STATUSTRACK_ENGINE"]:
        os.environ.pop(name, None)
    nowhere = str(Path(__file__).with_name("no-such-file"))
    os.environ.update(
        AWS_CONFIG_FILE=nowhere,
        AWS_SHARED_CREDENTIALS_FILE=nowhere,
        AWS_EC2_METADATA_DISABLED="true",
        BOTO_CONFIG=nowhere,
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Find out whether DynamoDB Local can run, before xdist starts its workers."""
    config = session.config
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[SERVER] = RemoteServer(**given["dynamodb_local"])
        return
    server = config.stash[SERVER] = LocalServer()
    if config.option.collectonly:
        return
    try:
        dynamodb_local.prepare()
    except DynamoDBLocalUnavailable as error:
        server.absent = str(error)
        if os.environ.get(dynamodb_local.REQUIRE_VARIABLE) == "1":
            pytest.exit(f"DynamoDB Local is required but not available: {error}", returncode=1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where to ask."""
    server = node.config.stash[SERVER]
    node.workerinput["dynamodb_local"] = {"absent": server.absent, "address": server.listen()}


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what the run started."""
    if SERVER in config.stash:
        config.stash[SERVER].close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what asks for the server, and leave it all out where there is none."""
    for item in items:
        if "dynamodb_endpoint" in getattr(item, "fixturenames", ()):
            item.add_marker("dynamodb")
    if config.stash[SERVER].absent:
        left_out = [item for item in items if item.get_closest_marker("dynamodb")]
        items[:] = [item for item in items if not item.get_closest_marker("dynamodb")]
        config.hook.pytest_deselected(items=left_out)


def left_out_line(config: pytest.Config) -> str:
    """The one line that says that tests are missing, or nothing."""
    server = config.stash.get(SERVER, None)
    absent = server.absent if server else ""
    return f"dynamodb: all tests marked dynamodb are LEFT OUT, no DynamoDB Local: {absent}" if absent else ""


def pytest_report_header(config: pytest.Config) -> str:
    """Say at the start what is left out."""
    return left_out_line(config) or f"dynamodb: DynamoDB Local from {dynamodb_local.home()}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say it at the end too, where it is read."""
    if line := left_out_line(config):
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def dynamodb_endpoint(request: pytest.FixtureRequest) -> str:
    """Where DynamoDB Local answers, like `http://127.0.0.1:8000`; a test that asks for it is marked `dynamodb`."""
    return request.config.stash[SERVER].endpoint()


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials that DynamoDB Local is content with, for this process and its children."""
    for name, value in dynamodb_local.CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["sqlite", pytest.param("dynamodb", marks=pytest.mark.dynamodb)])
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An engine of each kind: an empty SQLite file of this test, and the shared DynamoDB Local."""
    if request.param == "sqlite":
        return f"sqlite:///{(tmp_path / 'statustrack.db').as_posix()}"
    request.getfixturevalue("aws_environment")
    return dynamodb_local.endpoint_url(request.getfixturevalue("dynamodb_endpoint"))


@pytest.fixture
def table_name() -> str:
    """A table name that no other test has: the tests share one DynamoDB Local."""
    return f"tasks_{uuid.uuid4().hex[:12]}"

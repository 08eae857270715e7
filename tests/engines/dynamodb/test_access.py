"""Credentials, region, profile, endpoint; threads and forks; nothing is touched before it is needed."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from statustrack.core.errors import ConfigError, StorageError, StorageUnavailableError
from statustrack.core.writes import Write
from statustrack.engines import registry
from statustrack.engines.clock import MovableClock
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.protocol import Applied, Engine, Unknown


def test_making_one_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_connection", no)
    engine: Engine = DynamoEngine("eu-west-1", profile="nobody's")
    assert engine.url == "dynamodb://eu-west-1?profile=nobody%27s"
    assert repr(engine) == "DynamoEngine('dynamodb://eu-west-1?profile=nobody%27s')"
    assert (engine.name, engine.min_lease_seconds, engine.page_is_full, engine.batch) == ("dynamodb", 2, False, 25)
    engine.close()


def test_the_registry_opens_it() -> None:
    url = "dynamodb://us-east-1?endpoint=http://127.0.0.1:1"
    engine = registry.open_engine(url, MovableClock(5_000_000))
    assert engine.url == url
    assert 5_000_000 <= engine.now() < 5_000_100  # a test's clock is service time, and nobody is asked
    assert engine.meter.requests == 0


def test_an_engine_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(DynamoEngine("us-east-1"))


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # another test may have made one, with its credentials
    engine = DynamoEngine("us-east-1", "http://127.0.0.1:1")
    for use in (engine.now, lambda: engine.apply("t", [Write("u", "a", (), {"status": 1})]), engine.tables):
        with pytest.raises(StorageError, match=r"no AWS credentials for DynamoDB in .*AWS_ACCESS_KEY_ID") as caught:
            use()
        assert not isinstance(caught.value, StorageUnavailableError)


def test_no_region() -> None:
    with pytest.raises(ConfigError, match="needs a region"):
        DynamoEngine(None)
    with pytest.raises(StorageError, match=r"no AWS region is set.*AWS_DEFAULT_REGION"):
        DynamoEngine(None, "http://127.0.0.1:1").tables()


def test_a_profile_that_is_not_there() -> None:
    with pytest.raises(StorageError, match=r"\(nobody\) could not be found.*~/.aws/config"):
        DynamoEngine("us-east-1", profile="nobody").tables()


@pytest.mark.parametrize("endpoint", ["nonsense", "http//x", "127.0.0.1:8000"])
def test_an_endpoint_that_is_no_url(aws_environment: None, endpoint: str) -> None:
    with pytest.raises(StorageError, match=rf"the endpoint '{endpoint}' cannot be used"):
        DynamoEngine("us-east-1", endpoint).tables()


def test_nobody_answers(aws_environment: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    engine = DynamoEngine("us-east-1", f"http://127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError, match=rf"nothing answers for .*:{port}.*is DynamoDB Local running"):
        engine.get("t", ["a"])
    write = Write("u", "a", (), {"status": 1})
    outcomes = engine.apply("t", [write]) + engine.apply("t", [write, Write("u", "b", (), {"status": 1})])
    assert {type(outcome) for outcome in outcomes} == {Unknown}
    with pytest.raises(StorageUnavailableError):
        engine.now()
    assert time.monotonic() - began < 30
    engine.close()


@pytest.mark.dynamodb
def test_the_environments_endpoint_and_profile(
    dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("[billing]\naws_access_key_id=a\naws_secret_access_key=b\nregion=eu-west-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    engine = DynamoEngine("us-east-1", profile="billing")
    engine.tables()
    assert engine.connection.place == f"DynamoDB in us-east-1 at {dynamodb_endpoint}"
    engine.close()


@pytest.mark.dynamodb
def test_boto3s_default_session_is_used(dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    engine = DynamoEngine("us-east-1", dynamodb_endpoint)
    engine.tables()
    engine.close()


@pytest.mark.dynamodb
def test_many_threads_share_an_engine(make_engine: Callable[..., DynamoEngine], table: str) -> None:
    engine = make_engine()
    barrier = threading.Barrier(16)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            barrier.wait()
            for key in ("shared", f"own{number}"):
                engine.apply(table, [Write("save", key, (), {"key": key, "attempt": 0}, kind="put")])
            barrier.wait()
            for key in ("shared", f"own{number}"):
                for _ in range(3):
                    engine.apply(table, [Write("count", key, (), increment={"attempt": 1})])
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    rows = engine.get(table, ["shared", *[f"own{number}" for number in range(16)]])
    assert rows["shared"]["attempt"] == 48
    assert {row["attempt"] for key, row in rows.items() if key != "shared"} == {3}


@pytest.mark.dynamodb
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_opens_its_own_connections(dynamodb_endpoint: str, aws_environment: None, table: str) -> None:
    """In a process of its own: pytest's has threads that a fork would not bring along."""
    script = f"""
import os, sys
from statustrack.core.writes import Write
from statustrack.engines.dynamodb.engine import DynamoEngine
engine = DynamoEngine("us-east-1", {dynamodb_endpoint!r})
def save(*names):
    return engine.apply({table!r}, [Write("save", name, (), {{"key": name}}, kind="put") for name in names])
save("parent1")
engine.connection._lock.acquire()  # as another thread might, at that moment
child = os.fork()
if child == 0:
    assert engine.meter.requests == 0
    save("child"), save("child1", "child2")
    os._exit(0 if engine.meter.requests == 4 or engine.meter.by_operation.get("PutItem") == 3 else 3)
engine.connection._lock.release()
save("parent2"), save("parent3", "parent4")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    engine = DynamoEngine("us-east-1", dynamodb_endpoint)
    assert len(list(engine.scan(table))) == 7
    engine.close()


@pytest.mark.dynamodb
def test_closed_and_used_again(engine: DynamoEngine, table: str) -> None:
    writes = [Write("save", key, (), {"key": key}, kind="put") for key in "abc"]
    for _ in range(2):
        assert {type(outcome) for outcome in engine.apply(table, writes)} == {Applied}
        engine.close()
        engine.close()

"""An engine on DynamoDB Local with a table of its own, and a step to make writes with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from statustrack.core.config import TrackerConfig
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.protocol import TableOptions
from tests.dynamodb_local import REGION
from tests.engines.dynamodb.faults import Proxy


@pytest.fixture
def make_engine(dynamodb_endpoint: str, aws_environment: None) -> Iterator[Callable[..., DynamoEngine]]:
    made = []

    def make(endpoint: str = dynamodb_endpoint, **more: Any) -> DynamoEngine:
        engine = DynamoEngine(REGION, endpoint, **more)
        engine.connection.patience_seconds = 2.0
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def engine(make_engine: Callable[..., DynamoEngine]) -> DynamoEngine:
    return make_engine()


@pytest.fixture
def table(engine: DynamoEngine, table_name: str) -> Iterator[str]:
    """A table of our shape; making it has told the engine the time."""
    assert engine.create_table(table_name, TableOptions())
    yield table_name
    engine.drop_table(table_name)


@pytest.fixture
def step() -> TrackerConfig:
    return TrackerConfig.make("invoice", 10, 11, 12, 13, 14, lock_expire_seconds=60)


@pytest.fixture
def proxy(dynamodb_endpoint: str) -> Iterator[Proxy]:
    proxy = Proxy(dynamodb_endpoint)
    yield proxy
    proxy.close()


@pytest.fixture
def far(make_engine: Callable[..., DynamoEngine], proxy: Proxy) -> DynamoEngine:
    """The same DynamoDB Local, behind the proxy."""
    engine = make_engine(proxy.endpoint)
    engine.now()
    return engine

"""The one connection of an engine to DynamoDB: its client, its threads, what it counts, and how long it is patient."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import botocore
import botocore.session
from botocore.config import Config

from statustrack.core.errors import StorageError, StorageUnavailableError
from statustrack.engines.dynamodb.clock import ServiceTime
from statustrack.engines.dynamodb.errors import TROUBLE, explain, is_no_answer
from statustrack.engines.dynamodb.replies import ItemsAsTheyCame
from statustrack.engines.protocol import Meter

#: Short of every lease that is worth having: the defaults of boto3 (60 s, 4 tries) may outlive the lease.
CONNECT_SECONDS = 2
READ_SECONDS = 3
#: Tries of boto3 itself, per call; above them come ours, which know what a write means.
TRIES = 2
#: How long a call goes on trying before its outcome is unknown; a try that has begun is still waited for.
PATIENCE_SECONDS = 5.0
#: Threads that may use one engine at once without waiting for a connection.
CONNECTIONS = 50
#: How many requests of one call (a large read, a large batch) are under way at once.
PARALLEL = 8

_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})

A = TypeVar("A")
B = TypeVar("B")


class Patience:
    """Waits between tries: exponential with full jitter, until the time is over."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._tries = 0

    def again(self) -> bool:
        """Wait before the next try; False: there is no time for one."""
        pause = random.uniform(0, min(1.0, 0.05 * 2**self._tries))
        self._tries += 1
        if time.monotonic() + pause > self._until:
            return False
        time.sleep(pause)
        return True


class Connection:
    """Safe to use from many threads. Nothing is opened before the first call; a forked child opens its own."""

    def __init__(
        self, region: str | None, endpoint: str | None, profile: str | None, service_time: ServiceTime
    ) -> None:
        self.region = region
        self.endpoint = endpoint
        self.profile = profile
        self.meter = Meter()
        self._time = service_time
        self.patience_seconds = PATIENCE_SECONDS
        #: Whether a refusal brings the old item with it (some emulators' do not); None: not known yet.
        self.returns_old: bool | None = None
        #: Tables whose index does not carry all that ours does.
        self.narrow_indexes: set[str] = set()
        self._heard = False
        self._client: Any = None
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        _all.add(self)

    @property
    def place(self) -> str:
        """What this talks to, for messages."""
        client = self._client
        region = self.region or (client.meta.region_name if client else None) or "the default region"
        endpoint = self.endpoint or (None if client is None or _is_amazon(client) else client.meta.endpoint_url)
        return f"DynamoDB in {region}" + (f" at {endpoint}" if endpoint else "")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of boto3's client, by its name there. Raises what boto3 raises; see ``errors.TROUBLE``."""
        return getattr(self._client or self.client(), method)(**parameters)

    def ask(self, method: str, table: str | None = None, **parameters: Any) -> Any:
        """Call for something that may be repeated without harm: patient, with errors that explain themselves."""
        if table is not None and "RequestItems" not in parameters:
            parameters["TableName"] = table
        patience = self.patience()
        while True:
            try:
                return self.call(method, **parameters)
            except TROUBLE as error:
                cause = self.explain(error, table)
                if not self.is_curable(error, cause) or not patience.again():
                    raise cause from error

    def explain(self, error: BaseException, table: str | None = None) -> StorageError:
        """See ``errors.explain``."""
        return explain(error, self.place, table)

    def is_curable(self, error: BaseException, cause: StorageError) -> bool:
        """Whether to try again. Where nothing has ever answered, the address is wrong: no waiting for it."""
        return isinstance(cause, StorageUnavailableError) and (self._heard or not is_no_answer(error))

    def patience(self, seconds: float | None = None) -> Patience:
        """For one call."""
        return Patience(self.patience_seconds if seconds is None else seconds)

    def each(self, function: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """The function's value for each item, in order; at once where there are several. It may not call this."""
        todo = list(items)
        if len(todo) <= 1:
            return [function(item) for item in todo]
        futures = [self._pool().submit(function, item) for item in todo]
        wait(futures)  # before the first error is raised: nothing goes on behind the caller's back
        return [future.result() for future in futures]

    def client(self) -> Any:
        """boto3's client, made once: making one is not safe in many threads."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
                if _is_amazon(self._client):
                    self.returns_old = True
            return self._client

    def close(self) -> None:
        """Give back sockets and threads."""
        with self._lock:
            client, self._client = self._client, None
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True)
        if client is not None:
            client.close()

    def after_fork(self) -> None:
        """In the child: sockets are the parent's, threads are not there, locks may be held for ever."""
        self._lock = threading.Lock()
        self._client = None
        self._threads = None
        self._time.after_fork()
        self.meter = Meter()

    def _connect(self) -> Any:
        # Our requests are right by construction, so boto3 need not check them against its model; and a user agent that
        # is given is not put together twice for each request. Both are a good part of what a request costs here.
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=CONNECTIONS,
            parameter_validation=False,
            tcp_keepalive=True,
            user_agent=f"statustrack Botocore/{botocore.__version__}",
        )
        try:
            client = _session(self.profile).create_client(
                "dynamodb", region_name=self.region, endpoint_url=self.endpoint, config=config
            )
        except TROUBLE as error:
            raise self.explain(error) from error
        except ValueError as error:
            raise StorageError(
                f"the endpoint {self.endpoint!r} cannot be used ({error}): it must be a URL such as http://127.0.0.1:8000."
            ) from error
        events = client.meta.events
        events.register("before-send.dynamodb", self._sending)
        events.register("response-received.dynamodb", self._received)
        return client

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="statustrack-dynamodb")
            return self._threads

    def _sending(self, **_: Any) -> None:
        self._time.sending()

    def _received(self, event_name: str = "", response_dict: Any = None, parsed_response: Any = None, **_: Any) -> None:
        """Each try is counted, answered or not; the date is taken only from what DynamoDB itself has sent."""
        operation = event_name.rpartition(".")[2]
        units = 0.0
        if response_dict is not None:
            headers = response_dict["headers"]
            date = headers.get("date")
            if date is not None and (response_dict["status_code"] == 200 or headers.get("x-amzn-requestid")):
                self._time.received(date)
            self._heard = True
            consumed = parsed_response.get("ConsumedCapacity")
            if consumed is not None:
                parts = consumed if isinstance(consumed, list) else (consumed,)
                units = sum([part.get("CapacityUnits", 0.0) for part in parts])
        if operation in _READS:
            self.meter.count(operation, 1, read_units=units)
        else:
            self.meter.count(operation, 1, write_units=units)


def _session(profile: str | None) -> Any:
    """A session of botocore: boto3's own, where the program has set one up."""
    boto3: Any = sys.modules.get("boto3")
    default = getattr(boto3, "DEFAULT_SESSION", None)
    if default is not None and profile is None:
        return default._session
    session = botocore.session.Session(profile=profile)
    # Reading botocore's model of DynamoDB from disk is most of what a client costs: once is enough, also for children.
    loader = _loaders.setdefault(session.get_config_variable("data_path"), session.get_component("data_loader"))
    session.register_component("data_loader", loader)
    session.register_component("response_parser_factory", ItemsAsTheyCame())
    return session


def _is_amazon(client: Any) -> bool:
    """Whether the endpoint is the service itself rather than an emulator."""
    host = client.meta.endpoint_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return bool(host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn")))


_loaders: dict[str | None, Any] = {}
_all: weakref.WeakSet[Connection] = weakref.WeakSet()


def _after_fork() -> None:
    for connection in list(_all):
        connection.after_fork()


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)

"""Each incident of docs/three-in-the-morning.md is staged, and its commands are run: they say what the page says."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import statustrack as st
from statustrack.engines.registry import open_engine
from statustrack.tracking.known import known_steps
from tests.cli.conftest import Command
from tests.cli.incidents import INCIDENTS, URL, the_table_is_throttled
from tests.docs.pages import DOCS, Block, blocks_of
from tests.engines.dynamodb.faults import Proxy

PAGE = DOCS / "three-in-the-morning.md"
CHECKER = doctest.OutputChecker()
#: What the page says of standard error.
ERRORS = {
    "the-table-is-throttled": "did not carry out the request, after retries (ProvisionedThroughputExceededException",
    "the-storage-does-not-answer": "http://127.0.0.1:9",
    "the-table-is-gone": "Error: there is no table at sqlite:///statustrack.db.",
}


def sections() -> dict[str, list[Block]]:
    """The blocks of each heading, by its anchor."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    heads = {
        number: re.sub(r"[^\w\- ]", "", line[3:].lower()).replace(" ", "-")
        for number, line in enumerate(lines, 1)
        if line.startswith("## ")
    }
    found: dict[str, list[Block]] = {anchor: [] for anchor in heads.values()}
    for block in blocks_of(PAGE):
        above = [number for number in heads if number < block.line]
        if above:
            found[heads[max(above)]].append(block)
    return found


@contextmanager
def workers_at_work() -> Iterator[None]:
    """Somebody who works on whatever can be claimed, successfully."""
    done = threading.Event()

    def work() -> None:
        engine = open_engine(URL)
        while not done.wait(0.01):
            for step in known_steps(engine, "jobs"):
                for task in step.query_for_unfinished():
                    with suppress(st.TaskExecutionError), step.start(task.task_id):
                        pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def run(command: Command, line: str, errors: list[str]) -> str:
    """One command line of the page, with ``|| true`` and ``|| echo "exit status $?"`` as a shell has them."""
    words, _, otherwise = line.partition(" || ")
    arguments = shlex.split(words)
    assert arguments[0] == "statustrack", line
    if "GROUP" in arguments:
        groups = json.loads(command("failures", "--json").stdout)["tables"][0]["groups"]
        arguments = [groups[0]["group"] if word == "GROUP" else word for word in arguments]
    if "--canary" in arguments:
        with workers_at_work():
            ran = command(*arguments[1:])
    else:
        ran = command(*arguments[1:])
    errors.append(ran.stderr)
    if not otherwise:
        assert ran.exit_code == 0, (line, ran.stdout, ran.stderr)
        return ran.stdout
    if otherwise == "true":
        assert ran.exit_code in (0, 1), (line, ran.stderr)
        return ran.stdout
    assert otherwise == 'echo "exit status $?"', line
    return f"{ran.stdout}exit status {ran.exit_code}\n"


def go_through(command: Command, anchor: str) -> None:
    """Run the commands of a section, and compare what they say with what the page says."""
    errors: list[str] = []
    said = ""
    blocks = sections()[anchor]
    assert any(block.language == "bash" for block in blocks)
    for block in blocks:
        if block.language == "bash":
            said = "".join(run(command, line, errors) for line in block.text.splitlines())
        else:
            assert block.mark == "says", block
            where = f"{PAGE.name}:{block.line}"
            assert CHECKER.check_output(block.text, said, doctest.ELLIPSIS), f"{where}: what is said is\n{said}"
    assert ERRORS.get(anchor, "") in "".join(errors)


@pytest.mark.parametrize("anchor", list(INCIDENTS))
def test_the_commands_say_what_the_page_says(
    command: Command, monkeypatch: pytest.MonkeyPatch, aws_environment: None, anchor: str
) -> None:
    INCIDENTS[anchor](monkeypatch)
    go_through(command, anchor)


def test_a_throttled_table_says_what_the_page_says(
    command: Command, monkeypatch: pytest.MonkeyPatch, aws_environment: None, dynamodb_endpoint: str, table_name: str
) -> None:
    proxy = Proxy(dynamodb_endpoint)
    try:
        the_table_is_throttled(monkeypatch, f"dynamodb://us-east-1?endpoint={proxy.endpoint}", table_name)
        kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"

        def throttled(*_: Any) -> tuple[int, dict[str, Any]]:
            return 400, {"__type": kind, "message": "the level of configured throughput was exceeded"}

        proxy.faults["Query"] = [throttled] * 1000
        # The table can be described all the time: then the storm is over.
        describe = proxy.faults.setdefault("DescribeTable", [])
        describe.append(lambda request, forward: (proxy.faults.pop("Query", None), forward(request))[1])
        go_through(command, "the-table-is-throttled")
    finally:
        proxy.close()


def test_every_incident_of_the_page_is_staged() -> None:
    staged = {*INCIDENTS, "the-table-is-throttled"}
    assert {anchor for anchor, blocks in sections().items() if blocks} == staged
    # And each is named by a symptom at the top.
    top = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    assert {anchor for anchor in staged if f"(#{anchor})" in top} == staged

"""The JSON of the commands has the shapes of docs/json.md, name by name and type by type."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from statustrack.cli.app import COMMANDS, cli
from tests.cli.conftest import Command
from tests.cli.staged import Stage
from tests.docs.pages import DOCS, blocks_of

PAGE = DOCS / "json.md"
#: What is run for each section, on a staged table.
RUNS: dict[str, list[str]] = {
    "status": ["--pace"],
    "list": ["--limit", "1"],
    "show": ["inv-5"],
    "explain": ["inv-6"],
    "failures": [],
    "doctor": [],
    "redrive": ["inv-4", "nope", "--canary", "1", "--wait", "0s"],
    "ignore": ["inv-3", "nope"],
    "prune": ["--yes"],
}
JOB = """\
import statustrack as st
class Step(st.BaseTask):
    class Meta:
        table_name = "work"
    config = st.TrackerConfig.make("work", 10, 20, 30, 40, 50)
@Step.handler
def do(ctx): pass
Step.create_table()
"""


def documented() -> dict[str, Any]:
    """The JSON block of each command's section."""
    text = PAGE.read_text(encoding="utf-8").splitlines()
    starts = {
        number: match[1] for number, line in enumerate(text, 1) if (match := re.match(r"## statustrack (\w+)", line))
    }
    found: dict[str, Any] = {}
    for block in blocks_of(PAGE):
        assert block.language == "json"
        name = starts[max(number for number in starts if number < block.line)]
        found.setdefault(name, json.loads(block.text))
    return found


def shape(value: Any) -> Any:
    """Names and types; a list has the shape of its members, null any."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        shapes: list[Any] = [shape(each) for each in value]
        return [merged(shapes)] if shapes else []
    return (
        None
        if value is None
        else "number"
        if isinstance(value, (int, float)) and value is not True
        else type(value).__name__
    )


def merged(shapes: list[Any]) -> Any:
    """One shape of several, each of which may know more than the others."""
    known = [each for each in shapes if each is not None]
    if not known:
        return None
    if all(isinstance(each, dict) for each in known):
        names = list(dict.fromkeys(name for each in known for name in each))
        assert all(list(each) == list(known[0]) for each in known), "members of one list have other names"
        return {name: merged([each[name] for each in known]) for name in names}
    if all(isinstance(each, list) for each in known):
        inner = [member for each in known for member in each]
        return [merged(inner)] if inner else []
    assert len({repr(each) for each in known}) == 1, known
    return known[0]


def agree(told: Any, real: Any, where: str) -> None:
    """Raises where two shapes differ; null and an empty list agree with everything."""
    if told is None or real is None or told == [] or real == []:
        return
    assert type(told) is type(real), (where, told, real)
    if isinstance(told, dict):
        assert set(told) == set(real), (where, set(told) ^ set(real))
        for name in told:
            agree(told[name], real[name], f"{where}.{name}")
    elif isinstance(told, list):
        agree(told[0], real[0], f"{where}[]")
    else:
        assert told == real, where


@pytest.mark.parametrize("name", list(RUNS))
def test_the_shape_is_the_documented_one(command: Command, engine_url: str, table_name: str, name: str) -> None:
    Stage(engine_url, table_name).fill()
    ran = command(name, *RUNS[name], "--engine", engine_url, "--table", table_name, "--json")
    assert ran.stdout.isascii()
    agree(shape(documented()[name]), shape(json.loads(ran.stdout)), name)


def test_the_shapes_of_init_add_and_run(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    agree(shape(documented()["init"]), shape(json.loads(command("init", "--table", "work", "--json").stdout)), "init")
    (tmp_path / "json_job.py").write_text(JOB)
    (tmp_path / "ids").write_text("a\nb\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    added = json.loads(command("add", "json_job:Step", "ids", "--json").stdout)
    agree(shape(documented()["add"]), shape(added), "add")
    ran = json.loads(command("run", "json_job:Step", "--until-idle", "--json").stdout)
    agree(shape(documented()["run"]), shape(ran), "run")
    assert ran["succeeded"] == 2


@pytest.mark.parametrize(("name", "arguments"), [("release", ["inv-6"]), ("delete", ["inv-3", "--yes"])])
def test_what_acts_has_the_shape_of_ignore(
    command: Command, engine_url: str, table_name: str, name: str, arguments: list[str]
) -> None:
    Stage(engine_url, table_name).fill()
    ran = command(name, *arguments, "--engine", engine_url, "--table", table_name, "--json")
    agree(shape(documented()["ignore"]), shape(json.loads(ran.stdout)), name)


def test_the_shape_of_a_copy(command: Command, engine_url: str, table_name: str) -> None:
    Stage(engine_url, table_name).fill()
    ran = command("copy", engine_url, "sqlite:///backup.db", "--table", table_name, "--create", "--json")
    agree(shape(documented()["copy"]), shape(json.loads(ran.stdout)), "copy")
    assert json.loads(ran.stdout)["running"]


def test_every_command_with_json_is_documented() -> None:
    import click

    context = click.Context(cli)
    with_json = [
        name
        for name in COMMANDS
        if any("--json" in each.opts for each in (cli.get_command(context, name) or cli).params)
    ]
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in with_json if f"statustrack {name}" not in text] == []


def test_a_shape_that_differs_is_found() -> None:
    for told, real in (
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "x"}),
        ([{"a": [1]}], [{"a": ["x"]}]),
        ({"a": {}}, {"a": 1}),
    ):
        with pytest.raises(AssertionError):
            agree(shape(told), shape(real), "it")
    agree(shape({"a": None, "b": []}), shape({"a": 1, "b": [{"c": 1}]}), "it")

"""The pages say all that they are there to say, and what they state as facts of the code is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import statustrack
from statustrack.engines.protocol import TableOptions
from tests.compat.test_signatures import DEFAULTS
from tests.docs.pages import DOCS, PAGES, ROOT, blocks_of, name_of, without_blocks

#: Explained with the classes that they are of.
OTHERS = {"config", "status_and_update_time_index"}


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def json_blocks(name: str) -> list[Any]:
    return [json.loads(block.text) for block in blocks_of(DOCS / name) if block.language == "json"]


# --- nothing is missing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(statustrack.__all__) - {"__version__"}))
def test_the_reference_has_every_public_name(name: str) -> None:
    assert re.search(rf":: {name}\b", read("api.md"))


@pytest.mark.parametrize(
    "name", [name for name in dir(statustrack.BaseTask) if not name.startswith("_") and name not in OTHERS]
)
def test_the_reference_has_every_verb_and_attribute_of_a_task(name: str) -> None:
    assert re.search(rf":: BaseTask\.{name}\b", read("api.md")) or f"`{name}`" in read("api.md")


@pytest.mark.parametrize("name", [name for name in statustrack.__all__ if name.endswith("Error")])
def test_every_error_is_explained(name: str) -> None:
    rows = [line for line in read("errors.md").splitlines() if line.startswith("| `")]
    bases = ("StatusTrackError", "TaskExecutionError")
    assert name in bases or name == "TaskIsLockedError" or any(line.startswith(f"| `{name}`") for line in rows)
    assert name in read("errors.md")


@pytest.mark.parametrize("path", sorted((ROOT / "tests/engines/contract").glob("test_*.py")), ids=lambda p: p.stem)
def test_every_part_of_the_contract_is_on_its_page(path: Path) -> None:
    assert f"`{path.name}`" in read("engines.md")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("[!_]*.py")), ids=lambda p: p.stem)
def test_the_guide_shows_every_example(path: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in DOCS.glob("guide/*.md")]
    assert any(f"{{literalinclude}} ../../examples/{path.name}\n" in text for text in pages)


def test_the_guide_shows_the_notebook() -> None:
    assert "examples/seed.ipynb" in read("guide/notebook.md") and "(notebook.md)" in read("guide/index.md")


def test_every_default_that_differs_is_named() -> None:
    for method, argument in DEFAULTS:
        pattern = rf"{method.removeprefix('BaseTask.')}\([a-z_=.]*{argument}="
        assert re.search(pattern, read("pynamodb-mate.md")), (method, argument)


# --- what is stated is so --------------------------------------------------------------------------------------------


def test_the_template_is_the_table_that_create_table_makes() -> None:
    from statustrack.engines.dynamodb.table import definition

    (template,) = [each for each in json_blocks("dynamodb.md") if "Resources" in each]
    properties = template["Resources"]["Tasks"]["Properties"]
    made = definition(properties["TableName"], TableOptions())
    assert {name: properties[name] for name in made} == made
    assert set(properties) - set(made) == {
        "TimeToLiveSpecification", "PointInTimeRecoverySpecification", "DeletionProtectionEnabled",
    }  # fmt: skip


#: The IAM actions that a method of boto3's client needs.
ACTIONS = {
    "batch_execute_statement": ("PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"),
    "batch_get_item": ("BatchGetItem",),
    "create_table": ("CreateTable", "TagResource"),
    "delete_item": ("DeleteItem",),
    "delete_table": ("DeleteTable",),
    "describe_continuous_backups": ("DescribeContinuousBackups",),
    "describe_table": ("DescribeTable",),
    "describe_time_to_live": ("DescribeTimeToLive",),
    "get_item": ("GetItem",),
    "list_tables": ("ListTables",),
    "put_item": ("PutItem",),
    "query": ("Query",),
    "scan": ("Scan",),
    "transact_write_items": ("ConditionCheckItem",),
    "update_item": ("UpdateItem",),
    "update_time_to_live": ("UpdateTimeToLive",),
}


def test_the_permissions_are_those_of_the_calls() -> None:
    modules = (ROOT / "src/statustrack/engines/dynamodb").glob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in modules)
    called = set(re.findall(r"(?:\.call|\.ask)\(\s*\"([a-z_]+)\"", text))
    called |= set(re.findall(r"\"(\w+_item)\"", text.split("METHODS = ")[1].splitlines()[0]))
    assert called == set(ACTIONS)
    needed = {action for actions in ACTIONS.values() for action in actions}
    listed = without_blocks(DOCS / "dynamodb.md")
    assert [action for action in needed if f"`{action}`" not in listed] == []
    granted: set[str] = set()
    for policy in json_blocks("dynamodb.md"):
        for statement in policy.get("Statement", ()):
            actions = statement["Action"]
            granted |= set([actions] if isinstance(actions, str) else actions)
    assert granted == {f"dynamodb:{action}" for action in needed - {"ConditionCheckItem"}}


# --- links -----------------------------------------------------------------------------------------------------------


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{name_of(page)}: {target}"
        if anchor:
            assert anchor in anchors_of(other), f"{name_of(page)}: {target}"

"""`statustrack copy`: either way, by command; what was left out ends with exit status 1."""

from __future__ import annotations

import json

import statustrack as st
from statustrack.tracking.heartbeat import let_go
from tests.cli.conftest import Command
from tests.tracking.support import FIRST, failed_many, step

HERE = "sqlite:///here.db"


def fill(url: str, table: str) -> type[st.BaseTask]:
    with st.use_engine(url):
        made = step(table, FIRST, name="Read")
        made.create_table(wait=True)
        made.create_many([f"p-{number}" for number in range(10)])
        failed_many(made, ["f"])
    return made


def test_there_and_back(command: Command, engine_url: str, table_name: str) -> None:
    fill(HERE, table_name)
    missing = command("copy", HERE, engine_url)
    assert missing.exit_code == 2 and f"no table '{table_name}'" in " ".join(missing.stderr.split())
    assert "--create" in missing.stderr
    ran = command("copy", HERE, engine_url, "--create")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "Copied 11 tasks of 11." in ran.stdout and "Counted at both ends: all is there." in ran.stdout
    again = command("copy", HERE, engine_url, "--table", table_name)
    assert again.exit_code == 0 and "Copied 0 tasks of 11; 11 were there already, the same." in again.stdout
    back = command("copy", engine_url, "sqlite:///back.db", "--table", table_name, "--to-table", "back", "--create")
    assert back.exit_code == 0, back.output
    with st.use_engine("sqlite:///back.db"):
        found = step("back", FIRST, name="Read")
        assert found.count_by_status()["pending"] == 10
        assert found.get("f").is_failed()
    assert "\x1b" not in ran.stdout


def test_what_is_left_out_or_differs_is_named(command: Command, table_name: str) -> None:
    made = fill(HERE, table_name)
    with st.use_engine(HERE):
        let_go(made.start("p-0").__enter__()._hold)
    there = "sqlite:///there.db"
    with st.use_engine(there):
        made.create_table()
        made.create("p-1", {"other": True})
    ran = command("copy", HERE, there)
    assert ran.exit_code == 1
    assert "Copied 9 tasks of 11." in ran.stdout
    assert "Held by workers, and left out: 1 task" in ran.stdout and made.make_key("p-0") in ran.stdout
    assert "Other than at DST, and left as they are there: 1 task" in ran.stdout and made.make_key("p-1") in ran.stdout
    ran = command("copy", HERE, there, "--include-running", "--json")
    assert ran.exit_code == 1
    found = json.loads(ran.stdout)
    assert found["counts"] and {each["use_case"] for each in found["counts"]} == {"job"}
    del found["counts"]
    assert found == {
        "action": "copy", "source": {"engine": HERE, "table": table_name},
        "target": {"engine": there, "table": table_name}, "complete": False, "read": 11, "copied": 1, "there": 9,
        "differing": [made.make_key("p-1")], "running": [made.make_key("p-0")], "running_copied": True,
        "rejected": [], "short": [],
    }  # fmt: skip


def test_the_same_table_twice_is_refused(command: Command, table_name: str) -> None:
    fill(HERE, table_name)
    ran = command("copy", HERE, HERE)
    assert ran.exit_code == 2 and "the same table" in ran.stderr
    assert command("copy", HERE, "nonsense://x").exit_code == 2

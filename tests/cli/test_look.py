"""`list`, `show`, `explain`, `failures`, `doctor`, `watch`: what they show of a table, without user code; on both
engines."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.cli.staged import HOSTILE_ID, SHOWN_ID, Stage


@pytest.fixture
def staged(engine_url: str, table_name: str) -> list[str]:
    """A staged table; the options that name it."""
    Stage(engine_url, table_name).fill()
    return ["--engine", engine_url, "--table", table_name]


def ids(found: dict[str, Any]) -> list[str]:
    return [task["task_id"] for task in found["tasks"]]


# --- list ------------------------------------------------------------------------------------------------------------


def test_list_shows_the_newest_first(command: Command, staged: list[str]) -> None:
    ran = command("list", *staged)
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert re.match(r"task +step +status +since +tries$", lines[2])
    assert re.match(r"inv-7 +Read +in progress +\d+ s ago +1 +\S+:\d+:[0-9a-f]{8}, lease \d+ s, 40% done$", lines[3])
    assert re.match(r"inv-6 +Read +in progress +\d+ min ago +1 +lease over \d+ min ago, \S+$", lines[4])
    assert len([line for line in lines if line.startswith(("inv-", "bad"))]) == 12
    assert "More:" not in ran.stdout


def test_list_is_filtered(command: Command, staged: list[str]) -> None:
    def listed(*options: str) -> list[str]:
        return ids(json.loads(command("list", *staged, "--json", *options).stdout))

    assert listed("--status", "ignored") == ["inv-4"]
    assert set(listed("--status", "failed")) == {"inv-3", HOSTILE_ID}
    assert set(listed("--status", "failed", "--status", "ignored")) == {"inv-3", HOSTILE_ID, "inv-4"}
    assert listed("--status", "50") == ["inv-4"]
    assert listed("--step", "Answer", "--status", "succeeded") == ["inv-1"]
    # What the first step has succeeded with waits for the second: it is pending, unless the first is asked for.
    assert listed("--status", "succeeded") == ["inv-1"]
    assert "inv-2" in listed("--status", "pending")
    assert listed("--step", "Read", "--status", "succeeded") == ["inv-2"]
    assert listed("--step", "Answer", "--status", "pending") == ["inv-2"]
    assert listed("--newer", "1m") == ["inv-7"]
    assert "inv-7" not in listed("--older", "1m")
    assert listed("--prefix", "inv-10") == ["inv-10"]
    assert listed("--stuck") == ["inv-6"]
    assert listed("--use-case", "invoice", "--status", "ignored") == ["inv-4"]
    group = json.loads(command("list", *staged, "--json", "--status", "ignored").stdout)["tasks"][0]["group"]
    assert listed("--group", group) == ["inv-4"]
    assert listed("--group", group, "--status", "pending") == ["inv-5"]  # redriven
    assert listed("--group", "no such group") == []
    oldest, newest = listed("--oldest"), listed()
    assert oldest[-1] == newest[0] == "inv-7"


def test_list_goes_on_where_a_page_ended(command: Command, staged: list[str]) -> None:
    seen: list[str] = []
    after: list[str] = []
    for _ in range(10):
        found = json.loads(command("list", *staged, "--json", "--limit", "5", *after).stdout)
        seen += ids(found)
        if found["after"] is None:
            break
        after = ["--after", found["after"]]
        assert f"--after {found['after']}" in command("list", *staged, "--limit", str(len(seen))).stdout
    assert len(seen) == len(set(seen)) == 12


def test_list_refuses_what_it_does_not_know(command: Command, staged: list[str]) -> None:
    for options, said in (
        (("--status", "done"), "neither a code nor one of pending, in_progress"),
        (("--older", "yesterday"), "--older='yesterday' must be"),
        (("--after", "nonsense"), "no mark of a listing"),
        (("--step", "Nobody"), "There are: invoice / Read"),
        (("--use-case", "nobody"), "There are: invoice"),
        (("--limit", "0"), "0 is not in the range"),
    ):
        ran = command("list", *staged, *options)
        assert ran.exit_code == 2, options
        assert said in ran.stderr, options


def test_an_empty_list(command: Command) -> None:
    command("init", "--table", "jobs")
    ran = command("list")
    assert ran.exit_code == 0
    assert "No such task." in ran.stdout


# --- show ------------------------------------------------------------------------------------------------------------


def test_show_tells_the_story(command: Command, staged: list[str]) -> None:
    ran = command("show", "inv-5", *staged)
    assert (ran.exit_code, ran.stderr) == (0, "")
    text = ran.stdout
    assert "inv-5  invoice / Read  pending" in text
    assert re.search(r"^  1  Read  failed +\d+ ms  [\d:]+ +\S+  \S+:\d+:[0-9a-f]{8}$", text, re.MULTILINE)
    assert re.search(r"^  2  Read  ignored ", text, re.MULTILINE)
    assert "    KeyError('author')\n    Traceback (most recent call last):\n" in text
    assert text.count("Traceback (most recent call last):") == 1
    assert "--tracebacks shows 1 more traceback" in text
    assert re.search(r"min ago: redrive by ann@desk: parser 2.1, id [0-9a-f]{12}$", text, re.MULTILINE)
    assert command("show", "inv-5", *staged, "--tracebacks").stdout.count("Traceback (most recent call last):") == 2


def test_show_has_holder_lease_and_progress(command: Command, staged: list[str]) -> None:
    text = command("show", "inv-7", *staged).stdout
    assert re.search(r"^holder +\S+:\d+:[0-9a-f]{8}, lease ends in \d+ s$", text, re.MULTILINE)
    assert re.search(r"^progress +40%: page 12 of 30$", text, re.MULTILINE)
    assert re.search(r"^  1  Read  running ", text, re.MULTILINE)
    dead = command("show", "inv-6", *staged).stdout
    assert re.search(r"lease over \d+ min ago$", dead, re.MULTILINE)


def test_show_has_the_data_where_it_is_asked_for(command: Command, staged: list[str]) -> None:
    assert "Data" not in command("show", "inv-1", *staged).stdout
    assert command("show", "inv-1", *staged, "--data").stdout.endswith("Data\n  {}\n")
    assert "data" not in json.loads(command("show", "inv-1", *staged, "--json").stdout)
    assert json.loads(command("show", "inv-1", *staged, "--json", "--data").stdout)["data"] == {}


def test_show_of_nobody_is_exit_status_1(command: Command, staged: list[str]) -> None:
    ran = command("show", "nobody", *staged)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "there is no task 'nobody' in table" in ran.stderr
    assert "its use cases are invoice" in ran.stderr


def test_an_id_that_was_escaped_on_the_screen_is_found(command: Command, staged: list[str]) -> None:
    assert json.loads(command("show", SHOWN_ID, *staged, "--json").stdout)["task_id"] == HOSTILE_ID
    assert json.loads(command("explain", SHOWN_ID, *staged, "--json").stdout)["task_id"] == HOSTILE_ID
    missing = command("show", "no\\x1b", *staged)
    assert (missing.exit_code, "no task 'no\\\\x1b'" in missing.stderr) == (1, True), missing.stderr


def test_show_takes_the_whole_key_too(command: Command, staged: list[str]) -> None:
    assert command("show", "invoice____inv-1", *staged).exit_code == 0


# --- explain ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task_id", "state", "does", "exit_code"),
    [
        ("inv-0", "ready", "claim", 0),
        ("inv-1", "succeeded", "refuse", 0),
        ("inv-2", "ready", "claim", 0),
        ("inv-3", "ready", "claim", 0),
        ("inv-4", "ignored", "refuse", 1),
        ("inv-6", "crashed", "take_over", 1),
        ("inv-7", "running", "refuse", 0),
        ("nobody", "missing", "create_first", 1),
    ],
)
def test_explain_says_why_and_what_to_do(
    command: Command, staged: list[str], task_id: str, state: str, does: str, exit_code: int
) -> None:
    ran = command("explain", task_id, *staged, "--json")
    found = json.loads(ran.stdout)
    assert (found["state"], found["claim"], ran.exit_code) == (state, does, exit_code)
    told = command("explain", task_id, *staged)
    assert told.exit_code == exit_code
    assert found["says"] in told.stdout
    assert re.search(rf"^What to do +{re.escape(found['advice'])}$", told.stdout, re.MULTILINE)
    for line in found["next"]:
        assert line in told.stdout
        assert line.endswith(shlex.join(staged))  # so that it can be typed as it is
    assert bool(found["next"]) == (state not in ("succeeded", "missing"))


def test_explain_as_another_step_sees_it(command: Command, staged: list[str]) -> None:
    found = json.loads(command("explain", "inv-2", *staged, "--step", "Read", "--json").stdout)
    assert (found["step"], found["state"]) == ("Read", "succeeded")


# --- failures --------------------------------------------------------------------------------------------------------


def test_failures_are_grouped(command: Command, staged: list[str]) -> None:
    ran = command("failures", *staged)
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert "3 failed or ignored, 3 groups" in ran.stdout
    assert "1  ValueError: cannot parse page 3 of s3://bucket/3.pdf\n   Read: 1 failed; first " in ran.stdout
    found = json.loads(command("failures", *staged, "--json").stdout)["tables"][0]
    by_words = {group["summary"][:8]: group for group in found["groups"]}
    assert by_words["KeyError"]["ignored"] == 1
    assert by_words["KeyError"]["samples"] == ["inv-4"]
    # The command that it says to type shows these tasks.
    line = next(line for line in ran.stdout.splitlines() if by_words["KeyError"]["group"] in line)
    assert ids(json.loads(command(*shlex.split(line)[1:], "--json").stdout)) == ["inv-4"]


def test_no_failures_is_exit_status_0(command: Command, staged: list[str]) -> None:
    ran = command("failures", *staged, "--newer", "1s")
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (0, "No failures.")
    assert command("failures", *staged, "--step", "Answer").exit_code == 0


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_finds_the_dead_holder(command: Command, staged: list[str]) -> None:
    ran = command("doctor", *staged)
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert re.search(r"^! leases +1 lease \(inv-6\) over without an outcome: ", ran.stdout, re.MULTILINE)
    assert f"statustrack explain inv-6 {shlex.join(staged)}\n" in ran.stdout
    assert ran.stdout.endswith("1 warning to look at\n")
    found = json.loads(command("doctor", *staged, "--json").stdout)["tables"][0]
    states = {finding["topic"]: finding["state"] for finding in found["findings"]}
    assert states["leases"] == "warning"
    assert states["keys"] == states["index"] == states["directory"] == states["clock"] == "good"
    # What the place does not have is said, and is no fault.
    absent = [finding for finding in found["findings"] if finding["state"] == "absent"]
    assert absent
    assert all("offered here" in finding["says"] for finding in absent)


def test_doctor_of_a_good_table(command: Command) -> None:
    command("init", "--table", "jobs")
    ran = command("doctor")
    assert ran.exit_code == 0
    assert ran.stdout.endswith("All is well.\n")


def test_doctor_of_a_table_of_others(command: Command) -> None:
    import sqlite3

    command("init", "--table", "jobs")
    with sqlite3.connect("statustrack.db") as raw:
        raw.execute("CREATE TABLE foreign_one (id INTEGER)")
    raw.close()
    ran = command("doctor", "--table", "foreign_one")
    assert ran.exit_code == 1
    assert "is not one of statustrack's" in ran.stdout
    assert "1 fault to mend" in ran.stdout


# --- watch -----------------------------------------------------------------------------------------------------------


def test_watch_is_a_line_for_each_step_where_it_is_no_terminal(command: Command, staged: list[str]) -> None:
    ran = command("watch", *staged, "--times", "2", "--every", "0.2")
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert len(lines) == 4
    assert re.match(
        r"\d\d:\d\d:\d\d  invoice / Read: pending 5, in_progress 2, failed 2, ignored 1, [\d.]+ per minute, "
        r"median 2.0 s",
        lines[0],
    )
    assert re.match(r"\d\d:\d\d:\d\d  invoice / Answer: pending 1, in_progress 0, failed 0, ignored 0, suc", lines[1])


def test_watch_as_json_is_one_object_on_a_line(command: Command, staged: list[str]) -> None:
    ran = command("watch", *staged, "--times", "2", "--every", "0.2", "--json")
    looks = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [look["tables"][0]["use_cases"][0]["tasks"] for look in looks] == [12, 12]


def test_watch_goes_on_while_the_storage_does_not_answer(
    command: Command, staged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from statustrack.core.errors import StorageUnavailableError
    from statustrack.tracking import view

    made = view.View.__init__
    looks: list[int] = []

    def sometimes(self: Any, *arguments: Any) -> None:
        looks.append(1)
        if len(looks) == 2:
            raise StorageUnavailableError("the network is gone")
        made(self, *arguments)

    monkeypatch.setattr(view.View, "__init__", sometimes)
    ran = command("watch", *staged, "--times", "3", "--every", "0.2")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [line[:9] for line in ran.stdout.splitlines()].count("no answer") == 1
    assert len(ran.stdout.splitlines()) == 5
    looks.clear()
    as_json = command("watch", *staged, "--times", "2", "--every", "0.2", "--json").stdout.splitlines()
    assert json.loads(as_json[1]) == {"engine": staged[1], "error": "the network is gone"}


# --- what they have in common ----------------------------------------------------------------------------------------

LOOKING = ("status", "list", "show", "explain", "failures", "watch", "doctor")


def arguments(name: str) -> list[str]:
    return {"show": ["inv-1"], "explain": ["inv-1"], "watch": ["--times", "1"]}.get(name, [])


@pytest.mark.parametrize("name", LOOKING)
def test_each_says_what_it_took(command: Command, staged: list[str], name: str) -> None:
    ran = command(name, *arguments(name), *staged, "--cost")
    told = re.search(r"(\d+) requests(, [\d.]+ read units)?$", ran.stdout.strip())
    assert told
    assert (told[2] is not None) == staged[1].startswith("dynamodb")
    found = json.loads(command(name, *arguments(name), *staged, "--json").stdout)
    answer = found["tables"][0] if "tables" in found else found
    assert answer["cost"]["requests"] > 0
    assert (answer["cost"]["read_units"] > 0) == staged[1].startswith("dynamodb")


@pytest.mark.parametrize("name", LOOKING)
def test_each_shows_hostile_texts_and_sends_none(command: Command, staged: list[str], name: str) -> None:
    given = [HOSTILE_ID] if name in ("show", "explain") else arguments(name)
    ran = command(name, *given, *staged)
    for harmful in ("\x1b", "\u202e", "\u200b", "\x9b", "\x07", "\r", "\t"):
        assert harmful not in ran.stdout, repr(harmful)
    if name in ("list", "show", "explain", "failures"):
        assert SHOWN_ID in ran.stdout
    if name in ("list", "show", "failures"):
        assert "\\x1b]0;owned\\x07 [bold red]no[/]" in ran.stdout


@pytest.mark.parametrize("name", LOOKING)
def test_without_a_table_each_takes_the_only_one_or_lists_them(command: Command, name: str) -> None:
    url = "sqlite:///statustrack.db"
    nothing = command(name, *arguments(name))
    assert nothing.exit_code == 2
    assert "there is no table at sqlite:///statustrack.db" in nothing.stderr
    Stage(url, "jobs").fill()
    assert command(name, *arguments(name)).exit_code in (0, 1)
    Stage(url, "mails").fill()
    several = command(name, *arguments(name))
    assert several.exit_code == 2
    assert "choose with --table: jobs, mails" in several.stderr
    assert command(name, *arguments(name), "--table", "mails").exit_code in (0, 1)


@pytest.mark.parametrize("name", LOOKING)
def test_each_ends_with_3_where_the_storage_cannot_be_reached(
    command: Command, aws_environment: None, name: str
) -> None:
    ran = command(
        name, *arguments(name), "--engine", "dynamodb://us-east-1?endpoint=http://127.0.0.1:9", "--table", "jobs"
    )
    assert ran.exit_code == 3
    assert ran.stderr.startswith("Error: ")
    assert "http://127.0.0.1:9" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_the_variable_names_the_table(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("jobs", "mails"):
        Stage("sqlite:///statustrack.db", table).fill()
    monkeypatch.setenv("STATUSTRACK_TABLE", "mails")
    assert command("list").stdout.startswith("mails at ")
    assert command("list", "--table", "jobs").stdout.startswith("jobs at ")


def test_several_tables_are_looked_at_in_turn(command: Command) -> None:
    for table in ("jobs", "mails"):
        Stage("sqlite:///statustrack.db", table).fill()
    both = ["--table", "mails", "--table", "jobs"]
    for name in ("status", "failures", "doctor"):
        told = command(name, *both).stdout
        assert [line.split()[0] for line in told.splitlines() if " at sqlite" in line] == ["mails", "jobs"]
        assert len(json.loads(command(name, *both, "--json").stdout)["tables"]) == 2
    assert command("show", "inv-1", *both).stdout.startswith("mails at ")
    assert command("list", *both).exit_code == 2

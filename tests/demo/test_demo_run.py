"""The demo as people run it: a process of its own, its output in a pipe, its worker really killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import statustrack as st
from statustrack.demo.inbox import own, use_case_of
from statustrack.demo.invoices import AS_OF, BROKEN
from statustrack.demo.steps import Answer, Extract

INVOICES = 12
SECONDS = 120
DATABASE = "statustrack-demo/tasks.db"

Finished = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STATUSTRACK", "COLUMNS"))}
    return {**kept, **more}


def words(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "statustrack", "demo", *arguments]


def demo(folder: Path, *arguments: str, **more: str) -> Finished:
    return subprocess.run(
        words(*arguments), cwd=folder, env=environment(**more),
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=SECONDS,
    )  # fmt: skip


def tasks_in(folder: Path) -> dict[str, Answer]:
    with st.use_engine(f"sqlite:///{(folder / DATABASE).as_posix()}"):
        codes = sorted({*Extract.config.codes, *Answer.config.codes})
        return {task.task_id: task for task in Answer.query_by_status(codes, auto_refresh=True)}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def are_gone(pids: Sequence[int], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_running, pids))


def workers_of(text: str) -> list[int]:
    named = re.search(r"at work: ([\d, ]+)", text)
    assert named, text
    return [int(pid) for pid in named[1].split(",")]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """One run from start to end, which several tests look at."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo(folder, "--invoices", str(INVOICES))


# --- a whole run -----------------------------------------------------------------------------------------------------


def test_all_is_as_it_should_be(ran: tuple[Path, Finished]) -> None:
    _, done = ran
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for fact in (
        "12 PDF invoices and 3 broken documents",
        "where the call of a large language model would go",
        "15 of 15 documents came to an end",
        "answers equal the truth: 12 of 12",
        "3 broken documents are ignored after 3 tries",
        "no step of a task succeeded twice",
        "the killed worker's task was taken over",
        "EmptyDocumentError: broken-empty.pdf is empty (0 bytes)",
        "NotAPdfError: broken-video.pdf is not a PDF",
        "TruncatedDocumentError: broken-truncated.pdf is truncated",
        f"statustrack status --engine sqlite:///{DATABASE}",
    ):
        assert fact in done.stdout


def test_the_output_suits_a_pipe_of_80_columns(ran: tuple[Path, Finished]) -> None:
    _, done = ran
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_worker_was_killed_and_its_task_taken_over(ran: tuple[Path, Finished]) -> None:
    folder, done = ran
    told = re.search(r"worker (\d+) is killed \(SIGKILL\) holding (\S+), attempt (\d+)", done.stdout)
    assert told, done.stdout
    pid, task_id, attempt = told[1], told[2], int(told[3])
    task = tasks_in(folder)[task_id]
    lost, after = next(
        (before, after)
        for before, after in zip(task.attempts, task.attempts[1:], strict=False)
        if before.outcome == "lost" and before.attempt == attempt
    )
    assert lost.worker.split(":")[1] == pid
    # Whoever finds it among others gives it back, to run it alone: that takes a number too.
    assert (after.outcome, after.status) == ("succeeded", lost.status)
    assert after.attempt > attempt
    assert after.worker != lost.worker
    assert task.is_succeeded()
    assert f"{task_id}: attempt {attempt} lost, attempt {after.attempt} succeeded" in done.stdout
    assert any(entry["kind"] == "lost" for entry in task.errors["history"])


def test_the_table_holds_what_was_told(ran: tuple[Path, Finished]) -> None:
    folder, _ = ran
    tasks = tasks_in(folder)
    assert len(tasks) == INVOICES + len(BROKEN)
    for name, task in tasks.items():
        if name in BROKEN:
            assert (task.status, task.retry) == (Extract.config.ignored_status, 3)
            # The killed worker may have held it beside the one that it worked on: then the first of the three was lost.
            lost = [entry["kind"] == "lost" for entry in task.errors["history"]]
            assert len(lost) == 3 and lost.count(True) <= 1
            assert [BROKEN[name] in entry["error"] for entry in task.errors["history"]] == [not each for each in lost]
        else:
            assert task.is_succeeded()
            assert set(task.data) == {"path", "as_of", "extracted", "answers"}
            succeeded = [entry.status for entry in task.attempts if entry.outcome == "succeeded"]
            assert succeeded == [Extract.config.in_progress_status, Answer.config.in_progress_status]


def test_nobody_is_left_behind(ran: tuple[Path, Finished]) -> None:
    _, done = ran
    replacements = [int(pid) for pid in re.findall(r"worker (\d+) takes the place", done.stdout)]
    assert replacements
    assert are_gone([*workers_of(done.stdout), *replacements])


def test_the_second_run_does_nothing_twice(ran: tuple[Path, Finished]) -> None:
    folder, _ = ran
    before = {name: task.attempts for name, task in tasks_in(folder).items()}
    # The number of invoices is that of the run that is there.
    again = demo(folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "All 15 were done by an earlier run: nothing is done twice" in again.stdout
    assert "answers equal the truth: 12 of 12" in again.stdout
    assert "statustrack demo --fresh" in again.stdout
    assert {name: task.attempts for name, task in tasks_in(folder).items()} == before


@pytest.mark.parametrize(
    "terminal",
    [{"LC_ALL": "C", "NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}, {"FORCE_COLOR": "1"}, {"COLUMNS": "20"}],
    ids=lambda terminal: "-".join(terminal),
)
def test_it_does_not_depend_on_the_terminal(ran: tuple[Path, Finished], terminal: dict[str, str]) -> None:
    again = demo(ran[0], **terminal)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Checked" in again.stdout


# --- other ways to run it --------------------------------------------------------------------------------------------


def test_another_number_of_invoices_needs_a_fresh_start(tmp_path: Path) -> None:
    assert demo(tmp_path, "--invoices", "3", "--no-kill").returncode == 0
    more = demo(tmp_path, "--invoices", "4", "--no-kill")
    assert more.returncode == 0, more.stderr
    assert "6 of 7 were done by an earlier run" in more.stdout
    fewer = demo(tmp_path, "--invoices", "2", "--no-kill")
    assert fewer.returncode == 2
    assert "the table holds 2 tasks of documents that are not in this run" in fewer.stderr
    assert "--fresh" in fewer.stderr
    fresh = demo(tmp_path, "--invoices", "2", "--no-kill", "--workers", "1", "--fresh")
    assert fresh.returncode == 0, fresh.stderr
    assert "answers equal the truth: 2 of 2" in fresh.stdout
    assert "killed" not in fresh.stdout


def test_a_wrong_answer_is_named_and_ends_with_1(tmp_path: Path) -> None:
    assert demo(tmp_path, "--invoices", "2", "--no-kill").returncode == 0
    truth = tmp_path / "statustrack-demo" / "documents" / "truth.json"
    facts = json.loads(truth.read_text(encoding="utf-8"))
    facts["truth"]["invoice-0002.pdf"]["seller"] = "Somebody Else"
    truth.write_text(json.dumps(facts), encoding="utf-8")
    done = demo(tmp_path)
    assert done.returncode == 1
    assert "answers equal the truth: 1 of 2" in done.stdout
    assert "invoice-0002.pdf: seller: the answer is" in done.stdout


def test_the_users_own_documents(ran: tuple[Path, Finished], tmp_path: Path) -> None:
    inbox = tmp_path / "in box"
    (inbox / "older").mkdir(parents=True)
    documents = ran[0] / "statustrack-demo" / "documents"
    shutil.copy(documents / "invoice-0001.pdf", inbox)
    shutil.copy(documents / "invoice-0001.pdf", inbox / "older" / "SAME.PDF")
    shutil.copy(documents / "broken-video.pdf", inbox / "older")
    (inbox / "note.txt").write_text("no PDF")
    done = demo(tmp_path, "--pdfs", "in box", "--no-kill")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 PDF documents of in box" in done.stdout
    assert "3 of 3 documents came to an end" in done.stdout
    assert "older/broken-video.pdf" in done.stdout
    assert "statustrack demo --pdfs 'in box' --fresh" in done.stdout
    assert "the truth" not in done.stdout
    assert "All 3 were done by an earlier run" in demo(tmp_path, "--pdfs", "in box").stdout


def test_own_documents_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.pdf").touch()
    for given, said in (
        ("nowhere", "there is no such folder"),
        ("empty", "there is no .pdf file in it"),
        ("file.pdf", "is a file: give a folder"),
    ):
        done = demo(tmp_path, "--pdfs", given)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"Error: --pdfs {given}")
        assert said in done.stderr
    assert not (tmp_path / "statustrack-demo").exists()


def test_files_of_one_name_in_two_folders_are_two_tasks(tmp_path: Path) -> None:
    for name in ("a____b", "c/a____b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.pdf").touch()
    first, second = own(tmp_path / "a____b", AS_OF), own(tmp_path / "c" / "a____b", AS_OF)
    assert first.task_ids == second.task_ids == ["x.pdf"]
    assert first.use_case_id != second.use_case_id
    assert re.fullmatch(r"pdfs-a-b-[0-9a-f]{6}", use_case_of(tmp_path / "a____b"))


@pytest.mark.parametrize("missing", ["pypdf", "fpdf"])
def test_without_the_extra_it_says_what_to_install(tmp_path: Path, missing: str) -> None:
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / f"{missing}.py").write_text("raise ModuleNotFoundError('not installed')")
    done = demo(tmp_path, "--invoices", "1", PYTHONPATH=str(tmp_path / "absent"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Error: the demo ")
    assert 'pip install "statustrack[demo]"' in done.stderr
    assert "Traceback" not in done.stderr


# --- stopped on the way ----------------------------------------------------------------------------------------------


def started(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A run whose workers have begun, in a process group of its own."""
    process = subprocess.Popen(
        words(*arguments), cwd=folder, env=environment(), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if " at work: " in line:
            return process, told
    raise AssertionError(told + str(process.communicate()))


@pytest.mark.skipif(os.name != "posix", reason="signals as a terminal sends them")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_ctrl_c_leaves_no_task_held_and_no_worker(tmp_path: Path, how: signal.Signals) -> None:
    process, told = started(tmp_path, "--invoices", "60", "--no-kill")
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does it: to all of them
    else:
        process.send_signal(how)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (130, ""), out
    assert "no task is held any more" in out
    assert out.splitlines()[-1] == "  statustrack demo"
    assert are_gone(workers_of(told))
    tasks = tasks_in(tmp_path)
    assert len(tasks) == 63
    assert [task for task in tasks.values() if task.is_locked()] == []
    on = demo(tmp_path, "--no-kill")
    assert on.returncode == 0, on.stdout + on.stderr
    assert "answers equal the truth: 60 of 60" in on.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_workers_end_when_the_demo_is_killed(tmp_path: Path) -> None:
    process, told = started(tmp_path, "--invoices", "60", "--no-kill")
    process.kill()
    process.communicate(timeout=SECONDS)
    assert are_gone(workers_of(told))


def test_a_reader_that_leaves_stops_it(tmp_path: Path) -> None:
    process, told = started(tmp_path, "--invoices", "60", "--no-kill")
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=SECONDS)
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert are_gone(workers_of(told))

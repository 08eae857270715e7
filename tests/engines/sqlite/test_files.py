"""Files: missing, foreign, newer, damaged, not writable, deleted, replaced; each is told apart and left alone."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import pytest

from statustrack.core.errors import ConfigError, StorageError, TableMismatchError, TableNotFoundError
from statustrack.core.record import ATTRIBUTES
from statustrack.engines.protocol import Applied
from statustrack.engines.registry import open_engine
from statustrack.engines.sqlite import connections, schema
from statustrack.engines.sqlite.engine import SqliteEngine
from tests.engines.sqlite.rows import OPTIONS, TABLE, apply_one, create, engine_at, row_of, with_sqlite


def test_opening_and_looking_makes_nothing(path: Path) -> None:
    engine = SqliteEngine(str(path), url="")
    assert not engine.exists(TABLE)
    assert engine.tables() == []
    for action in (
        lambda: engine.get(TABLE, ["a"]),
        lambda: engine.apply(TABLE, [create("a")]),
        lambda: engine.page(TABLE, "p", limit=1),
        lambda: engine.count(TABLE, "p"),
        lambda: list(engine.scan(TABLE)),
        lambda: engine.drop_table(TABLE),
    ):
        with pytest.raises(TableNotFoundError, match=r"create_table\(\).*statustrack init"):
            action()
    assert not path.exists()
    engine.close()


def test_a_missing_file_is_named_with_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = open_engine("sqlite:///some/tasks.db")
    with pytest.raises(TableNotFoundError) as caught:
        engine.get(TABLE, ["a"])
    assert str(tmp_path / "some" / "tasks.db") in str(caught.value)
    assert f"working directory {tmp_path}" in str(caught.value)


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = SqliteEngine("tasks.db", url="")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    engine.create_table(TABLE, OPTIONS)
    assert (tmp_path / "tasks.db").exists()
    engine.close()


def test_a_missing_table_in_a_file_of_ours(engine: SqliteEngine, path: Path) -> None:
    with pytest.raises(TableNotFoundError, match=r"no table 'others' in .*create_table"):
        engine.get("others", ["a"])
    engine.drop_table(TABLE)
    assert not engine.exists(TABLE)
    with pytest.raises(TableNotFoundError, match="'tasks'"):
        apply_one(engine, create("a"))
    assert engine.create_table(TABLE, OPTIONS)
    assert isinstance(apply_one(engine, create("a")), Applied)


def test_a_table_dropped_by_another_engine(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    other = engine_at(path)
    other.drop_table(TABLE)
    other.close()
    with pytest.raises(TableNotFoundError, match="'tasks'"):
        apply_one(engine, create("b"))
    with pytest.raises(TableNotFoundError, match="'tasks'"):
        engine.get(TABLE, ["a"])


def test_create_table_is_idempotent_and_lists(engine: SqliteEngine) -> None:
    assert not engine.create_table(TABLE, OPTIONS)
    assert engine.create_table("a-b.c", OPTIONS)
    assert engine.tables() == ["a-b.c", "tasks"]
    engine.apply("a-b.c", [create("a")])
    assert engine.get("a-b.c", ["a"]) == {"a": row_of("a")}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    engine = SqliteEngine(str(tmp_path / "no" / "tasks.db"), url="")
    with pytest.raises(StorageError, match=f"no folder {tmp_path / 'no'}"):
        engine.create_table(TABLE, OPTIONS)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("name", ["", "ab", "a" * 256, "a b", "a'b", "a`b", "täsks", "sqlite_tasks", "SQLITE_x", None])
def test_table_names_are_checked(path: Path, name: str) -> None:
    engine = SqliteEngine(str(path), url="")
    for action in (lambda: engine.create_table(name, OPTIONS), lambda: engine.get(name, ["a"])):
        with pytest.raises(ConfigError, match="table name"):
            action()
    assert not path.exists()


def test_a_file_of_something_else_is_left_alone(path: Path) -> None:
    with_sqlite(path, "CREATE TABLE bills (id)")
    before = path.read_bytes()
    engine = SqliteEngine(str(path), url="")
    for action in (
        lambda: engine.create_table(TABLE, OPTIONS),
        lambda: engine.get(TABLE, ["a"]),
        lambda: engine.apply(TABLE, [create("a")]),
        lambda: engine.exists(TABLE),
        lambda: engine.tables(),
    ):
        with pytest.raises(TableMismatchError, match=r"something else.*bills"):
            action()
    engine.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is a text, and long enough to be a header " * 100, b"%PDF-1.7 short"])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    engine = SqliteEngine(str(path), url="")
    for action in (lambda: engine.create_table(TABLE, OPTIONS), lambda: engine.apply(TABLE, [create("a")])):
        with pytest.raises(TableMismatchError, match="not a SQLite database"):
            action()
    assert path.read_bytes() == content


def test_a_folder_is_no_database(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError):
        engine_at(path)


def test_an_empty_file_is_taken(path: Path) -> None:
    path.touch()
    engine = SqliteEngine(str(path), url="")
    with pytest.raises(TableNotFoundError, match="no table 'tasks'"):
        engine.get(TABLE, ["a"])
    assert engine.create_table(TABLE, OPTIONS)
    assert isinstance(apply_one(engine, create("a")), Applied)
    engine.close()


def test_a_newer_schema_is_refused_and_not_touched(path: Path) -> None:
    engine_at(path).close()
    with_sqlite(path, f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    engine = SqliteEngine(str(path), url="")
    for action in (lambda: engine.create_table(TABLE, OPTIONS), lambda: engine.apply(TABLE, [create("a")])):
        with pytest.raises(TableMismatchError, match=r"schema version 2.*Upgrade"):
            action()
    engine.close()
    assert path.read_bytes() == before


def test_a_table_with_other_columns(engine: SqliteEngine, path: Path) -> None:
    with_sqlite(path, "CREATE TABLE bills (key TEXT PRIMARY KEY, value TEXT, status INTEGER)")
    for action in (
        lambda: engine.create_table("bills", OPTIONS),
        lambda: engine.get("bills", ["a"]),
        lambda: engine.apply("bills", [create("a")]),
    ):
        with pytest.raises(TableMismatchError, match=r"'bills'.*create_time"):
            action()
    assert engine.tables() == [TABLE]


def test_where_a_write_ahead_log_is_refused_the_error_says_so(engine: SqliteEngine) -> None:
    raw = sqlite3.connect(":memory:")  # SQLite refuses the log for it, as it does on file systems without shared memory
    try:
        with pytest.raises(StorageError, match=r"cannot keep a write-ahead log here.*'memory'.*local disk"):
            schema.use_wal(raw, engine.place)
    finally:
        raw.close()


def test_the_file_says_what_it_is(engine: SqliteEngine, path: Path) -> None:
    assert with_sqlite(path, "PRAGMA application_id") == [(0x53545452,)]
    assert with_sqlite(path, "PRAGMA user_version") == [(1,)]
    assert with_sqlite(path, "PRAGMA journal_mode") == [("wal",)]
    types = {name: kind for _, name, kind, *_ in with_sqlite(path, "PRAGMA table_info(tasks)")}
    assert list(types) == list(ATTRIBUTES)
    assert types["status"] == "INTEGER" and types["late_results"] == "TEXT"
    assert engine._pool._idle[0].raw.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_damaged_file(engine: SqliteEngine, path: Path) -> None:
    engine.apply(TABLE, [create(f"{n}", data="x" * 3000) for n in range(300)])
    engine.close()
    content = bytearray(path.read_bytes())
    content[8192:-8192] = b"\xa5" * (len(content) - 16384)
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged.*\.recover"):
        list(engine.scan(TABLE))
    with pytest.raises(StorageError, match="damaged"):
        engine.apply(TABLE, [create(f"new {n}") for n in range(500)])
    engine.close()


def test_a_file_system_without_shared_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = connections.file_uri
    monkeypatch.setattr(connections, "file_uri", lambda path, mode: uri(path, mode) + "&vfs=unix-dotfile")
    with pytest.raises(StorageError, match=r"write-ahead log.*local disk"):
        engine_at(path)


def test_a_sqlite_that_is_too_old(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 23, 1))
    with pytest.raises(StorageError, match=r"3\.24 or later"):
        engine_at(path)
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="changes its user in a child process")
@pytest.mark.parametrize("what", ["file", "folder", "unreadable"])
def test_what_this_user_may_not_write(what: str) -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own is open to its owner alone
    path = folder / "tasks.db"
    engine = engine_at(path)
    apply_one(engine, create("a"))
    engine.close()
    (folder / "tasks.db-lock").unlink()
    os.chmod(path, {"file": 0o444, "folder": 0o666, "unreadable": 0o000}[what])
    os.chmod(folder, 0o555 if what == "folder" else 0o777)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # root may write everything
        answer = "nothing was refused"
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            try:
                apply_one(SqliteEngine(str(path), url=""), create("b"))
            except StorageError as error:
                answer = f"{type(error).__name__}: {error}"
        except BaseException as error:
            answer = repr(error)
        finally:
            os.write(writing, answer.encode())
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        answer = stream.read()
    shutil.rmtree(folder)
    assert answer.startswith("StorageError: "), answer
    assert str(path) in answer and "writable" in answer


def test_a_deleted_file_is_noticed(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    for each in path.parent.iterdir():
        each.unlink()
    time.sleep(connections.LOOK_AGAIN_SECONDS)
    with pytest.raises(TableNotFoundError, match="no database file"):
        apply_one(engine, create("b"))


def test_a_replaced_file_is_used_and_not_harmed(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("old"))
    for each in path.parent.iterdir():
        each.unlink()
    other = engine_at(path)
    apply_one(other, create("new"))
    assert engine.get(TABLE, ["old", "new"]).keys() == {"new"}
    assert isinstance(apply_one(engine, create("newer")), Applied)
    engine.close()  # closing the connections to the deleted file would remove the new file's log
    assert other.get(TABLE, ["new", "newer"]).keys() == {"new", "newer"}
    other.close()
    assert with_sqlite(path, "PRAGMA integrity_check", "SELECT count(*) FROM tasks") == [(2,)]


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "wh?t#.db", "ü.db", "'q\".db"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows does not allow these names")
    engine = engine_at(tmp_path / name)
    assert isinstance(apply_one(engine, create("a")), Applied)
    assert (tmp_path / name).exists()
    engine.close()


def test_engines_do_not_pickle_and_say_why(engine: SqliteEngine) -> None:
    with pytest.raises(TypeError, match="url"):
        pickle.dumps(engine)


def test_close_and_use_again(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    engine.close()
    engine.close()
    assert not path.with_name("tasks.db-wal").exists()
    assert engine.get(TABLE, ["a"]) == {"a": row_of("a")}

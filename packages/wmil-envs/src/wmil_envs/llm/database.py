"""The sqlite file that verdicts and spending are kept in, for many threads and processes."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wmil_envs.llm.errors import StoreError
from wmil_envs.llm.fork_gate import ForkGate

SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0

_GATE = ForkGate()
"""Shut while the process forks."""
_APPLICATION = int.from_bytes(b"WMIL", "big")
_SCHEMA = """
CREATE TABLE records (
    key TEXT PRIMARY KEY, question TEXT NOT NULL, answer TEXT NOT NULL, model TEXT NOT NULL,
    input_tokens INTEGER, output_tokens INTEGER, dollars REAL, seconds REAL NOT NULL, attempts INTEGER NOT NULL,
    asked_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE canaries (asked_at TEXT NOT NULL, model TEXT NOT NULL, fooled INTEGER NOT NULL);
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, dollars REAL, is_open INTEGER NOT NULL
);
CREATE INDEX reservations_at ON reservations (at);
CREATE TABLE spent (
    calls INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, dollars REAL NOT NULL,
    unpriced_input_tokens INTEGER NOT NULL, unpriced_output_tokens INTEGER NOT NULL
);
INSERT INTO spent VALUES (0, 0, 0, 0.0, 0, 0);
"""


class Database:
    """Reads and writes as transactions; each thread has a connection of its own while it needs one.

    A forked process opens its own connections: a fork waits for those in use, and closes the others. A pickle holds the
    path alone. What was committed survives the kill of any process; a power cut may cost the last answers, never the
    file.

    Args:
        path: of the file. It is made at the first write; until then reads find nothing.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._process = _Process()
        weakref.finalize(self, _Process.close, self._process)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]  # nothing else is to be restored

    def close(self) -> None:
        """Close the connections that nobody uses; the next use opens one again."""
        self._process.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection to read with; None where there is no file yet.

        Raises:
            StoreError: the file cannot be read.
        """
        if not self.path.exists():
            yield None
            return
        with self._connection() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction that nobody else writes in; it is undone by an exception.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._own_process().write_lock, self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with _GATE.inside(), self._converted_errors():
            process = self._own_process()
            connection = process.taken() or self._opened()
            try:
                yield connection
            except sqlite3.Error:
                connection.close()
                raise
            except BaseException:
                process.idle.append(connection)
                raise
            process.idle.append(connection)

    @contextmanager
    def _converted_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(_sentence(self.path, error)) from None

    def _own_process(self) -> _Process:
        if self._process.pid != os.getpid():
            self._process = _Process()
            weakref.finalize(self, _Process.close, self._process)
        return self._process

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._checked(_connect(self.path, "mode=rwc"))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise
            log = self.path.with_name(self.path.name + "-wal")
            if not self.path.exists() or (log.exists() and log.stat().st_size):
                raise
            return self._checked(_connect(self.path, "mode=ro&immutable=1"))  # on a read-only or full disk

    def _checked(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            application, version = self._identity(connection)
            if (application, version) == (0, 0):
                _write_ahead(connection)
                _make_tables(connection)
                application, version = self._identity(connection)
            if application != _APPLICATION:
                raise StoreError(f"{self.path} is a database of another program; give the store another file name")
            if version != SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} has the store format {version}, and this version of wmil-envs reads "
                    f"{SCHEMA_VERSION}: update wmil-envs, or export it there and import it here (JSONL)"
                )
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _identity(connection: sqlite3.Connection) -> tuple[int, int]:
        """What the file says it is; (0, 0) for one that is empty, or was when we looked."""
        is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        application: int = connection.execute("PRAGMA application_id").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if application == _APPLICATION:
            return application, version
        return (0, 0) if is_empty and application == 0 else (-1, version)


class _Process:
    """What belongs to one process; a fork gets a new one."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.idle: deque[sqlite3.Connection] = deque()
        self.write_lock = threading.Lock()  # threads queue here: sqlite's own waiting is by polling
        _GATE.register(self)

    def close(self) -> None:
        """Close what is idle. A connection that was in use at a fork is left to the process that it belongs to."""
        while self.pid == os.getpid() and (connection := self.taken()) is not None:
            connection.close()

    def taken(self) -> sqlite3.Connection | None:
        """A connection that nobody uses; None where there is none."""
        try:
            return self.idle.pop()
        except IndexError:
            return None


def _connect(path: Path, how: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?{how}"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch a new file to write-ahead logging; where two processes do so at once, sqlite refuses without waiting."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:  # nobody was faster
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _sentence(path: Path, error: sqlite3.Error) -> str:
    """What happened and what to do."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return (
            f"{path} could not be written, the disk is full or failing ({error}): this answer was not recorded, those "
            "before it were and can be read; make room and start again, only what is missing will be asked"
        )
    if name.startswith("SQLITE_NOTADB"):
        return f"{path} is no store: it is not a sqlite file; give the store another file name"
    if name.startswith("SQLITE_CORRUPT"):
        return f"{path} is damaged ({error}); restore it from a copy, or import its JSONL export into a new store"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{path} was locked by another process for {BUSY_SECONDS:.0f} seconds; see what holds it and start again"
    if name.startswith("SQLITE_READONLY"):
        return f"{path} may not be written; change its permissions, or use the mode 'replay', which only reads"
    if name.startswith("SQLITE_CANTOPEN"):
        return f"{path} could not be opened; its folder must exist and be writable"
    return f"{path} could not be used as a store: {error}"

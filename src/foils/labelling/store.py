"""The labels of a result, in ``labels.sqlite`` beside its tables: one design, and a log of events that only grows.

A label that was given is an event; so is one taken back, which says what the pair's label is from then on. The current
label of a pair is what its last event says. Nothing is ever changed or deleted (triggers see to it), and every event
carries a token of whoever sent it, which is unique: what is sent twice counts once.

Every event is one transaction that is on disk before it is acknowledged (rollback journal, ``synchronous = EXTRA``), so
that neither a kill nor a power cut loses or doubles one; several processes may write, one after the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from foils import _durable as durable
from foils.errors import FolderError
from foils.estimating import Label
from foils.labelling.events import PAGE, Event, Given, State, Undone

FILE = "labels.sqlite"
APPLICATION = 0x666F696C  # "foil": what tells our files from other people's
VERSION = 1
WAIT_SECONDS = 20.0
"""How long another process's writing is waited for."""


def _guards(*tables: str) -> tuple[str, ...]:
    return tuple(
        f"CREATE TRIGGER no_{what}_of_{table} BEFORE {what} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are only added to'); END"
        for table in tables
        for what in ("update", "delete")
    )


OF_THE_DESIGN = (
    """CREATE TABLE design (one INTEGER PRIMARY KEY CHECK (one = 1), facts TEXT NOT NULL)""",
    """CREATE TABLE pairs (position INTEGER PRIMARY KEY, place INTEGER NOT NULL, anchor_id TEXT NOT NULL,
         item_id TEXT NOT NULL, pi REAL NOT NULL)""",
    *_guards("design", "pairs"),
)
OF_EVENTS = (
    """CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE,
         anchor_id TEXT NOT NULL, item_id TEXT NOT NULL, label INTEGER CHECK (label IN (1, 0, -1, -2)),
         note TEXT NOT NULL, undoes INTEGER UNIQUE REFERENCES events (number), seconds REAL, origin TEXT NOT NULL,
         at TEXT NOT NULL)""",
    "CREATE INDEX events_of_pairs ON events (anchor_id, item_id, number)",
    *_guards("events"),
)
LAST = "SELECT MAX(number) FROM events WHERE anchor_id = ? AND item_id = ?"
# The last label given on the page that was not taken back, unless something else was said of its pair since.
UNDOABLE = """SELECT number, anchor_id, item_id FROM events AS given
    WHERE origin = ? AND undoes IS NULL AND NOT EXISTS (SELECT 1 FROM events WHERE undoes = given.number)
    ORDER BY number DESC LIMIT 1"""
TOUCHED = "SELECT 1 FROM events WHERE anchor_id = ? AND item_id = ? AND number > ? AND origin <> ? LIMIT 1"
BEFORE = (
    "SELECT label, note FROM events WHERE anchor_id = ? AND item_id = ? AND number < ? ORDER BY number DESC LIMIT 1"
)
INSERT = """INSERT INTO events (token, anchor_id, item_id, label, note, undoes, seconds, origin, at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
EVERY = """SELECT anchor_id, item_id, label, note, seconds, at, number FROM events
    WHERE number IN (SELECT MAX(number) FROM events GROUP BY anchor_id, item_id) ORDER BY number"""
NOTHING = State(0, None, "")
"""Of a pair of which nothing was said."""


class Outcome(Enum):
    """What became of an event."""

    RECORDED = "recorded"
    REPEATED = "repeated"  # the same token was there already: nothing was done, and all is well
    STALE = "stale"  # something else was said of the pair since the sender looked: nothing was done


@dataclass(frozen=True)
class LabelStore:
    """The file of labels of a result folder.

    Attributes:
        path: the file.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path) -> LabelStore:
        """Name the file of a result folder; nothing is opened."""
        return cls(folder / FILE)

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self.path.is_file()

    def create(self) -> None:
        """Make the file where it is missing; one that was begun when a kill came is made whole.

        Raises:
            FolderError: it cannot be written, or is not ours.
        """
        with self._connected(mode="rwc") as connection:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0:
                for statement in (*OF_THE_DESIGN, *OF_EVENTS):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.commit()
            self._check(connection)
        durable.sync(self.path.parent)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one look at it: all that is read is of one moment.

        Raises:
            FolderError: it is not there, damaged, or not ours.
        """
        with self._connected(mode="rw") as connection:
            self._check(connection)
            connection.execute("BEGIN")
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which is on disk when the block has ended.

        Raises:
            FolderError: it is not there, damaged, not ours, or cannot be written.
        """
        with self._connected(mode="rw") as connection:
            self._check(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def record(self, event: Event, expected: int | None) -> Outcome:
        """Add an event.

        Args:
            event: what was said of a pair.
            expected: number of the pair's last event when the sender looked (0 = none); None = whatever it is.
        """
        with self.writing() as connection:
            if connection.execute("SELECT 1 FROM events WHERE token = ?", (event.token,)).fetchone():
                return Outcome.REPEATED
            pair = (event.anchor_id, event.item_id)
            if expected not in (None, connection.execute(LAST, pair).fetchone()[0] or 0):
                return Outcome.STALE
            insert(connection, event)
            return Outcome.RECORDED

    def undoable(self) -> Undone | None:
        """Tell which label ``undo`` would take back: the last one given on the page, if nothing was said since."""
        with self.reading() as connection:
            return _undoable(connection)

    def undo(self, token: str, expected: int) -> tuple[Outcome, Undone | None]:
        """Take the last label given on the page back, by an event that says again what was said before it.

        Args:
            token: of this request.
            expected: number of the event that the sender means.

        Returns:
            what became of it, and the pair that it is about.
        """
        with self.writing() as connection:
            sent = "SELECT undoes, anchor_id, item_id FROM events WHERE token = ?"
            repeated = connection.execute(sent, (token,)).fetchone()
            if repeated:
                return Outcome.REPEATED, Undone(*repeated)
            found = _undoable(connection)
            if found is None or found.number != expected:
                return Outcome.STALE, None
            earlier = connection.execute(BEFORE, (found.anchor_id, found.item_id, found.number)).fetchone()
            label, note = earlier or (None, "")
            event = Event(token, found.anchor_id, found.item_id, None if label is None else Label(label), note)
            insert(connection, event, undoes=found.number)
            return Outcome.RECORDED, found

    def states(self, pairs: Sequence[tuple[str, str]]) -> list[State]:
        """Tell the current label of each of some pairs."""
        with self.reading() as connection:
            rows = connection.execute(EVERY).fetchall()
        there = {(row[0], row[1]): State(row[6], None if row[2] is None else Label(row[2]), row[3]) for row in rows}
        return [there.get(pair, NOTHING) for pair in pairs]

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever said of any pair."""
        with self.reading() as connection:
            return untouched(connection)

    def labelled(self, pairs: Sequence[tuple[str, str]]) -> int:
        """Count those of some pairs that have a label."""
        return sum(state.label is not None for state in self.states(pairs))

    def given(self) -> list[Given]:
        """List every pair that has a label, in the order in which the labels were given."""
        with self.reading() as connection:
            return given(connection)

    def seconds(self) -> list[float]:
        """List how long each label given on the page took."""
        asked = "SELECT seconds FROM events WHERE seconds IS NOT NULL AND undoes IS NULL ORDER BY number"
        with self.reading() as connection:
            return [row[0] for row in connection.execute(asked)]

    @contextmanager
    def _connected(self, *, mode: str) -> Iterator[sqlite3.Connection]:
        try:
            address = f"{self.path.absolute().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        except sqlite3.OperationalError as error:
            raise FolderError(
                f"{self.path}: {error}; free some space, make the folder writable, or wait for whoever writes there; "
                "the labels that were given are kept"
            ) from error
        except sqlite3.DatabaseError as error:
            raise FolderError(
                f"{self.path}: is damaged, or not a file of labels ({error}); {restored(self.path)}"
            ) from error

    def _check(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION:
            raise FolderError(f"{self.path}: is not a file of labels that foils wrote; move it away")
        if version != VERSION:
            raise FolderError(
                f"{self.path}: is in version {version} of the form, and this foils reads version {VERSION}; install "
                "the foils that wrote it, and export the labels"
            )


def untouched(connection: sqlite3.Connection) -> bool:
    """Tell whether nothing was ever said of any pair."""
    return connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None


def clear_design(connection: sqlite3.Connection) -> None:
    """Forget the design of a file in which nothing was said of any pair; nothing else may be forgotten."""
    for table in ("design", "pairs"):
        connection.execute(f"DROP TABLE {table}")  # with its triggers, which delete nothing
    for statement in OF_THE_DESIGN:
        connection.execute(statement)


def restored(path: Path) -> str:
    """Say how labels come back where their file cannot be read: nothing can be imported into it."""
    folder = path.parent
    return (
        f"put a copy of the file in its place. Without one move it away; then, of labels that were exported: "
        f"foils review {folder} --import FILE, and foils review {folder} --data DATA --labels N --seed S with the "
        "numbers (and --scorer) of before, which draws the same pairs again; those labels count in it"
    )


def given(connection: sqlite3.Connection) -> list[Given]:
    """List every pair that has a label; see ``LabelStore.given``."""
    rows = connection.execute(EVERY).fetchall()
    return [Given(row[0], row[1], Label(row[2]), *row[3:6]) for row in rows if row[2] is not None]


def insert(connection: sqlite3.Connection, event: Event, undoes: int | None = None) -> None:
    """Add an event; ``undoes`` is the number of the one that it takes back."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    label = None if event.label is None else int(event.label)
    pair = (event.anchor_id, event.item_id)
    connection.execute(INSERT, (event.token, *pair, label, event.note, undoes, event.seconds, event.origin, now))


def _undoable(connection: sqlite3.Connection) -> Undone | None:
    row = connection.execute(UNDOABLE, (PAGE,)).fetchone()
    if row is None or connection.execute(TOUCHED, (*row[1:], row[0], PAGE)).fetchone():
        return None
    return Undone(*row)

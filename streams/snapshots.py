"""Snapshots: the state of a partition on local disk, so that a restart does not read the whole changelog again.

A snapshot is a cache, never the truth: lost, damaged or of another version it costs time, not data. It is written by a fork of the
process, which sees the state as it is at that instant while the worker goes on (as Redis does it); copying the state in the event loop
would block it for seconds, and copying it piece by piece would mix instants. Only what is durable in the changelog may be in it: a fact
whose append then failed would be known here and to no other worker, so no chunk of the partition may be unfinished at the fork.
"""

import asyncio
import fcntl
import gc
import logging
import os
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from struct import Struct
from typing import IO

import msgspec

from models.settings import Settings
from scoring import storing
from streams.partition import PartitionState
from streams.topics import APP

log = logging.getLogger(__name__)
MAGIC = b"onestop-snapshot-2\n"
_HEAD = Struct("<16sQ")  # of a row: its name, and how many bytes follow
TAIL_BYTES = 4096
READ_BYTES = 1024 * 1024
BUSY = 75  # the exit code of a writer that found another one at work


class SnapshotError(Exception):
    """A snapshot that cannot be used; the text says why."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    """Of which changelog a snapshot is: all records before `offset`, of which the last has the checksum `last`."""

    topic: str
    partition: int
    offset: int
    last: int


def tail_checksum(value: bytes) -> int:
    """A checksum of the end of a changelog value, to tell a changelog from one that took its place."""
    return zlib.crc32(value[-TAIL_BYTES:])


class Snapshots:
    """The snapshots of a prefix under `DATA_DIR`: a file a partition, with a lock beside it for those who write."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._directory = settings.data_dir / (settings.topic_prefix or APP)
        self._topic = topic

    def path(self, partition: int) -> Path:
        """Where the snapshot of a partition lies."""
        return self._directory / str(partition) / "snapshot"

    def header(self, partition: int) -> Header | None:
        """The header of the snapshot held, its checksum verified; None where there is none that can be used."""
        path = self.path(partition)
        try:
            with path.open("rb") as file:
                return self._header(file, partition)
        except FileNotFoundError:
            return None
        except (SnapshotError, OSError) as error:
            log.warning("snapshot %s is not used: %s; the changelog is read instead", path, error)
            return None

    def _header(self, file: IO[bytes], partition: int) -> Header:
        """The header, and the file at the row after it."""
        _verify(file)
        if file.read(len(MAGIC)) != MAGIC:
            raise SnapshotError("it is of another version of the program")
        layout, header = msgspec.msgpack.decode(next(_rows(file))[1], type=tuple[str, Header])
        if layout != storing.LAYOUT:
            raise SnapshotError("it is of another version of the program")
        if (header.topic, header.partition) != (self._topic, partition):
            raise SnapshotError(f"it is of {header.topic}-{header.partition}")
        return header

    def headers(self) -> dict[int, Header]:
        """The headers of all snapshots held."""
        found = {int(path.parent.name): self.header(int(path.parent.name)) for path in self._directory.glob("[0-9]*/snapshot")}
        return {number: header for number, header in found.items() if header is not None}

    def load(self, state: PartitionState) -> None:
        """Make a new state what the snapshot of its partition says.

        Raises:
            SnapshotError: it cannot be read although its checksum was right.
        """
        try:
            with self.path(state.number).open("rb") as file:
                header = self._header(file, state.number)
                state.restore(_rows(file))
        except (OSError, KeyError, ValueError, AssertionError, StopIteration) as error:
            raise SnapshotError(f"{type(error).__name__}: {error}") from error
        state.recovered_to = state.snapshot_offset = header.offset
        state.last_checksum = header.last

    def refuse(self, partition: int, why: str) -> None:
        """Put a snapshot aside: it is not used again, and can be looked at."""
        path = self.path(partition)
        log.warning("snapshot %s is put aside: %s; the changelog is read instead", path, why)
        with suppress(OSError):
            path.replace(path.with_suffix(".refused"))

    def check_against(self, ends: Mapping[int, int], value_at: Callable[[int, int], bytes | None]) -> None:
        """Put aside the snapshots of another changelog: one that was made anew, or lost its end.

        Args:
            ends: the end offsets of the changelog by partition.
            value_at: the value at an offset of a partition.
        """
        for number, header in self.headers().items():
            if header.offset > ends.get(number, 0):
                self.refuse(number, f"it is of offset {header.offset}, and the changelog ends at {ends.get(number, 0)}")
                continue
            value = value_at(number, header.offset - 1)
            if value is None or tail_checksum(value) != header.last:
                self.refuse(number, f"the changelog holds another record at offset {header.offset - 1}")

    def begin(self, state: PartitionState) -> int:
        """Fork a writer of the state as it is now; its process id.

        No chunk of the partition may be unfinished at the call. Chunks may be taken in as soon as it has returned.
        """
        header = Header(self._topic, state.number, state.recovered_to, state.last_checksum)
        with warnings.catch_warnings():
            # Python warns of forks beside threads, which may hold locks: the writer takes none, it only packs and writes.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _write_and_exit(self.path(state.number), header, state)
        return child

    async def end(self, child: int) -> bool:
        """Wait for a writer; whether it has written (another process may have been at it).

        Raises:
            SnapshotError: it could not.
        """
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, BUSY):
            raise SnapshotError(os.strerror(code) if code > 0 else f"its writer was ended by signal {-code}")
        return code == 0


def _write_and_exit(path: Path, header: Header, state: PartitionState) -> None:
    code = 1
    try:
        gc.disable()  # a collection would touch, and so copy, every page
        os.closerange(3, 65_536)  # ports must not stay bound should the worker end first
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name("lock"), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write(path, header, state)
        code = 0
    except BlockingIOError:
        code = BUSY
    except OSError as error:
        code = error.errno or 1
    finally:
        os._exit(code)  # nothing of the parent's is flushed or closed twice


def _write(path: Path, header: Header, state: PartitionState) -> None:
    encode = msgspec.msgpack.Encoder().encode
    aside = path.with_suffix(".new")
    checksum = zlib.crc32(MAGIC)
    try:
        with aside.open("wb") as file:
            file.write(MAGIC)
            for name, value in chain([("header", (storing.LAYOUT, header))], state.rows()):
                packed = encode(value)
                row = _HEAD.pack(name.encode(), len(packed)) + packed
                checksum = zlib.crc32(row, checksum)
                file.write(row)
            file.write(checksum.to_bytes(4, "big"))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    aside.replace(path)


def _verify(file: IO[bytes]) -> None:
    size = os.fstat(file.fileno()).st_size - 4
    if size < 0:
        raise SnapshotError("it is cut off")
    checksum = 0
    while size:
        piece = file.read(min(size, READ_BYTES))
        if not piece:
            raise SnapshotError("it is cut off")
        checksum = zlib.crc32(piece, checksum)
        size -= len(piece)
    if file.read(4) != checksum.to_bytes(4, "big"):
        raise SnapshotError("its checksum is wrong")
    file.seek(0)


def _rows(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """The rows of a file from its place on, each packed by itself; the last four bytes are its checksum."""
    end = os.fstat(file.fileno()).st_size - 4
    while file.tell() < end:
        name, size = _HEAD.unpack(file.read(_HEAD.size))
        yield name.rstrip(b"\0").decode(), file.read(size)

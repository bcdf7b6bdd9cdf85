"""Scoring large files on all cores: each process reads every line and takes the departments of its share.

The result is that of one process, or there is none: should an event id occur in two shares, or a line not be of the share that it looks
like, one process has to do it all, for only that sees which of two came first.
"""

import gc
import multiprocessing
import os
import re
import zlib
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.facts import DEPARTMENT, Fact
from models.wire import Rejection, parse_facts
from scoring.city import City
from scoring.context import Context
from scoring.scores import AnyRecord, parse_record, score_department, with_ranks
from streams.cli.support import followed, progress, raw_lines, say, take_lines

# Below, a second process costs more than it brings.
LEAST_BYTES = 32 * 1024 * 1024
_DEPARTMENT = re.compile(rb'"department"\s*:\s*"([0-9A-Z]{18})"')
Place = tuple[int, int]  # the number of a file, and of a line in it


@dataclass(slots=True)
class Scored:
    """What files amount to: records with ranks, the departments' names, and the lines that the contract forbids, in their order."""

    records: list[AnyRecord]
    names: dict[str, str]
    rejections: list[tuple[str, Rejection]]  # FILE:LINE, why


@dataclass(slots=True)
class _Share:
    """What one process has found; `whole`: nothing speaks against putting it beside the others."""

    whole: bool
    records: list[bytes] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    rejections: list[tuple[Place, str, Rejection]] = field(default_factory=list)
    ids: bytes = b""


def processes_for(files: Sequence[Path]) -> int:
    """How many processes files are worth: as many as there are cores; one for small ones, and for what can be read only once."""
    regular = all(file.is_file() for file in files)
    large = regular and sum(file.stat().st_size for file in files) >= LEAST_BYTES
    return (os.cpu_count() or 1) if large and hasattr(os, "fork") else 1


def score_in_parallel(files: Sequence[Path], context: Context, processes: int) -> Scored | None:
    """The scores of files, from so many processes; None where one process has to do it.

    Raises:
        CommandError: a file cannot be read.
    """
    forks = multiprocessing.get_context("fork")  # shares the calendar, and the seed of hashes
    read = forks.Array("Q", processes, lock=False)
    with ProcessPoolExecutor(processes, forks, initializer=_begin, initargs=(read,)) as pool:
        futures = [pool.submit(_take_share, list(files), number, processes, context) for number in range(processes)]
        with progress(say("读取事件", "reading events"), sum(file.stat().st_size for file in files) * processes or None) as advance:
            shares = []
            for share in followed(futures, read, advance):
                if not share.whole:
                    return None
                shares.append(share)
    if not _apart(shares):
        return None
    records = [parse_record(value) for share in shares for value in share.records]
    ranked = with_ranks(sorted(records, key=lambda record: record.department))
    rejections = sorted((entry for share in shares for entry in share.rejections), key=lambda entry: entry[0])
    return Scored(
        sorted(ranked, key=lambda record: record.period),
        {code: name for share in shares for code, name in share.names.items()},
        [(place, rejection) for _, place, rejection in rejections],
    )


def _apart(shares: Sequence[_Share]) -> bool:
    """Whether no event id is in two shares. By hashes: equal ones of different ids cost time only."""
    seen: set[int] = set()
    for share in shares:
        ids = array("q")
        ids.frombytes(share.ids)
        if not seen.isdisjoint(ids):
            return False
        seen.update(ids)
    return True


_read: Any = None


def _begin(read: Any) -> None:
    global _read  # noqa: PLW0603  # shared memory reaches a process of a pool only so
    _read = read
    gc.disable()  # nothing here is cyclic


def _take_share(files: list[Path], number: int, processes: int, context: Context) -> _Share:
    city = City(context)
    rejections: list[tuple[Place, str, Rejection]] = []

    def advance(done: int) -> None:
        _read[number] += done

    for file, first, values in raw_lines(files, advance):
        looks = [_share_of(value, processes) for value in values]
        own = [place for place, look in enumerate(looks) if look is None or look == number]
        parsed: list[Fact | Rejection] = []
        places: list[int] = []
        for place, fact in zip(own, parse_facts([values[place] for place in own]), strict=True):
            told = looks[place] is not None
            if isinstance(fact, Rejection):
                if not told and number > 0:
                    continue
            elif _share(fact[DEPARTMENT].encode(), processes) != number:
                if told:
                    return _Share(whole=False)
                continue
            parsed.append(fact)
            places.append(first + place)
        for place, rejection in take_lines(city, parsed):
            line = places[place]
            rejections.append(((file, line), f"{files[file]}:{line}", rejection))
    city.settle()
    records = [record.to_json() for department in city.departments.values() for record in score_department(department)]
    names = {code: department.name for code, department in city.departments.items()}
    return _Share(True, records, names, rejections, array("q", map(hash, city.event_ids())).tobytes())


def _share_of(value: bytes, processes: int) -> int | None:
    """The share of a line by its looks; None where only its parsing tells."""
    if value.count(b'"department"') != 1:
        return None
    found = _DEPARTMENT.search(value)
    return None if found is None else _share(found[1], processes)


@lru_cache(maxsize=65_536)
def _share(department: bytes, processes: int) -> int:
    return zlib.crc32(department) % processes

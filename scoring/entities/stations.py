"""What a case and its licences keep of the facts at their stations: no more than is asked for, because there are millions of them."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from models.facts import AT, CODE_OF_TYPE, EVENT_ID, Fact


class Station(Struct, gc=False, array_like=True):
    """A fact without what the case or licence that holds it, its department and its class say already.

    The collector of cyclic garbage never walks one.
    """

    code: ClassVar[int]  # of the fact
    words: ClassVar[frozenset[str]] = frozenset()  # fields that many cases share: whoever makes a station holds each word once
    at: int
    event_id: str

    def envelope(self, department: str) -> Fact:
        """The beginning of the fact: its code, department, instant and event id."""
        return self.code, department, self.at, self.event_id


class Issued(Station, gc=False, array_like=True):
    """流水号 issued: `serial.issued`."""

    code = CODE_OF_TYPE["serial.issued"]
    words = frozenset({"item"})
    item: str
    is_test: bool


class Accepted(Station, gc=False, array_like=True):
    """受理: `case.accepted`. Says the department as well, for open cases are listed of all departments at once."""

    code = CODE_OF_TYPE["case.accepted"]
    words = frozenset({"item"})
    item: str
    acceptance_no: str
    due_at: int | None
    department: str


class Passed(Station, gc=False, array_like=True):
    """归集: a `case.ingested` that passed."""

    code = CODE_OF_TYPE["case.ingested"]


class Completed(Station, gc=False, array_like=True):
    """办结: `case.completed`."""

    code = CODE_OF_TYPE["case.completed"]
    words = frozenset({"item", "outcome"})
    item: str
    outcome: str


class Voided(Station, gc=False, array_like=True):
    """作废: `serial.voided` or `case.voided`, whichever came first."""

    voided_by: int  # the code of the fact

    def envelope(self, department: str) -> Fact:
        """As of every station."""
        return self.voided_by, department, self.at, self.event_id


class Generated(Station, gc=False, array_like=True):
    """电子证照 generated: `licence.generated`. Says the serial, of which there is one string with the case."""

    code = CODE_OF_TYPE["licence.generated"]
    serial: str


class Dispatched(Station, gc=False, array_like=True):
    """A licence dispatched to a case: `licence.dispatched`."""

    code = CODE_OF_TYPE["licence.dispatched"]


class LicenceVoided(Station, gc=False, array_like=True):
    """A licence voided: `licence.voided`."""

    code = CODE_OF_TYPE["licence.voided"]


# By the field of a case that holds one.
STATIONS: dict[str, type[Station]] = {"issued": Issued, "accepted": Accepted, "completed": Completed, "passed": Passed, "voided": Voided}


def precedes(fact: Fact, held: Station | None) -> bool:
    """The fold of stations: the earliest `occurred_at` holds, of equal ones the smallest `event_id`."""
    return held is None or (fact[AT], fact[EVENT_ID]) < (held.at, held.event_id)

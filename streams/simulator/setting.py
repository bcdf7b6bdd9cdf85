"""What all departments of a city share."""

from dataclasses import dataclass

from streams.simulator.clock import TimeText
from streams.simulator.days import Days
from streams.simulator.findings import Findings


@dataclass(frozen=True, slots=True)
class Setting:
    """The city's days, how it writes instants into fields, its oversight's findings, and the multiplier of cases."""

    days: Days
    text: TimeText
    findings: Findings
    volume: float

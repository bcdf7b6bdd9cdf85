"""A believable city that never was: departments and everything they send, as events of the wire contract.

    city = City(departments=20, seed=7)
    for event in city.events(start, end): ...          # history
    for event in city.events(end, later): ...          # and on from there

Every number follows from the seed: the same arguments give the same bytes. The package imports nothing of the
project, so that what it makes can be used to test all the rest.
"""

from streams.simulator.chaos import chaos
from streams.simulator.city import City, simulate_months
from streams.simulator.wire import Event, dump

__all__ = ["City", "Event", "chaos", "dump", "simulate_months"]

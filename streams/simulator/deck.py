"""Drawing items so that in time every one is drawn."""

from collections.abc import Iterable
from random import Random

from streams.simulator.items import Item


class Deck:
    """A department's items for one kind of sample; none is drawn again while others wait."""

    def __init__(self, rng: Random, size: int) -> None:
        self._rng, self._size = rng, size
        self._left: list[str] = []

    def draw(self, items: Iterable[Item]) -> list[str]:
        """Codes of a month's items: all of them when there are no more than the sample's size."""
        active = [item.item for item in items]
        if len(active) <= self._size:
            return active
        self._left = [code for code in self._left if code in active]
        drawn: list[str] = []
        while len(drawn) < self._size:
            if not self._left:
                rest = [code for code in active if code not in drawn]
                self._left = self._rng.sample(rest, len(rest))
            drawn.append(self._left.pop())
        return drawn

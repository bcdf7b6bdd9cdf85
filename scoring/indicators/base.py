"""The shape of an indicator: which components it counts with which weights, and how points follow from the two sums.

Measuring and evidence read the same weights: the sums of an indicator are the weighted counters, its evidence the weighted
contributions of the entities that the counters are sums of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from models.text import Text
from scoring.entities.base import Entity
from scoring.view import View

Exact = int | Fraction
Weight = tuple[Exact, Exact]  # what one unit adds to the numerator and to the denominator


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A component of the counters, as an indicator reads it.

    What a sub weighs may depend on what the view looks up by the cut-off, and on nothing else.
    """

    weigh: Callable[[View, str], Weight]
    is_stock: bool
    weight: Weight | None = None  # where every sub has the same


def _alike(weight: Weight, *, is_stock: bool) -> Component:
    return Component(lambda view, sub: weight, is_stock, weight)


def flow(numerator: Exact = 0, denominator: Exact = 0) -> Component:
    """A component counted in the period, of the same weight for every sub."""
    return _alike((numerator, denominator), is_stock=False)


def stock(numerator: Exact = 0, denominator: Exact = 0) -> Component:
    """A component that lasts, read at the cut-off."""
    return _alike((numerator, denominator), is_stock=True)


def by_sub(weigh: Callable[[View, str], Weight]) -> Component:
    """A component counted in the period whose weight depends on its sub."""
    return Component(weigh, is_stock=False)


def stock_by_sub(weights: Mapping[str, Weight]) -> Component:
    """A component that lasts, with a weight for each sub."""
    return Component(lambda view, sub: weights[sub], is_stock=True)


class Indicator:
    """One indicator. Subclasses set the fields and `points_of`."""

    id: ClassVar[str]
    number: ClassVar[int]
    max_points: ClassVar[int]
    title: ClassVar[Text]
    formula: ClassVar[str]
    inputs: ClassVar[Text]
    lost: ClassVar[Text]  # why a thing counts against
    components: ClassVar[Mapping[str, Component]]
    deduction: ClassVar[bool] = False
    reads_catalogue: ClassVar[bool] = False
    lower_is_better: ClassVar[bool] = False  # the numerator counts what costs points
    always_full_when_vacuous: ClassVar[bool] = False
    calendar: ClassVar[str | None] = None  # the component that counts deadlines resting on a year not published yet

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """The exact points of two sums; of a base indicator asked only when the denominator is not 0."""
        raise NotImplementedError

    def zeroed(self, view: View) -> list[str]:
        """The reasons for which a rule sets the indicator to 0."""
        return []

    def zeroing(self, view: View) -> Iterable[Entity]:
        """The things for which a rule sets it to 0."""
        return ()

    def outstanding(self, view: View) -> list[str]:
        """Further reasons for which the score is provisional."""
        return []

    def measure(self, view: View) -> tuple[Fraction, Fraction]:
        """Numerator and denominator, exact."""
        numerator: Exact = 0
        denominator: Exact = 0
        for name, component in self.components.items():
            cell = view.stock(name) if component.is_stock else view.flow(name)
            if component.weight is not None:
                amount = sum(cell.values())
                numerator += amount * component.weight[0]
                denominator += amount * component.weight[1]
                continue
            weights = view.weights(component.weigh)
            for sub, amount in cell.items():
                up, down = weights[sub]
                numerator += amount * up
                denominator += amount * down
        return Fraction(numerator), Fraction(denominator)


def step(ratio: Fraction, thresholds: Sequence[tuple[Fraction, int]]) -> Fraction:
    """The points of the first threshold, from the highest, that a ratio reaches; 0 below all.

    >>> step(Fraction(15, 300), [(Fraction(10, 100), 5), (Fraction(5, 100), 2)])
    Fraction(2, 1)
    """
    return next((Fraction(points) for threshold, points in thresholds if ratio >= threshold), Fraction(0))

"""The monthly check of the guides of 20 items (办事指南)."""

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.catalogue import Catalogue
from streams.simulator.clock import HOUR
from streams.simulator.days import Day
from streams.simulator.deck import Deck
from streams.simulator.department import Department
from streams.simulator.rhythm import office_time, poisson
from streams.simulator.setting import Setting
from streams.simulator.sources import OVERSIGHT
from streams.simulator.workdays import workday_from, workdays_after

_SAMPLED = 20
_DAY_OF_MONTH = 4
_NOTES = ("材料名称与证照目录不一致", "结果证照编码缺失", "收费依据失效", "咨询电话无人接听", "办理地点有误")


class Guides:
    """The guide checks of one department."""

    def __init__(self, department: Department, catalogue: Catalogue, setting: Setting) -> None:
        self._department, self._rng = department, department.rng
        self._catalogue = catalogue
        self._days, self._findings = setting.days, setting.findings
        self._deck = Deck(department.rng, _SAMPLED)

    def day(self, agenda: Agenda, day: Day) -> None:
        """Draws the month's sample when its day has come, and checks it on the workdays after."""
        at = day.start + 9 * HOUR
        if day.number != workday_from(day.number - day.date.day + _DAY_OF_MONTH) or at < agenda.settled:
            return
        selected = self._deck.draw(self._catalogue.active)
        fields: Fields = {"sample": self._department.name_of("CJ", day), "indicator": "guide_accuracy"}
        fields |= {"period": day.period, "selected": selected}
        agenda.add(at, self._department.code, "sample.drawn", OVERSIGHT, fields)
        for item in selected:
            self._check(agenda, day, item)

    def _check(self, agenda: Agenda, day: Day, item: str) -> None:
        rng, department = self._rng, self._department
        at = self._days.start(workdays_after(day.number, rng.randint(1, 9))) + office_time(rng)
        errors = poisson(rng, department.quality.guide_errors)
        fields: Fields = {"check": department.name_of("ZN", day), "item": item, "period": day.period, "errors": errors}
        fields["notes"] = rng.choices(_NOTES, k=errors) if errors else None
        agenda.add(at, department.code, "guide.checked", OVERSIGHT, fields)
        if errors:
            self._findings.note(agenda, at, department, fields["check"])

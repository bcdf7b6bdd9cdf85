"""The walk of docs/walkthrough.md, step by step: from an alert to the page, to the case, to the reason, to what another rule would do.

The test walks it over a system of its own, `docs/pictures.py` over the demonstration, for the pictures of the page.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
from playwright.sync_api import Page, expect

from scoring.indicators import BY_ID

SECONDS = 20
STRICTER = "name: stricter\nseed: onestop\npolicies:\n  zero_denominator: zero\n  sharing_workdays: 5\n"


@dataclass
class Walk:
    """Who walks, where, and in which language; `take` takes a picture of the page as it is."""

    page: Page
    url: str
    language: str
    command: Callable[..., Any]  # runs `onestop …` to its end
    directory: Path
    take: Callable[[str], None] = lambda name: None
    department: str = ""
    period: str = ""

    def api(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=SECONDS) as answer:
            return orjson.loads(answer.read())

    def go(self, path: str) -> None:
        """Open a page in the language of the walk."""
        self.page.goto(f"{self.url}{path}{'&' if '?' in path else '?'}lang={self.language}")

    def all(self) -> None:
        """The whole walk."""
        self.alert()
        self.scoreboard()
        self.the_department()
        self.the_reason()
        self.the_case()
        self.what_if()
        self.the_report()

    def alert(self) -> None:
        """An alert fires: a case is overdue. Its department's page shows it."""
        firing = self.api("alerts?kind=case_overdue")["items"]
        lost = {score["department"]: score["points"] for score in self.api("scores?indicator=overdue_completion")["items"]}
        alert = max(firing, key=lambda each: lost[each["department"]])
        self.department, self.period = alert["department"], self.api("scores")["period"]
        self.go(f"/departments/{self.department}")
        expect(self.page.get_by_role("main")).to_contain_text(alert["details"]["serial"])

    def scoreboard(self) -> None:
        """The board: the department among the others, and what it loses."""
        self.go("/")
        total = self.api(f"scores?indicator=total&department={self.department}")["items"][0]
        row = self.page.get_by_role("row").filter(has=self.page.locator(f'a[href*="{self.department}"]')).first
        expect(row).to_contain_text(f"{total['points']:.2f}")
        self.take("scoreboard")
        row.get_by_role("link").first.click()

    def the_department(self) -> None:
        """Its page: each indicator with what it lost. The overdue completions have cost points."""
        record = self.api(f"scores?indicator=overdue_completion&department={self.department}")["items"][0]
        assert record["points"] > 0
        link = self.page.locator(f'a[href*="/explain/{self.department}/{self.period}/overdue_completion"]').first
        expect(link).to_contain_text(f"{record['points']:.2f}")
        self.take("department")
        link.click()

    def the_reason(self) -> None:
        """Why: the formula with its numbers, the very cases, and the events that made them so."""
        explained = self.api(f"explain/{self.department}/{self.period}/overdue_completion?side=against")
        expect(self.page.get_by_role("main")).to_contain_text(explained["with_numbers"].partition(";")[0])
        for entry in explained["evidence"]:
            expect(self.page.get_by_role("main")).to_contain_text(entry["id"])
        assert sum(Fraction(entry["numerator"]) for entry in explained["evidence"]) == Fraction(explained["record"]["numerator"])
        self.page.locator("summary").first.click()
        expect(self.page.locator("details").first).to_contain_text(explained["evidence"][0]["events"][0]["event_id"])
        self.take("reason")

    def the_case(self) -> None:
        """The cases that will cost points if nobody acts: overdue, each with how its due time comes about."""
        listed = self.api(f"cases?state=overdue&department={self.department}")
        assert listed["items"]
        self.go(f"/cases?state=overdue&department={self.department}")
        expect(self.page.get_by_role("main")).to_contain_text(listed["items"][0]["serial"])
        self.take("cases")

    def what_if(self) -> None:
        """What another rule would do, before it is decided."""
        rules, plot = self.directory / "stricter.yaml", self.directory / "stricter.svg"
        rules.write_text(STRICTER, encoding="utf-8")
        done = self.command("what-if", "--ruleset", str(rules), "--period", self.period, "--plot", str(plot), "--json")
        rows = list(map(orjson.loads, done.stdout.splitlines()))
        own = {row["indicator"]: Fraction(row["difference_exact"]) for row in rows if row["department"] == self.department}
        assert set(own) == {*BY_ID, "total"}
        assert own.pop("total") == sum(own.values()), "nothing but base indicators depends on these policies"
        assert "sharing_workdays" in self.command("rules", "diff", "default", str(rules), expect=1).stdout.decode()
        size = self.page.viewport_size
        self.page.goto(plot.as_uri())
        self.page.set_viewport_size({"width": 1000, "height": 540})
        self.take("what-if")
        self.page.set_viewport_size(size or {"width": 1500, "height": 950})

    def the_report(self) -> None:
        """The month's result for filing."""
        self.go(f"/departments/{self.department}/report?period={self.period}")
        expect(self.page.get_by_role("main")).to_contain_text(self.department)
        self.take("report")

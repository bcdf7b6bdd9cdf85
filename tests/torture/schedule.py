"""What is done to the system and when: a pure function of the seed, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

# Action → how often, among those that are possible at the moment.
WEIGHTS = {
    "kill": 36, "stop": 8, "pause": 13, "join": 10, "broker-kill": 16, "redis-kill": 4, "projector-kill": 4, "cut": 6, "hold": 6, "slow": 4,
}  # fmt: skip
SESSION_SECONDS = 10.0
CHECKS = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One action at a second of the schedule's own clock, which stands while `recover` and `check` wait."""

    second: float
    action: str
    target: int = 0  # a worker's slot, or a broker's number; both from 1
    amount: float = 0.0  # of `slow`: seconds a piece

    def __str__(self) -> str:
        target = f" {self.target}" if self.target else ""
        return f"{self.second:7.1f}  {self.action}{target}" + (f" {self.amount:.2f} s" if self.amount else "")


def make_schedule(seed: int, seconds: float, *, workers: int, brokers: int) -> list[Step]:
    """The steps of a run.

    Faults come in bursts, so that some hit a rebalance or a recovery in its middle; between bursts `recover` waits until something was
    taken in again and all brokers are in sync, since a system that is never let up proves nothing. Never more than one broker is down.

    Args:
        seed: of everything.
        seconds: about how long, on the schedule's clock.
        workers: slots; one of them is empty at first.
        brokers: nodes of the cluster.
    """
    return _Maker(Random(f"torture|{seed}|{workers}|{brokers}"), workers, brokers).make(seconds)


class _Maker:
    def __init__(self, rng: Random, workers: int, brokers: int) -> None:
        self.rng = rng
        self.workers = workers
        self.brokers = brokers
        self.steps: list[Step] = []
        self.up: set[int] = set()
        self.due: list[tuple[float, int]] = []  # workers that come back, and when
        self.busy: dict[str, float] = {}  # broker, redis, projector, network: until when
        self.broker_killed = False  # in this burst

    def make(self, seconds: float) -> list[Step]:
        at = 0.0
        for slot in range(1, max(2, self.workers)):
            self._add(at, "start", slot)
            self.up.add(slot)
            at += self.rng.uniform(0.0, 4.0)
        for number in range(1, CHECKS + 1):
            burst = at < seconds * number / CHECKS
            while at < seconds * number / CHECKS:
                at = self._burst(at + self.rng.uniform(1.0, 5.0))
            if not burst:
                continue
            at = max([at, *(back for back, _ in self.due), *self.busy.values()]) + 1.0
            self.due.clear()
            self.busy.clear()
            self._add(at, "check")
            self.up = set(range(1, self.workers + 1))
        return sorted(self.steps, key=lambda step: step.second)

    def _burst(self, at: float) -> float:
        self._add(at, "recover")
        self.broker_killed = False
        for _ in range(self.rng.choice((1, 2, 3, 3, 4, 5))):
            at += self.rng.uniform(0.2, 4.5)
            self.up |= {slot for back, slot in self.due if back <= at}
            self.due = [(back, slot) for back, slot in self.due if back > at]
            possible = [action for action in WEIGHTS if self._possible(action, at)]
            self._do(self.rng.choices(possible, [WEIGHTS[action] for action in possible])[0], at)
        return max(at, self.busy.get("broker", 0.0))

    def _possible(self, action: str, at: float) -> bool:
        if action in ("kill", "stop", "pause"):
            return bool(self.up)
        if action == "join":
            return bool(self._free())
        if action == "broker-kill":  # at most one in a burst: the next one waits until this one is in sync again
            return not self.broker_killed
        return self.busy.get(_KIND[action], 0.0) <= at

    def _free(self) -> list[int]:
        away = {slot for _, slot in self.due}
        return [slot for slot in range(1, self.workers + 1) if slot not in self.up | away]

    def _do(self, action: str, at: float) -> None:
        rng = self.rng
        if action in ("kill", "stop", "pause"):
            slot = rng.choice(sorted(self.up))
            self.up.discard(slot)
            self._add(at, action, slot)
            back = at + (rng.uniform(1.2, 2.2) * SESSION_SECONDS if action == "pause" else rng.uniform(0.0, 12.0))
            if action == "pause" or rng.random() < 0.8 or not self.up:  # else the slot stays empty until a join
                self._add(back, "wake" if action == "pause" else "start", slot)
                self.due.append((back, slot))
        elif action == "join":
            slot = rng.choice(self._free())
            self._add(at, "start", slot)
            self.up.add(slot)
        elif action == "broker-kill":
            number = rng.randint(1, self.brokers)
            self.broker_killed = True
            self._add(at, action, number)
            self._until("broker", at + rng.uniform(1.0, 12.0), "broker-start", number)
        elif action in ("redis-kill", "projector-kill"):
            kind = _KIND[action]
            self._add(at, action)
            self._until(kind, at + rng.uniform(0.5, 8.0), f"{kind}-start")
        else:
            self._add(at, action, amount=rng.uniform(0.05, 0.6) if action == "slow" else 0.0)
            self._until("network", at + rng.uniform(1.0, 20.0), "heal")

    def _until(self, kind: str, back: float, action: str, target: int = 0) -> None:
        self._add(back, action, target)
        self.busy[kind] = back

    def _add(self, second: float, action: str, target: int = 0, amount: float = 0.0) -> None:
        self.steps.append(Step(round(second, 1), action, target, round(amount, 2)))


_KIND = {"redis-kill": "redis", "projector-kill": "projector", "cut": "network", "hold": "network", "slow": "network"}

"""An event loop whose time is virtual and whose order is drawn from a seed: several processes, each with its threads, in one.

A *lane* is what the operating system would schedule: a thread of a process. Within a lane callbacks run in the order in which they were
asked for, as asyncio promises; which lane runs, and how far, is drawn. Every callback belongs to the lane of its context, so a process
can be stopped dead between any two steps of any of its tasks, and one that is paused does nothing at all until it goes on.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

# What a callback costs: so that timers come in between, and two that were asked for at once are not due at once.
STEP_SECONDS = 2e-5
REST_SHARE = 0.03
BURST = 12  # callbacks of a lane at most before the next draw


class Lane:
    """A thread: what it has to run. `dead`: never again; `paused`: not now; `drag`: for how long at most, in seconds, it now and then
    waits for its turn."""

    __slots__ = ("context", "dead", "drag", "name", "paused", "process", "ready", "rests_until")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[events.Handle] = deque()
        self.dead = self.paused = False
        self.drag = self.rests_until = 0.0
        self.process: Any = None
        self.context = copy_context()
        self.context.run(LANE.set, self)

    def spawn(self, loop: SimLoop, coroutine: Any) -> asyncio.Task[Any]:
        """A task of this lane."""
        return self.context.run(loop.create_task, coroutine)


LANE: ContextVar[Lane] = ContextVar("lane")


class SimLoop(asyncio.BaseEventLoop):
    """See the module. `graveyard` keeps what died whole: a coroutine that is freed would run its `finally` blocks."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.now = 0.0
        self.steps = 0
        self.lanes: list[Lane] = []
        self.graveyard: list[Any] = []
        self._timers: list[tuple[float, int, events.TimerHandle]] = []
        self._timer_number = 0
        self._kill_after: dict[int, list[Callable[[], None]]] = {}
        self.base = self.new_lane("broker")
        self.base_context = self.base.context
        self.over = False

    def new_lane(self, name: str) -> Lane:
        lane = Lane(name)
        self.lanes.append(lane)
        return lane

    def bury(self, *lanes: Lane) -> None:
        """Stop lanes dead: nothing of theirs runs again, nothing is cleaned up."""
        for lane in lanes:
            lane.dead = True
            self.graveyard.extend(lane.ready)
            lane.ready.clear()
            if lane in self.lanes:
                self.lanes.remove(lane)

    # --- what asyncio asks of a loop

    def create_task(self, coro: Any, **how: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **how)
        self.graveyard.append(task)
        return task

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> events.Handle:
        handle = events.Handle(callback, args, self, context)
        self._put(handle)
        return handle

    call_soon_threadsafe = call_soon

    def _put(self, handle: events.Handle) -> None:
        lane = handle._context.get(LANE, self.base)
        if lane.dead:
            self.graveyard.append(handle)
        else:
            lane.ready.append(handle)

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> events.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> events.TimerHandle:
        handle = events.TimerHandle(when, callback, args, self, context)
        self._timer_number += 1
        heapq.heappush(self._timers, (when, self._timer_number, handle))
        return handle

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        pass

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An exception nobody asked for: of a process that died, or one that Faust's own tasks have dealt with."""

    def is_running(self) -> bool:
        return True

    def __del__(self) -> None:
        """There is nothing to close."""

    def set_debug(self, enabled: bool) -> None:
        pass

    def get_debug(self) -> bool:
        return False

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        raise RuntimeError("no threads in a simulation")

    # --- running

    def at_base(self, delay: float, callback: Any, *args: Any) -> events.TimerHandle:
        """Call something that belongs to no process."""
        return self.call_at(self.now + delay, callback, *args, context=self.base_context)

    def at_step(self, step: int, action: Callable[[], None]) -> None:
        """Do something between two callbacks, `step` of them from now."""
        self._kill_after.setdefault(self.steps + step, []).append(action)

    def run_until_true(self, condition: Callable[[], bool], until: float, max_steps: int) -> bool:
        """Run until the condition holds, looked at when time moves on; False when the bound was reached before."""
        old_hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._asyncgen_finalizer_hook)
        events._set_running_loop(self)
        try:
            while self.now < until and self.steps < max_steps:
                if not self._turn():
                    if condition():
                        return True
                    ahead = [lane.rests_until for lane in self.lanes if lane.ready and not lane.paused]
                    if self._timers:
                        ahead.append(self._timers[0][0])
                    if not ahead:
                        return False
                    self.now = max(self.now, min(ahead))
                    self._release()
            return condition()
        finally:
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*old_hooks)

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        self.call_soon(self.create_task, agen.aclose())

    def _release(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self.now:
            handle = heapq.heappop(timers)[2]
            if not handle._cancelled:
                self._put(handle)

    def _turn(self) -> bool:
        now = self.now
        runnable = [lane for lane in self.lanes if lane.ready and not lane.paused and lane.rests_until <= now]
        if not runnable:
            return False
        draw = self.chance.random()
        lane = runnable[int(draw * len(runnable))]
        burst = 1 + int(draw * 7_919 * BURST) % BURST
        ready = lane.ready
        while burst and ready and not lane.paused:
            burst -= 1
            handle = ready.popleft()
            if handle._cancelled:
                continue
            self.steps += 1
            self.now += STEP_SECONDS
            handle._run()
            actions = self._kill_after.pop(self.steps, None)
            if actions is not None:
                for action in actions:
                    action()
        if lane.drag and self.chance.random() < REST_SHARE:
            lane.rests_until = self.now + self.chance.random() * lane.drag
        if self._timers and self._timers[0][0] <= self.now:
            self._release()
        return True

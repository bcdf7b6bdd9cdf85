"""A broker in memory at the seam of aiokafka's connections: Kafka's requests in, Kafka's responses out, nothing encoded.

Above it everything is aiokafka's own: client, group coordinator, heartbeats, fetcher, positions, sender and its retries. A connection
answers one request after another, as Kafka's do: a fetch that waits for data holds up what was sent after it. The group follows
Kafka's `GroupCoordinator` (classic protocol), with static members.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from aiokafka import errors
from aiokafka.conn import CloseReason
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.util import wait_for
from faust.types import TP

if TYPE_CHECKING:
    from tests.simulation.loop import SimLoop

NODE, HOST, PORT = 0, "broker", 9
NO_ERROR, UNKNOWN_ERROR = 0, -1
OFFSET_OUT_OF_RANGE, NOT_ENOUGH_REPLICAS = 1, 19
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE_IN_PROGRESS, MEMBER_ID_REQUIRED, FENCED_INSTANCE = 22, 25, 27, 79, 82
EARLIEST = -2
REQUESTS = (
    ProduceRequest, FetchRequest, OffsetRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, FindCoordinatorRequest,
    JoinGroupRequest, HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest,
)  # fmt: skip
VERSIONS = {request.API_KEY: (0, max(kind.API_VERSION for kind in request._CLASSES)) for request in REQUESTS}
KINDS = {request.API_KEY: request.__name__.removesuffix("Request") for request in REQUESTS}
Reply = Callable[[Any], None]


def batch_of(timestamp: int, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()) -> bytes:
    """A record batch of one record, as a broker stores it."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=1 << 20
    )
    builder.append(0, timestamp, key, value, list(headers))
    return bytes(builder.build())


def placed(batch: bytes, offset: int) -> bytes:
    """A batch at an offset; its checksum does not cover the offset."""
    return struct.pack(">q", offset) + batch[8:]


def records_of(batch: bytes) -> list[Any]:
    """The records of a batch."""
    memory = MemoryRecords(batch)
    found = []
    while memory.has_next():
        found += list(memory.next_batch())
    return found


class Log:
    """A partition: batches, each at its offset."""

    __slots__ = ("batches", "end", "start")

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.batches: list[tuple[int, int, bytes]] = []  # base offset, the one after its last, bytes

    def append(self, batch: bytes, gap: int = 0) -> int:
        """Append a batch, some offsets further on where the log has a gap; its base offset."""
        base = self.end + gap
        self.end = base + struct.unpack_from(">i", batch, 23)[0] + 1
        self.batches.append((base, self.end, placed(batch, base)))
        return base

    def from_offset(self, offset: int, count: int) -> bytes:
        """Some batches from the one that holds an offset."""
        first = next((place for place, batch in enumerate(self.batches) if batch[1] > offset), len(self.batches))
        return b"".join(batch[2] for batch in self.batches[first : first + count])

    def records(self) -> Iterable[Any]:
        """All records."""
        for _, _, batch in self.batches:
            yield from records_of(batch)


class Connection:
    """A connection of a client. Requests arrive in order, are answered in order, and a cut loses what is under way either way."""

    def __init__(self, broker: Broker, process: Any, request_timeout: float, on_close: Any) -> None:
        self.broker = broker
        self.process = process
        self.loop = broker.loop
        self._timeout = request_timeout
        self._on_close = on_close
        self._open = True
        self._waiting: deque[Any] = deque()  # requests that have been sent, with the futures of their responses
        self._inbox: deque[Any] = deque()  # those that have arrived
        self._busy = False
        self._arrives_at = self._answered_at = 0.0

    def send(self, request: Any, expect_response: bool = True) -> Any:  # aiokafka's signature
        if not self._open:
            raise errors.KafkaConnectionError("the connection is closed")
        future = self.loop.create_future()
        self._waiting.append(future)
        # In order, however long each takes.
        self._arrives_at = max(self._arrives_at, self.loop.now + self.broker.latency(self.process))
        self.loop.call_at(self._arrives_at, self._arrive, request.prepare(VERSIONS), future, context=self.loop.base_context)
        return wait_for(future, self._timeout)

    def connected(self) -> bool:
        return self._open

    def close(self, reason: Any = None, exc: Any = None) -> None:
        if not self._open:
            return
        self._open = False
        self._inbox.clear()
        for future in self._waiting:
            if not future.done():
                future.set_exception(errors.KafkaConnectionError("the connection was closed"))
        self._waiting.clear()
        self.process.connections.pop(self, None)
        if self._on_close is not None:
            self._on_close(self, reason)

    def cut(self) -> None:
        """The network breaks it, and the client hears of it."""
        if not self.process.dead:
            self.close(CloseReason.CONNECTION_BROKEN)

    def _arrive(self, request: Any, future: Any) -> None:
        self._inbox.append((request, future))
        if not self._busy:
            self._serve()

    def _serve(self) -> None:
        if not self._inbox:
            return
        self._busy = True
        request, future = self._inbox.popleft()

        def reply(response: Any) -> None:
            self._busy = False
            self._answered_at = max(self._answered_at, self.loop.now + self.broker.latency(self.process))
            self.loop.call_at(self._answered_at, self._answer, future, response, context=self.loop.base_context)
            self._serve()

        self.broker.handle(self, request, reply)

    def _answer(self, future: Any, response: Any) -> None:
        if self._waiting and self._waiting[0] is future:
            self._waiting.popleft()
        if not future.done() and self._open and not self.process.dead:
            future.set_result(response)


class Member:
    """A member of the group."""

    def __init__(self, name: str, instance: str | None) -> None:
        self.name = name
        self.instance = instance
        self.protocols: list[tuple[str, bytes]] = []
        self.session = self.rebalance = 0.0
        self.joining: Reply | None = None
        self.syncing: Reply | None = None
        self.assignment = b""
        self.alarm: Any = None


class Group:
    """The consumer group, as Kafka's coordinator runs one of the classic protocol."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.loop = broker.loop
        self.state = "Empty"
        self.generation = 0
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.instances: dict[str, str] = {}
        self._names = 0
        self._known: set[str] = set()  # ids given out, not joined yet
        self._join_timer: Any = None

    # --- requests

    def join(self, request: Any, reply: Reply) -> None:
        respond = self._join_response(request, reply)
        name, instance = request.member_id, request.group_instance_id
        if not name and instance is not None:
            self._join_static(request, respond)
            return
        if not name:
            self._names += 1
            name = f"m{self._names}"
            self._known.add(name)
            respond(MEMBER_ID_REQUIRED, name)
            return
        member = self.members.get(name)
        if member is None:
            if name not in self._known:
                respond(UNKNOWN_MEMBER, name)
                return
            self._known.discard(name)
            member = self.members[name] = Member(name, instance)
        elif instance is not None and self.instances.get(instance) != name:
            respond(FENCED_INSTANCE, name)
            return
        elif member.protocols == list(request.group_protocols) and (
            self.state == "CompletingRebalance" or (self.state == "Stable" and name != self.leader)
        ):
            self.touch(member)
            respond(NO_ERROR, name, self._membership(member))
            return
        self._enter(member, request, respond)

    def _join_static(self, request: Any, respond: Any) -> None:
        self._names += 1
        name, instance = f"s{self._names}-{request.group_instance_id}", request.group_instance_id
        old = self.members.pop(self.instances.get(instance, ""), None)
        member = self.members[name] = Member(name, instance)
        self.instances[instance] = name
        if old is not None:
            self._quiet(old)
            for waiting in (old.joining, old.syncing):
                if waiting is not None:
                    waiting(FENCED_INSTANCE)
            member.assignment = old.assignment
            if self.leader == old.name:
                self.leader = name
            if self.state == "Stable":
                self._remember(member, request)
                respond(NO_ERROR, name, self._membership(member, leader=old.name))  # nobody else hears of it
                return
        self._enter(member, request, respond)

    def _enter(self, member: Member, request: Any, respond: Any) -> None:
        self._remember(member, request)
        member.joining = respond
        if self.state != "PreparingRebalance":
            self._prepare()
        self._complete_if_all_joined()

    def _remember(self, member: Member, request: Any) -> None:
        member.protocols = list(request.group_protocols)
        member.session, member.rebalance = request.session_timeout / 1000, request.rebalance_timeout / 1000
        self.touch(member)

    def sync(self, request: Any, reply: Reply) -> None:
        kind = request.RESPONSE_TYPE

        def respond(error: int, assignment: bytes = b"") -> None:
            reply(kind(0, error, assignment))

        member = self.members.get(request.member_id)
        error = self.fault(request.member_id, request.generation_id)
        if error:
            respond(error)
        elif member is None or self.state in ("Empty", "PreparingRebalance"):
            respond(REBALANCE_IN_PROGRESS)
        elif self.state == "Stable":
            self.touch(member)
            respond(NO_ERROR, member.assignment)
        else:
            member.syncing = respond
            self.touch(member)
            if member.name == self.leader:
                given = dict(request.group_assignment)
                self.state = "Stable"
                for other in self.members.values():
                    other.assignment = given.get(other.name, b"")
                    if other.syncing is not None:
                        waiting, other.syncing = other.syncing, None
                        self.touch(other)
                        waiting(NO_ERROR, other.assignment)

    def heartbeat(self, request: Any, reply: Reply) -> None:
        error = self.fault(request.member_id, request.generation_id)
        if not error:
            self.touch(self.members[request.member_id])
            error = REBALANCE_IN_PROGRESS if self.state == "PreparingRebalance" else NO_ERROR
        reply(request.RESPONSE_TYPE(0, error))

    def leave(self, request: Any, reply: Reply) -> None:
        member = self.members.get(request.member_id)
        reply(request.RESPONSE_TYPE(0, NO_ERROR if member else UNKNOWN_MEMBER))
        if member is not None:
            self._remove(member, "left")

    def commit_fault(self, name: str, generation: int) -> int:
        """The error of a commit; `NO_ERROR` also for one from outside while the group is empty."""
        if generation < 0 and self.state == "Empty":
            return NO_ERROR
        error = self.fault(name, generation)
        if not error:
            self.touch(self.members[name])
            if self.state == "CompletingRebalance":
                return REBALANCE_IN_PROGRESS
        return error

    def upset(self) -> None:
        """A rebalance, as when a member from elsewhere comes and goes."""
        if self.state == "Stable":
            self._prepare()

    # --- the rest

    def fault(self, name: str, generation: int) -> int:
        """The error that a member gets which says that it is of a generation; `NO_ERROR` for one that is."""
        if name not in self.members:
            return UNKNOWN_MEMBER
        return ILLEGAL_GENERATION if generation != self.generation else NO_ERROR

    def _join_response(self, request: Any, reply: Reply) -> Any:
        def respond(error: int, name: str = "", membership: Any = None) -> None:
            generation, protocol, leader, members = membership or (-1, "", "", [])
            reply(request.RESPONSE_TYPE(0, error, generation, protocol, leader, name or request.member_id, members))

        return respond

    def _membership(self, member: Member, leader: str | None = None) -> tuple[Any, ...]:
        chief = leader or self.leader
        members = [(other.name, other.instance, other.protocols[0][1]) for other in self.members.values()] if chief == member.name else []
        return self.generation, member.protocols[0][0], chief, members

    def touch(self, member: Member) -> None:
        """It is alive: its session begins anew."""
        self._quiet(member)
        member.alarm = self.loop.at_base(member.session, self._expire, member)

    def _quiet(self, member: Member) -> None:
        if member.alarm is not None:
            member.alarm.cancel()
            member.alarm = None

    def _expire(self, member: Member) -> None:
        if member.joining is not None or member.syncing is not None:
            self.touch(member)
        elif self.members.get(member.name) is member:
            self._remove(member, "expired")

    def _remove(self, member: Member, why: str) -> None:
        self.broker.note(f"group: {member.name} {why}")
        self._quiet(member)
        del self.members[member.name]
        if member.instance is not None and self.instances.get(member.instance) == member.name:
            del self.instances[member.instance]
        if self.leader == member.name:
            self.leader = None
        if self.state in ("Stable", "CompletingRebalance"):
            self._prepare()
        if self.state == "PreparingRebalance":
            self._complete_if_all_joined()

    def _prepare(self) -> None:
        for member in self.members.values():
            if member.syncing is not None:
                waiting, member.syncing = member.syncing, None
                waiting(REBALANCE_IN_PROGRESS)
        self.state = "PreparingRebalance"
        if self._join_timer is not None:
            self._join_timer.cancel()
        wait = max((member.rebalance for member in self.members.values()), default=0.0)
        self._join_timer = self.loop.at_base(wait, self._complete)

    def _complete_if_all_joined(self) -> None:
        if all(member.joining is not None for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        if self.state != "PreparingRebalance":
            return
        for member in [member for member in self.members.values() if member.joining is None and member.instance is None]:
            self._quiet(member)
            self.broker.note(f"group: {member.name} did not join in time")
            del self.members[member.name]
        self._join_timer.cancel()
        self.generation += 1
        if not self.members:
            self.state, self.leader = "Empty", None
            return
        joined = [member for member in self.members.values() if member.joining is not None]
        if not joined:
            self._prepare()
            return
        if self.leader not in self.members or self.members[self.leader].joining is None:
            self.leader = joined[0].name
        self.state = "CompletingRebalance"
        self.broker.note(f"group: generation {self.generation}, {', '.join(self.members)}; {self.leader} leads")
        for member in joined:
            waiting, member.joining = member.joining, None
            self.touch(member)
            assert waiting is not None
            waiting(NO_ERROR, member.name, self._membership(member))


class Broker:
    """Logs, committed offsets, a group. `world` hears of what is appended and committed, and decides on latencies and failures."""

    def __init__(self, loop: SimLoop, world: Any, topics: dict[str, int]) -> None:
        self.loop = loop
        self.world = world
        self.chance = loop.chance
        self.topics = topics
        self.logs = {TP(topic, number): Log(0) for topic, count in topics.items() for number in range(count)}
        self.committed: dict[TP, int] = {}
        self.group = Group(self)
        self._fetches: dict[TP, list[Callable[[], None]]] = {}
        self._topics_told = [
            (NO_ERROR, topic, False, [(NO_ERROR, number, NODE, [NODE], [NODE], []) for number in range(count)])
            for topic, count in topics.items()
        ]

    def note(self, text: str) -> None:
        self.world.note(text)

    def latency(self, process: Any) -> float:
        """How long a message is under way."""
        return float(self.world.latency(process))

    async def connect(self, _host: Any, _port: Any, *, request_timeout_ms: float, on_close: Any = None, **_: Any) -> Connection:
        """aiokafka's `create_conn`."""
        process = self.world.present_process()
        await self.world.connecting(process)
        connection = Connection(self, process, request_timeout_ms / 1000, on_close)
        process.connections[connection] = None
        return connection

    def append(self, tp: TP, batch: bytes, gap: int = 0) -> int:
        """Append a batch, and answer the fetches that wait for one."""
        base = self.logs[tp].append(batch, gap)
        for wake in self._fetches.pop(tp, ()):
            wake()
        return base

    # --- requests

    def handle(self, connection: Connection, request: Any, reply: Reply) -> None:
        """Serve a request of a connection."""
        getattr(self, f"_{KINDS[request.API_KEY].lower()}")(connection, request, reply)

    def _metadata(self, _connection: Connection, request: Any, reply: Reply) -> None:
        reply(request.RESPONSE_TYPE(0, [(NODE, HOST, PORT, None)], "simulated", NODE, self._topics_told))

    def _findcoordinator(self, _connection: Connection, request: Any, reply: Reply) -> None:
        reply(request.RESPONSE_TYPE(0, NO_ERROR, None, NODE, HOST, PORT))

    def _joingroup(self, _connection: Connection, request: Any, reply: Reply) -> None:
        self.group.join(request, reply)

    def _syncgroup(self, _connection: Connection, request: Any, reply: Reply) -> None:
        self.group.sync(request, reply)

    def _heartbeat(self, _connection: Connection, request: Any, reply: Reply) -> None:
        self.group.heartbeat(request, reply)

    def _leavegroup(self, _connection: Connection, request: Any, reply: Reply) -> None:
        self.group.leave(request, reply)

    def _offsetcommit(self, connection: Connection, request: Any, reply: Reply) -> None:
        error = self.group.commit_fault(request.consumer_id, request.consumer_group_generation_id)
        if not error:
            for topic, partitions in sorted(request.topics):
                for number, offset, _ in sorted(partitions):
                    self.committed[TP(topic, number)] = offset
                    self.world.on_commit(connection.process, TP(topic, number), offset)
        else:
            self.note(f"{connection.process.name}: commit refused with {error}")
        reply(request.RESPONSE_TYPE(0, [(topic, [(place[0], error) for place in partitions]) for topic, partitions in request.topics]))

    def _offsetfetch(self, _connection: Connection, request: Any, reply: Reply) -> None:
        found = [
            (topic, [(number, self.committed.get(TP(topic, number), -1), "", NO_ERROR) for number in partitions])
            for topic, partitions in request.topics
        ]
        reply(request.RESPONSE_TYPE(0, found, NO_ERROR))

    def _offset(self, _connection: Connection, request: Any, reply: Reply) -> None:
        found = []
        for topic, partitions in request.topics:
            places = []
            for number, timestamp in partitions:
                log = self.logs[TP(topic, number)]
                places.append((number, NO_ERROR, -1, log.start if timestamp == EARLIEST else log.end))
            found.append((topic, places))
        reply(request.RESPONSE_TYPE(0, found))

    def _produce(self, connection: Connection, request: Any, reply: Reply) -> None:
        found = []
        for topic, partitions in request.topics:
            places = []
            for number, data in partitions:
                tp = TP(topic, number)
                error = self.world.produce_error(connection.process, tp)
                base = -1
                if not error:
                    base = self.append(tp, bytes(data))
                    self.world.on_append(connection.process, tp, base, bytes(data))
                places.append((number, error, base, -1, 0))
            found.append((topic, places))
        reply(request.RESPONSE_TYPE(found, 0))

    def _fetch(self, connection: Connection, request: Any, reply: Reply) -> None:
        wanted = sorted((topic, place[0], place[2]) for topic, partitions in request.topics for place in partitions)
        answered = False
        timer: Any = None

        def answer(*, wait_over: bool = False) -> bool:
            nonlocal answered
            if answered or connection.process.dead:
                return True
            found: dict[str, list[Any]] = {}
            something = wait_over
            for topic, number, offset in wanted:
                log = self.logs[TP(topic, number)]
                error = NO_ERROR if log.start <= offset <= log.end else OFFSET_OUT_OF_RANGE
                data = b"" if error else log.from_offset(offset, self.world.fetch_batches())
                something = something or bool(data) or bool(error)
                found.setdefault(topic, []).append((number, error, log.end, log.end, log.start, [], -1, data))
            if something:
                answered = True
                if timer is not None:
                    timer.cancel()
                reply(request.RESPONSE_TYPE(0, NO_ERROR, 0, list(found.items())))
            return answered

        if not answer():
            timer = self.loop.at_base(request.max_wait_time / 1000, lambda: answer(wait_over=True))
            for topic, number, _ in wanted:
                self._fetches.setdefault(TP(topic, number), []).append(answer)

"""Asking the workers: explanations, counts of evidence, open cases and requests, from whoever owns the partitions."""

import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
import redis
from pydantic import TypeAdapter

from models.explanations import CasePage, CaseState, Explanation, RequestPage, RequestState, Side
from models.records import SampleState
from models.settings import Settings
from scoring.open_things import Filter, merged_cases, merged_requests
from streams.intake import partition_of
from streams.serving.connection import connect
from streams.serving.layout import layout_of

# An explanation of a closed period may have to read a changelog partition first.
ANSWER_SECONDS = 30.0
ASKED_AT_ONCE = 8
# Workers are reached directly, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
P = TypeVar("P", CasePage, RequestPage)


class NoAnswerError(Exception):
    """No worker can answer now. Says why; ask again."""


class RefusedQueryError(Exception):
    """A worker has answered that there is nothing to answer: the HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Workers:
    """Finds owners through the registry in Redis. Raises `redis.RedisError` when that cannot be asked.

    Every question may raise `NoAnswerError`: while a partition moves, or no worker runs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: redis.Redis = connect(settings)
        self._layout = layout_of(settings)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def explain(
        self, department: str, period: str, indicator: str, *, side: Side | None = None, limit: int | None = None, after: str | None = None
    ) -> Explanation:
        """A page of the explanation of a score.

        Raises:
            RefusedQueryError: there is no such score, or a parameter is wrong.
        """
        asked = {"department": department, "period": period, "indicator": indicator, "side": side, "limit": limit, "after": after}
        return Explanation.model_validate_json(self._ask(self._owner_of(department), "explain", asked))

    def evidence_counts(self, department: str, period: str) -> dict[str, tuple[int, int]]:
        """How many things count for and against, by indicator.

        Raises:
            RefusedQueryError: the department has no score in the period.
        """
        found = orjson.loads(self._ask(self._owner_of(department), "counts", {"department": department, "period": period}))
        return {indicator: (counted[0], counted[1]) for indicator, counted in found.items()}

    def cases(self, state: CaseState, wanted: Filter) -> CasePage:
        """Open cases of all partitions, or of those of the departments asked for.

        Raises:
            RefusedQueryError: a parameter is wrong.
        """
        return merged_cases(self._ask_all("cases", CasePage, state, wanted), wanted)

    def requests(self, state: RequestState, wanted: Filter) -> RequestPage:
        """Open requests, in the same way."""
        return merged_requests(self._ask_all("requests", RequestPage, state, wanted), wanted)

    def samples(self, department: str, period: str) -> list[SampleState]:
        """The samples of a department for a period, and how far they are.

        Raises:
            RefusedQueryError: nothing is known of the department.
        """
        answer = self._ask(self._owner_of(department), "samples", {"department": department, "period": period})
        return TypeAdapter(list[SampleState]).validate_json(answer)

    def _ask_all(self, query: str, page: type[P], state: str, wanted: Filter) -> list[P]:
        every = self._settings.partitions
        numbers = list(range(every))
        if wanted.departments is not None:
            numbers = sorted({partition_of(code, every) for code in wanted.departments})
        by_owner = defaultdict[str, list[int]](list)
        for number, owner in zip(numbers, self._owners(numbers), strict=True):
            by_owner[owner].append(number)
        filters = {
            "state": state, "departments": None if wanted.departments is None else ",".join(sorted(wanted.departments)),
            "item": wanted.item, "text": wanted.text, "sort": wanted.sort, "limit": wanted.limit, "after": wanted.after,
        }  # fmt: skip

        def ask(owner: str) -> P:
            answer = self._ask(owner, query, {**filters, "partitions": ",".join(map(str, by_owner[owner]))})
            return page.model_validate_json(answer)

        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            return list(pool.map(ask, by_owner))

    def _owner_of(self, department: str) -> str:
        return self._owners([partition_of(department, self._settings.partitions)])[0]

    def _owners(self, partitions: Sequence[int]) -> list[str]:
        values: Any = self._client.mget([self._layout.owner(partition) for partition in partitions])
        missing = [str(partition) for partition, value in zip(partitions, values, strict=True) if value is None]
        if missing:
            raise NoAnswerError(
                f"no worker says that it has partition {', '.join(missing[:8])}: it moves to another worker, is still being read, "
                "or no worker runs; ask again in a moment"
            )
        return [value.decode() for value in values]

    def _ask(self, owner: str, query: str, asked: Mapping[str, Any]) -> bytes:
        given = urlencode({name: value for name, value in asked.items() if value is not None})
        request = urllib.request.Request(f"http://{owner}/queries/{query}?{given}")  # an address of our registry
        if self._settings.query_token is not None:
            request.add_header("Authorization", f"Bearer {self._settings.query_token.get_secret_value()}")
        try:
            with OPENER.open(request, timeout=ANSWER_SECONDS) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            detail = _detail(error)
            if error.code in (404, 422):
                raise RefusedQueryError(error.code, detail) from None
            raise NoAnswerError(f"the worker at {owner} cannot answer now: {detail}") from None
        except (OSError, HTTPException) as error:
            raise NoAnswerError(
                f"the worker at {owner} does not answer ({getattr(error, 'reason', error)}): it may have ended, its successor takes some "
                "seconds; ask again in a moment"
            ) from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        body = error.read()
        return str(orjson.loads(body)["detail"])
    except (OSError, HTTPException):
        return error.reason
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:200]

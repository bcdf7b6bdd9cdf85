"""The systems that events come from: how exact their clocks are, and in which offset they write times."""

from typing import NamedTuple

from streams.simulator.clock import MILLISECOND, SECOND

LOCAL, ZULU, UTC, TOKYO = range(4)
"""The city's zone; UTC written `Z`; UTC written `+00:00`; a server left at `+09:00`."""

_PLAIN: dict[str, int] = {}
_VERSIONED = {"schema_version": 1}


class Source(NamedTuple):
    """A system: its name, the clock it writes with, the fineness of its times in microseconds, constant fields."""

    name: str
    clock: int = LOCAL
    resolution: int = SECOND
    extra: dict[str, int] = _PLAIN


CATALOGUE = Source("政务服务事项管理平台", LOCAL, MILLISECOND, _VERSIONED)
SERIALS = Source("统一受理平台", LOCAL, MILLISECOND)
CASE_STORE = Source("省办件库")
LICENCES = Source("电子证照库", ZULU, MILLISECOND)
DISPATCH = Source("电子证照分发系统", LOCAL, MILLISECOND)
QUALITY = Source("数据质量监测平台")
EXCHANGE = Source("数据共享交换平台", LOCAL, SECOND, _VERSIONED)
MONITOR = Source("接口监测探针", UTC, MILLISECOND)
TABLES = Source("前置库同步服务", TOKYO, SECOND)
OVERSIGHT = Source("政务服务监督考核系统")
HOTLINE = Source("12345政务服务热线")
TESTERS = Source("测试账号平台", LOCAL, SECOND, _VERSIONED)

"""What is measured on, and what a process uses, from /proc."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from tests.support.kafka import KAFKA_VERSION

TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = ("aiokafka", "faust-streaming", "pydantic", "msgspec", "orjson")


def machine() -> str:
    """The machine in a line."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB"


def versions() -> dict[str, str]:
    """The versions of what the figures depend on."""
    return {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}, "Apache Kafka": KAFKA_VERSION}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_bytes(pid: int) -> int:
    """The most memory that a process had resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

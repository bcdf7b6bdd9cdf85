"""A Prometheus with the project's own configuration: targets on loopback, a quicker pace."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from streams.embedded import free_ports
from tests.deploy.servers import ask, running
from tests.deploy.tools import DEPLOY, RULES, load, tool


@contextmanager
def prometheus(
    directory: Path, web: Sequence[str], workers: Sequence[str], *, rules_at_once: bool = False, pace: str = "500ms"
) -> Iterator[str]:
    """Its address. `rules_at_once`: alerts fire without the time for which their condition has to hold."""
    config = directory / "prometheus.yml"
    held: dict[str, Any] = load(DEPLOY / "prometheus" / "prometheus.yml")
    held["global"] = {"scrape_interval": pace, "scrape_timeout": pace, "evaluation_interval": pace}
    held["rule_files"] = [str(_at_once(path, directory) if rules_at_once else path) for path in RULES]
    del held["alerting"]
    jobs = {job["job_name"]: job for job in held["scrape_configs"]}
    del jobs["worker"]["dns_sd_configs"]
    jobs["web"]["static_configs"] = [{"targets": list(web)}]
    jobs["worker"]["static_configs"] = [{"targets": list(workers)}]
    held["scrape_configs"] = [jobs["web"], jobs["worker"]]
    config.write_text(yaml.safe_dump(held, allow_unicode=True), encoding="utf-8")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        tool("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, f"{url}/-/ready", directory):
        yield url


def _at_once(path: Path, directory: Path) -> Path:
    held = load(path)
    for group in held["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    copy = directory / path.name
    copy.write_text(yaml.safe_dump(held, allow_unicode=True), encoding="utf-8")
    return copy


def value(url: str, query: str) -> list[Any]:
    """What a query answers as of now."""
    found: list[Any] = ask(f"{url}/api/v1/query", query=query)["data"]["result"]
    return found

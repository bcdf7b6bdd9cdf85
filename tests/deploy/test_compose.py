"""The compose file: right by its schema, and true to the program and the files beside it."""

import re
from typing import Any

import pytest

from models.settings import PREFIX, Settings, load_settings
from tests.deploy.tools import DEPLOY, ROOT, load, passes, tool

FILE = ROOT / "docker-compose.yml"
COMPOSE = load(FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROGRAM = {"topics", "worker", "projector", "web"}
ONE_SHOT = {"topics"}
WITHOUT_ADDRESS = {"topics", "projector"}
GIVEN = re.compile(r"\$\{(\w+)(?::?[-?+]([^}]*))?\}")

each_service = pytest.mark.parametrize("name", SERVICES)


def _environment(name: str) -> dict[str, str]:
    """A service's environment as it is when nothing is set by hand."""
    return {key: GIVEN.sub(lambda found: found[2] or "", str(value)) for key, value in SERVICES[name].get("environment", {}).items()}


def test_the_schema_of_compose_files_holds() -> None:
    passes([tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", FILE])


def test_the_services_are_there() -> None:
    assert set(SERVICES) == {"kafka", "redis", "prometheus", "alertmanager", "grafana"} | PROGRAM


@each_service
def test_images_are_of_a_stated_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"[a-z/]+:v?\d+(\.\d+)*(-alpine)?", image), image


@each_service
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in SERVICES[name].get("ports", []))


@each_service
def test_a_service_comes_back_and_says_whether_it_is_well(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) == (name not in WITHOUT_ADDRESS)


@each_service
def test_a_service_can_do_little_harm(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # Apache Kafka's image writes its configuration where it stands.
    assert service.get("read_only", False) == (name != "kafka")
    assert service["logging"]["options"]["max-size"]


@each_service
def test_mounted_files_and_volumes_exist(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source, *rest = mount.split(":")
        if source.startswith("."):
            assert (ROOT / source).is_dir()
            assert rest[-1] == "ro"
        else:
            assert source in COMPOSE["volumes"]


def test_every_volume_is_used() -> None:
    assert {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", []) if mount[0] != "."} == set(
        COMPOSE["volumes"]
    )


@each_service
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    needs = SERVICES[name].get("depends_on", {})
    assert set(needs) <= set(SERVICES)
    if isinstance(needs, dict):
        for other, how in needs.items():
            ends = how["condition"] == "service_completed_successfully"
            assert ends == (other in ONE_SHOT)
            assert ends or "healthcheck" in SERVICES[other]


@each_service
def test_there_is_no_default_password(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY", key):
            # Required, or none at all unless somebody sets one.
            assert re.fullmatch(r"\$\{\w+:(\?.+|-)\}", value), f"{key} has a value although nobody set one"


# The program's own settings


def _names() -> set[str]:
    written = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", FILE.read_text(encoding="utf-8")))
    image = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
    return written | image


@pytest.mark.parametrize("name", sorted(_names()))
def test_settings_are_those_of_the_program(name: str) -> None:
    assert name.removeprefix(PREFIX).lower() in Settings.model_fields


@pytest.mark.parametrize("name", sorted(PROGRAM))
def test_the_program_takes_its_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in _environment(name).items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    assert settings.lang == "zh"
    assert settings.broker.partition(":")[0] == "kafka"
    assert settings.redis_url.startswith("redis://redis:")
    assert settings.static_membership is False  # workers of one service may be several
    assert settings.replication == 1  # there is one broker


def test_the_addresses_are_reached_from_other_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    web, worker = _environment("web"), _environment("worker")
    assert (web["ONESTOP_WEB_ADDRESS"], web["ONESTOP_TRUSTED_PROXY"]) == ("0.0.0.0:8080", "true")
    assert (worker["ONESTOP_WORKER_ADDRESS"], worker["ONESTOP_TRUSTED_PROXY"]) == ("0.0.0.0:9101", "true")
    assert worker["ONESTOP_DATA_DIR"] in {mount.split(":")[1] for mount in SERVICES["worker"]["volumes"]}
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INTERNAL://{web['ONESTOP_BROKER']}" in advertised.split(",")


@pytest.mark.parametrize("name", sorted(PROGRAM))
def test_the_image_is_of_this_version(name: str) -> None:
    (version,) = re.findall('^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert SERVICES[name]["image"] == f"onestop:{version}"


@pytest.mark.parametrize("name", sorted(PROGRAM))
def test_the_commands_are_those_of_the_program(name: str) -> None:
    assert SERVICES[name]["command"] == (["topics", "create"] if name == "topics" else [name])


# What watches it


def test_prometheus_scrapes_services_that_exist() -> None:
    jobs = {job["job_name"]: job for job in load(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]}
    assert jobs["web"]["static_configs"] == [{"targets": ["web:8080"]}]
    (worker,) = jobs["worker"]["dns_sd_configs"]
    assert (worker["names"], worker["type"], worker["port"]) == (["worker"], "A", 9101)
    for job in jobs.values():
        for target in (target for static in job.get("static_configs", []) for target in static["targets"]):
            host = target.partition(":")[0]
            assert host in SERVICES or host == "127.0.0.1"


def test_grafana_finds_its_data_source_and_its_boards() -> None:
    grafana = DEPLOY / "grafana"
    (source,) = load(grafana / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    inside = mounts["./deploy/grafana/dashboards"]
    paths = [provider["options"]["path"] for provider in load(grafana / "provisioning" / "dashboards" / "onestop.yml")["providers"]]
    home = _environment("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    for path in (*paths, home):
        assert (grafana / "dashboards" / path.removeprefix(f"{inside}/")).exists()

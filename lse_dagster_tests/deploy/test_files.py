"""The files of `deploy/` by themselves: valid, agreeing with each other, naming only what exists.

What the processes do that they start is in `test_processes.py`; Kubernetes is in `test_kubernetes.py`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from lse_dagster.defs.project import DRIVE_POOL, LANGSMITH_POOL
from lse_dagster_tests.deploy.deploy_files import (
    DEPLOY,
    ROOT,
    TICK_SECONDS,
    constraints,
    documented_variables,
    known_variables,
    project,
    variables_of_dagster,
)

COMPOSE = DEPLOY / "compose" / "docker-compose.yml"
SYSTEMD = DEPLOY / "systemd"
UNITS = sorted(path.name for path in SYSTEMD.glob("lse*.*") if path.is_file())
PROGRAMS = Path(sys.executable).parent
OUTSIDE_UNITS = (
    *("sysinit", "basic", "shutdown", "multi-user", "network-online", "umount"),
    *("timers", "time-sync", "time-set"),
)
"""Targets that systemd itself brings, and that ours name or depend on."""


# --- compose ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("schema", "file"),
    [("compose-spec", COMPOSE), ("github-workflows", DEPLOY / "github-actions" / "archive-langsmith.yml")],
)
def test_who_reads_it_takes_it(schema: str, file: Path) -> None:
    command: list[str | Path] = [PROGRAMS / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", file]

    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


def test_only_the_code_server_knows_the_secrets_of_langsmith_and_drive(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert [name for name, service in services.items() if "env_file" in service] == ["code"]
    assert [name for name, service in services.items() if "secrets" in service] == ["code"]
    assert services["code"]["secrets"] == list(compose["secrets"])


def test_nothing_is_reachable_from_other_machines(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert len(published) == 1
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_variable_of_the_compose_file_is_one_that_something_reads(compose: dict[str, Any]) -> None:
    dagster = [name for name in compose["services"] if name != "db"]
    given = {name: set(compose["services"][name]["environment"]) for name in dagster}
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text(encoding="utf-8")))
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")

    assert set().union(*given.values()) <= known_variables()
    assert all(variables_of_dagster() - {"DAGSTER_HOME"} <= variables for variables in given.values())
    assert {name for name in asked if name not in guide} == set()


def test_a_database_that_is_late_is_waited_for_by_nobody_who_gives_up(compose: dict[str, Any]) -> None:
    services = compose["services"]
    waits_for = {name: service.get("depends_on", ()) for name, service in services.items()}

    # `up` gives up on a service that is not healthy in time, and a database may be later than any limit.
    assert [name for name, others in waits_for.items() if "db" in others] == ["prepare"]
    assert waits_for["prepare"] == ["db"]
    assert {name for name, service in services.items() if service["restart"] == "no"} == {"prepare"}


def test_dumps_are_made_by_the_version_that_the_database_has(compose: dict[str, Any]) -> None:
    backup, database = compose["services"]["backup"], compose["services"]["db"]

    assert backup["image"] == database["image"]
    for mounted in backup["volumes"]:
        source = mounted.split(":")[0]
        assert source in compose["volumes"] or os.access(COMPOSE.parent / source, os.X_OK)


def test_what_must_outlive_a_container_is_on_a_volume(compose: dict[str, Any]) -> None:
    code = compose["services"]["code"]
    mounted = [volume.split(":")[1] for volume in code["volumes"]]
    kept = ("LSE_DATA_DIR", "LSE_ARCHIVES_DIR", "GOOGLE_DRIVE_TOKEN_PATH")

    for name in kept:
        path = Path(code["environment"][name])
        assert any(path.is_relative_to(place) for place in mounted), name
    named = [
        source
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if not (source := volume.split(":")[0]).startswith(".")
    ]
    assert set(named) == set(compose["volumes"])


# --- systemd ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    """The program that checks units; needs no running systemd. In CI it must be there."""
    if (found := shutil.which("systemd-analyze")) is not None:
        return found
    missing = "No systemd-analyze found: install the package `systemd`"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A server's files as deploy/README.md lays them out, with programs that do nothing."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(SYSTEMD, units)
    for name in OUTSIDE_UNITS:
        (units / f"{name}.target").write_text("[Unit]\n")
    programs = tmp_path / "opt/lse/venv/bin"
    programs.mkdir(parents=True)
    for program in [*PROGRAMS.glob("dagster*"), PROGRAMS / "lse"]:
        shutil.copy(program, programs)
    deploy = tmp_path / "opt/lse/deploy"
    deploy.mkdir()
    for name in ("prepare-instance", "backup-database", "workspace.yaml"):
        shutil.copy(DEPLOY / name, deploy)
    return tmp_path


def verified(systemd_analyze: str, server: Path) -> "subprocess.CompletedProcess[str]":
    command = [systemd_analyze, "verify", "--man=no", f"--root={server}", *UNITS]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_the_units(systemd_analyze: str, server: Path) -> None:
    found = verified(systemd_analyze, server)

    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("venv/bin/dagster-daemon", "venv/bin/dagster-deamon"),
        ("Requires=lse-prepare.service", "Requires=lse-prepair.service"),
        ("RestartSec=5", "RestartSecs=5"),
    ],
)
def test_a_wrong_program_link_or_word_in_a_unit_would_be_noticed(
    systemd_analyze: str, server: Path, right: str, wrong: str
) -> None:
    unit = server / "etc/systemd/system/lse-daemon.service"
    text = unit.read_text(encoding="utf-8")
    assert right in text

    unit.write_text(text.replace(right, wrong), encoding="utf-8")

    assert verified(systemd_analyze, server).stderr


def test_the_units_environment_files_hold_what_they_need_and_the_secrets_are_in_one() -> None:
    texts = {name: (SYSTEMD / name).read_text(encoding="utf-8") for name in UNITS}
    common = (SYSTEMD / "lse-.service.d" / "common.conf").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+)\}", "".join(texts.values())))

    assert documented_variables(SYSTEMD / "dagster.env.example") == variables_of_dagster()
    assert used <= variables_of_dagster()
    assert "EnvironmentFile=/etc/lse/dagster.env" in common
    assert [name for name, text in texts.items() if "EnvironmentFile=" in text] == ["lse-code.service"]


@pytest.mark.parametrize(
    "file", ["compose/docker-compose.yml", "systemd/lse-.service.d/common.conf", "kubernetes/values.yaml"]
)
def test_a_tick_of_hundreds_of_projects_is_not_given_up(file: str) -> None:
    text = (DEPLOY / file).read_text(encoding="utf-8")

    assert re.search(rf'{TICK_SECONDS}(: "|=|\n *value: ")600', text)


# --- image and instance -------------------------------------------------------------------------------


def test_the_image_is_built_from_files_that_exist_and_that_docker_is_given() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        word
        for line in dockerfile.splitlines()
        if line.startswith("COPY ") and "--from=" not in line
        for word in line.split()[1:-1]
        if not word.startswith("--")
    ]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    given = [pattern.removeprefix("!") for pattern in ignored if pattern.startswith("!")]

    assert {"lse_dagster", "deploy/dagster.yaml", "constraints.txt"} <= set(copied)
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert sorted(given) == sorted(copied)
    assert "*" in ignored


def test_the_image_is_written_as_docker_recommends() -> None:
    checked = subprocess.run(
        [PROGRAMS / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout


def test_the_image_installs_extras_that_exist_in_versions_that_are_pinned() -> None:
    extras = project()["optional-dependencies"]
    named = re.findall(r"EXTRAS=([\w,]+)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    wanted = {extra for names in named for extra in names.split(",")}
    packages = {re.split(r"[>=]", package)[0] for extra in wanted for package in extras[extra]}
    pinned = constraints()

    assert wanted == {"deploy", "kubernetes"}
    assert packages == {"dagster-postgres", "dagster-k8s"}
    assert packages <= set(pinned)
    assert f"dagster/dagster {pinned['dagster']}" in (DEPLOY / "kubernetes/values.yaml").read_text(
        encoding="utf-8"
    )


def test_dagster_accepts_the_instance_of_a_server() -> None:
    loaded, _ = dagster_instance_config(str(DEPLOY))

    assert loaded["run_launcher"]["class"] == "CodeServerRunLauncher"
    assert loaded["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_the_pools_that_are_set_are_those_that_the_code_names() -> None:
    script = (DEPLOY / "prepare-instance").read_text(encoding="utf-8")

    assert dict(re.findall(r"concurrency set (\w+) (\d+)", script)) == {LANGSMITH_POOL: "1", DRIVE_POOL: "2"}
    assert os.access(DEPLOY / "prepare-instance", os.X_OK)


def test_the_code_location_has_one_name_and_is_served_where_it_is_looked_for(compose: dict[str, Any]) -> None:
    ours = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    deployed = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))
    (location,) = deployed["load_from"]
    environment = compose["services"]["webserver"]["environment"]
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")

    assert location["grpc_server"]["location_name"] == ours["load_from"][0]["python_module"]["location_name"]
    assert environment["LSE_CODE_SERVER_HOST"] in compose["services"]
    assert f'"--port", "{environment["LSE_CODE_SERVER_PORT"]}"' in dockerfile

"""The values for Dagster's Helm chart, against Dagster's own schemas and the pods that dagster-k8s builds."""

from pathlib import Path

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster_k8s import K8sRunLauncher

from lse_dagster_tests.deploy.deploy_files import DEPLOY, ROOT, known_variables, project_version
from lse_dagster_tests.deploy.helm_chart import (
    Values,
    image,
    instance_config,
    launcher_config,
    locations,
    read_values,
    run_pod,
)

KUBERNETES = DEPLOY / "kubernetes"
IMAGE_USER = 10001


@pytest.fixture(scope="module")
def values() -> Values:
    return read_values(KUBERNETES / "values.yaml")


@pytest.fixture(scope="module")
def deployment(values: Values) -> Values:
    """The one code location."""
    (only,) = values["dagster-user-deployments"]["deployments"]
    found: Values = only
    return found


@pytest.fixture(scope="module")
def pod(values: Values, deployment: Values) -> Values:
    return run_pod(values, deployment)


@pytest.fixture(scope="module")
def container(pod: Values) -> Values:
    (only,) = pod["containers"]
    found: Values = only
    return found


def launcher_schema() -> Values:
    """What dagster-k8s takes as the run launcher's config."""
    schema: Values = K8sRunLauncher.config_type()  # type: ignore[no-untyped-call]
    return schema


def test_dagster_accepts_the_instance_that_the_values_describe(values: Values, tmp_path: Path) -> None:
    config = instance_config(values)
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    loaded, _ = dagster_instance_config(str(tmp_path))

    assert loaded["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    assert loaded["concurrency"]["pools"] == {"granularity": "op", "default_limit": 1}


def test_run_launcher_and_run_coordinator_accept_their_parts(values: Values) -> None:
    coordinator = instance_config(values)["run_coordinator"]["config"]

    launcher_result = process_config(launcher_schema(), launcher_config(values))
    coordinator_result = process_config(QueuedRunCoordinator.config_type(), coordinator)

    assert launcher_result.success, launcher_result.errors
    assert coordinator_result.success, coordinator_result.errors


def test_a_misspelt_key_of_the_run_launcher_would_be_noticed(values: Values) -> None:
    misspelt = {**launcher_config(values), "run_k8s_config": {"pod_spec": {}}}

    assert not process_config(launcher_schema(), misspelt).success


def test_queue_pools_monitoring_retries_and_retention_are_those_of_the_other_servers(values: Values) -> None:
    ours = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
    kubernetes = instance_config(values)

    assert kubernetes["concurrency"] == ours["concurrency"]
    assert kubernetes["run_retries"] == ours["run_retries"]
    assert kubernetes["retention"] == ours["retention"]
    assert kubernetes["sensors"] == ours["sensors"]
    assert kubernetes["run_monitoring"] == {**ours["run_monitoring"], "start_timeout_seconds": 300}
    assert kubernetes["run_coordinator"]["config"].items() <= ours["run_queue"].items()


def test_the_location_has_the_name_that_it_has_everywhere(values: Values, deployment: Values) -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    name = workspace["load_from"][0]["python_module"]["location_name"]

    assert list(locations(values)) == [(name, deployment["name"], deployment["port"])]


def test_a_run_finds_the_archive_on_a_volume_that_it_may_write_to(
    pod: Values, container: Values, deployment: Values
) -> None:
    claim = yaml.safe_load((KUBERNETES / "archive-volume.yaml").read_text(encoding="utf-8"))
    claims = {
        volume["name"]: volume["persistent_volume_claim"]["claim_name"]
        for volume in pod["volumes"]
        if volume["persistent_volume_claim"]
    }
    (mount,) = (mount for mount in container["volume_mounts"] if mount["name"] in claims)
    directories = [
        Path(variable["value"])
        for variable in deployment["env"]
        if variable["name"] in {"LSE_DATA_DIR", "LSE_ARCHIVES_DIR"}
    ]

    assert claims == {"archive": claim["metadata"]["name"]}
    assert len(directories) == 2
    assert all(path.is_relative_to(mount["mount_path"]) for path in directories)
    assert pod["security_context"]["fs_group"] == pod["security_context"]["run_as_user"] == IMAGE_USER
    assert not mount["read_only"]


def test_a_run_gets_the_settings_the_secrets_and_the_limits_of_the_location(
    container: Values, deployment: Values
) -> None:
    secrets = [source["secret_ref"]["name"] for source in container["env_from"] if source["secret_ref"]]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}

    assert secrets == ["lse-env"]
    assert {
        variable["name"]: variable["value"] for variable in deployment["env"]
    }.items() <= variables.items()
    assert container["resources"]["limits"] == deployment["resources"]["limits"]
    assert container["image"] == image(deployment)
    assert variables["DAGSTER_HOME"] == "/opt/lse/dagster_home"


def test_a_run_has_no_rights_that_it_does_not_need(pod: Values, container: Values) -> None:
    assert pod["security_context"]["run_as_non_root"]
    assert container["security_context"]["allow_privilege_escalation"] is False
    assert container["security_context"]["capabilities"]["drop"] == ["ALL"]


def test_every_variable_is_one_that_is_documented(deployment: Values) -> None:
    assert {variable["name"] for variable in deployment["env"]} <= known_variables()


def test_a_cluster_that_was_down_for_a_day_goes_on_with_the_look_at_its_health(values: Values) -> None:
    (look,) = values["extraManifests"]

    # Kubernetes gives up a CronJob that missed more than a hundred starts, counted over this window.
    assert look["spec"]["startingDeadlineSeconds"] < 100 * 600


def test_one_image_of_this_version_is_everywhere(values: Values, deployment: Values) -> None:
    images = {image(part) for part in (values["dagsterWebserver"], values["dagsterDaemon"], deployment)}

    assert images == {f"registry.example.com/lse-dagster:{project_version()}"}


def test_the_webserver_listens_where_its_probe_asks_and_needs_no_right_to(values: Values) -> None:
    webserver = values["dagsterWebserver"]

    assert webserver["service"]["port"] == webserver["readinessProbe"]["httpGet"]["port"] > 1023

"""What Dagster's Helm chart makes of `deploy/kubernetes/values.yaml`, as far as tests need it.

The chart cannot be had where the tests run. These functions follow the templates of its version 1.13 that
write `dagster.yaml`, `workspace.yaml` and the context of run pods;
`helm template` is still to be run by hand.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job

Values = dict[str, Any]

_INSTANCE_CONFIG_MAP = "dagster-instance"


def read_values(path: Path) -> Values:
    """The values, each mapping read as it stands: YAML's anchors are resolved."""
    values: Values = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


def instance_config(values: Values) -> Values:
    """The `dagster.yaml` of daemon and webserver: configmap-instance.yaml."""
    daemon, concurrency = values["dagsterDaemon"], values["concurrency"]
    postgres = values["postgresql"]
    storage = {
        "postgres_db": {
            "username": postgres["postgresqlUsername"],
            "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": postgres["postgresqlHost"],
            "db_name": postgres["postgresqlDatabase"],
            "port": postgres["service"]["port"],
            "params": {},
            "scheme": postgres["postgresqlScheme"],
        }
    }
    coordinator = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    return {
        **{
            f"{name}_storage": {"module": f"dagster_postgres.{name}", "class": class_name, "config": storage}
            for name, class_name in (
                ("run", "PostgresRunStorage"),
                ("event_log", "PostgresEventLogStorage"),
                ("schedule", "PostgresScheduleStorage"),
            )
        },
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": _snake(coordinator),
        },
        "run_launcher": {
            "module": "dagster_k8s",
            "class": "K8sRunLauncher",
            "config": launcher_config(values),
        },
        "run_monitoring": _snake(daemon["runMonitoring"]),
        "run_retries": _snake(daemon["runRetries"]),
        "sensors": _snake(daemon["sensors"]),
        "concurrency": {"runs": _snake(concurrency["runs"]), "pools": _snake(concurrency["pools"])},
        "retention": {
            kind: _snake(kept) for kind, kept in values["retention"].items() if isinstance(kept, dict)
        }
        if values["retention"]["enabled"]
        else {},
        "telemetry": values["telemetry"],
    }


def launcher_config(values: Values) -> Values:
    """The config of the run launcher: _run-launcher.tpl."""
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    return {
        "load_incluster_config": True,
        "job_namespace": "default",
        "image_pull_policy": launcher["imagePullPolicy"],
        "service_account_name": "dagster",
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": _INSTANCE_CONFIG_MAP,
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "run_k8s_config": _snake(launcher["runK8sConfig"]),
    }


def locations(values: Values) -> Iterator[tuple[str, str, int]]:
    """Name, host and port of each code location: configmap-workspace.yaml with `workspace.enabled`."""
    workspace = values["dagsterWebserver"]["workspace"]
    assert workspace["enabled"]
    for server in workspace["servers"]:
        yield server["name"], server["host"], server["port"]


def run_pod(values: Values, deployment: Values) -> Values:
    """The pod of a run that this code location is launched for, as dagster-k8s builds it: its `spec`."""
    launcher = launcher_config(values)
    context = K8sContainerContext.create_from_config(
        {"k8s": {"run_k8s_config": launcher["run_k8s_config"]}}
    ).merge(K8sContainerContext.create_from_config({"k8s": _container_context(deployment)}))
    job = construct_dagster_k8s_job(
        job_config=DagsterK8sJobConfig(
            job_image=image(deployment),
            dagster_home=launcher["dagster_home"],
            instance_config_map=launcher["instance_config_map"],
            postgres_password_secret=launcher["postgres_password_secret"],
        ),
        args=["dagster", "api", "execute_run"],
        job_name="a-run",
        user_defined_k8s_config=context.run_k8s_config,
    )
    spec: Values = job.to_dict()["spec"]["template"]["spec"]
    return spec


def image(part: Values) -> str:
    """Repository and tag."""
    return f"{part['image']['repository']}:{part['image']['tag']}"


def _container_context(deployment: Values) -> Values:
    """dagsterUserDeployments.k8sContainerContext: no security context of the deployment is in it."""
    return {
        "image_pull_policy": deployment["image"]["pullPolicy"],
        "env_config_maps": [f"dagster-{deployment['name']}-user-env"],
        "env_secrets": [secret["name"] for secret in deployment["envSecrets"]],
        "volume_mounts": deployment["volumeMounts"],
        "volumes": deployment["volumes"],
        "resources": deployment["resources"],
        "env": deployment["env"],
        "run_k8s_config": {"pod_spec_config": {"automount_service_account_token": True}},
    }


def _snake(values: Mapping[str, Any]) -> Values:
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key): value
        for key, value in values.items()
    }

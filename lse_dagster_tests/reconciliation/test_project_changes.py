"""That `LSE_PROJECTS`, or a project of a name, is another one is told once, however many are."""

import logging
from collections.abc import Iterator, Sequence

import dagster as dg
import pytest

from lse_dagster.defs.alerts.project_changes import tell_of_change
from lse_dagster.defs.alerts.webhook import Webhook
from lse_dagster.defs.assets import PRESENT_ID_METADATA
from lse_dagster.defs.own_records import owner_metadata
from lse_dagster.defs.project import ArchivedProject, archived_projects
from lse_dagster_tests.webhook_receiver import Receiver

LOG = logging.getLogger(__name__)
NAMES = [f"project-{number}" for number in range(30)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def fetch(instance: dg.DagsterInstance, projects: Sequence[ArchivedProject], workspace: str) -> None:
    """What a fetch of each records."""
    for project in projects:
        metadata = {**owner_metadata(project.name or ""), PRESENT_ID_METADATA: f"{workspace}-{project.name}"}
        reported = dg.AssetMaterialization(project.key("raw_runs"), metadata=metadata, partition="2025-08-01")
        instance.report_runless_asset_event(reported)


def test_the_key_of_another_workspace_is_one_message_and_no_longer_than_a_chat_server_takes(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    webhook, projects = Webhook(receiver.url), archived_projects(NAMES)
    fetch(instance, projects, "one")
    first = tell_of_change(instance, projects, webhook, LOG)
    fetch(instance, projects, "other")

    told = [tell_of_change(instance, projects, webhook, LOG) for _ in range(2)]

    assert (first, told) == (False, [True, False])
    (text,) = receiver.texts
    assert "30 projects" in text
    assert "of project-1 was one-project-1 and is other-project-1" in text
    assert len(text) < 2000


def test_what_was_told_is_not_told_again_because_the_next_message_is_not_taken(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    webhook, projects = Webhook(receiver.url), archived_projects(NAMES[:2])
    fetch(instance, projects, "one")
    tell_of_change(instance, projects, webhook, LOG)
    fetch(instance, projects[1:], "other")
    fewer = [ArchivedProject(projects[1].name, projects[1].key_prefix)]
    receiver.words = {"another project": 429}

    for _ in range(3):
        assert tell_of_change(instance, fewer, webhook, LOG)
    receiver.words = {}
    assert tell_of_change(instance, fewer, webhook, LOG)
    assert not tell_of_change(instance, fewer, webhook, LOG)

    assert ["LSE_PROJECTS was changed" in text for text in receiver.texts] == [True, False]

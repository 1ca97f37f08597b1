"""What keeps many days of many projects from being archived at once, and how little people are told of it."""

from datetime import timedelta

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.place import DAY, at
from lse_dagster_tests.worlds.unattended import Deploy
from lse_dagster_tests.worlds.webhook_receiver import Receiver

FULL = {
    "error": {
        "code": 403,
        "errors": [{"reason": "storageQuotaExceeded", "domain": "usageLimits"}],
        "message": "The user's Drive storage quota has been exceeded.",
    }
}


def test_drive_full_for_days_is_one_message_then_one_a_day_then_its_end(
    sandbox: Sandbox, drive_sandbox: ControlClient, receiver: Receiver, deploy: Deploy
) -> None:
    # given
    apis = [LangSmithApi(sandbox) for _ in range(2)]
    for api in apis:
        api.add_run(at(1, 12))
    daemon = deploy(apis, at(1, 12), LSE_START_DATE=DAY.isoformat(), LSE_WEBHOOK_URL=receiver.url)
    daemon.tick()

    # when: two nights without room
    drive_sandbox.fault(path="/upload/", status=403, body=FULL, times=1_000_000)
    daemon.run_until(at(3, 12), every=timedelta(hours=12))
    during = list(receiver.texts)
    drive_sandbox.clear_faults()
    daemon.run_until(at(4), every=timedelta(hours=6))

    # then
    assert [text.splitlines()[0] for text in during] == [
        f"LangSmith archive: {apis[0].project}, 2025-08-01",
        "LangSmith archive: 1 thing still fails",
    ]
    assert "  4 days of 2 projects: " in during[1]
    assert [text.split(". ")[0] for text in receiver.texts[2:]] == [
        "LangSmith archive: Drive takes uploads again"
    ]
    assert "4 days of 2 projects caught up: " in receiver.texts[2]
    assert all(f"{api.project} 2025-08-01 to 2025-08-02" in receiver.texts[2] for api in apis)

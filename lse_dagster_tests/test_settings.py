"""The environment as typed settings, and `.env.example` as its documentation."""

import re
from datetime import date
from pathlib import Path

import pytest

from lse_dagster.settings import InvalidSetting, Settings

ROOT = Path(__file__).parent.parent
PATHS = [
    "LSE_DATA_DIR",
    "LSE_ARCHIVES_DIR",
    "DAGSTER_HOME",
    "GOOGLE_DRIVE_CREDENTIALS_PATH",
    "GOOGLE_DRIVE_TOKEN_PATH",
]


def test_nothing_needs_to_be_set() -> None:
    settings = Settings.from_environment({})

    assert settings.projects == ()
    assert settings.langsmith.api_key == ""
    assert settings.langsmith.endpoint == "https://api.smith.langchain.com"
    assert settings.data_dir == Path("data")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment({"LANGSMITH_API_KEY": " ", "LSE_PROJECTS": ""}) == Settings()


@pytest.mark.parametrize(
    ("text", "projects"),
    [
        ("my-project", ("my-project",)),
        (" a , b c ,", ("a", "b c")),
        ('["a, b", "ü/x"]', ("a, b", "ü/x")),
    ],
)
def test_projects_are_a_list_with_commas_or_a_json_list(text: str, projects: tuple[str, ...]) -> None:
    assert Settings.from_environment({"LSE_PROJECTS": text}).projects == projects


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LSE_PROJECTS", "a,a"),
        ("LSE_PROJECTS", '["a", 1]'),
        ("LSE_PROJECTS", '["a", ""]'),
        ("LSE_START_DATE", "2025-02-30"),
        ("GOOGLE_DRIVE_AUTH_TYPE", "password"),
        ("LSE_ZIP_LEVEL", "0"),
        ("LSE_ZIP_LEVEL", "10"),
        ("LSE_ZIP_LEVEL", "best"),
        ("LSE_ZIP_LEVEL", "9" * 5000),
        ("LSE_START_DATE", "0001-01-01"),
        ("LSE_START_DATE", "9999-12-31"),
        *((name, "~nobody-has-this-name/x") for name in PATHS),
        ("LSE_WEBHOOK_URL", "hooks.example.com/s3cr3t"),
        ("LSE_WEBHOOK_URL", "https://hooks..example.com/s3cr3t"),
        ("LSE_PING_URL", "https:///s3cr3t"),
        ("LSE_DAGSTER_URL", "https://[s3cr3t"),
        ("LSE_ATTACHMENT_HOSTS", "minio:9000"),
        ("LSE_ATTACHMENT_HOSTS", "10.0.0.0/8,https://minio"),
        ("LSE_OWNERS", "jane"),
        ("LSE_HEARTBEAT", "yes"),
        ("LSE_HEARTBEAT", "on"),  # without LSE_WEBHOOK_URL
        ("LSE_STORAGE_USD_PER_GB_MONTH", "2 cents"),
        ("LSE_STORAGE_USD_PER_GB_MONTH", "nan"),
        ("LSE_OWNERS", "jane@example.com, team:"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_an_example(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name) as caught:
        Settings.from_environment({name: value})

    assert f"{name}=" in caught.value.next_step
    assert "s3cr3t" not in str(caught.value)
    assert [error.name for error in Settings.as_far_as_right({name: value}).invalid] == [name]


def test_values_become_types() -> None:
    settings = Settings.from_environment(
        {
            "LSE_START_DATE": "2025-08-01",
            "LSE_DATA_DIR": "~/data",
            "LSE_ZIP_LEVEL": "9",
            "GOOGLE_DRIVE_AUTH_TYPE": "oauth2",
        }
    )

    assert settings.start_date == date(2025, 8, 1)
    assert settings.data_dir == Path.home() / "data"
    assert settings.zip_level == 9
    assert settings.drive.auth_type == "oauth2"


def test_every_variable_that_is_wrong_is_told_and_the_others_count() -> None:
    wrong = {
        "LSE_PROJECTS": "[",
        "LSE_START_DATE": "soon",
        "LSE_ZIP_LEVEL": "0",
        "LSE_SCHEDULES": "yes",
        "LSE_SCHEDULE_HOUR_UTC": "24",
        "LSE_RETENTION_DAYS": "14 days",
        "LSE_RECONCILE_AFTER_DAYS": "never",
        "LSE_KEEP_LOCAL_DAYS": "0",
        "LSE_WEBHOOK_URL": "x",
        "LSE_PING_URL": "x",
        "LSE_DAGSTER_URL": "x",
        "LSE_OWNERS": "nobody",
        "LSE_LANGSMITH_RATES": "fast",
        "GOOGLE_DRIVE_AUTH_TYPE": "magic",
    }

    settings = Settings.as_far_as_right({**wrong, "LSE_DATA_DIR": "/days"})

    assert {error.name for error in settings.invalid} == set(wrong)
    assert settings.in_the_way is not None
    assert settings.schedules == "on"
    assert settings.data_dir == Path("/days")
    assert Settings.as_far_as_right({"LSE_OWNERS": "nobody"}).in_the_way is None


def test_the_shortest_retention_is_looked_at_a_day_before_its_end() -> None:
    assert Settings.from_environment({"LSE_RETENTION_DAYS": "2"}).reconciliation.after_days == (1,)


def test_the_key_is_not_in_the_repr() -> None:
    assert "lsv2" not in repr(Settings.from_environment({"LANGSMITH_API_KEY": "lsv2_secret"}))


def test_env_example_documents_every_variable_that_is_read() -> None:
    read = set(re.findall(r'"([A-Z]+_[A-Z_]+)"', (ROOT / "lse_dagster" / "settings.py").read_text()))

    documented = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert documented - {"REQUESTS_CA_BUNDLE"} == read


def test_no_other_module_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "lse_dagster").rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }

    # definitions.py hands the environment to settings.py. The command does the same in environment.py, finds
    # Dagster's home and the terminal's habits there, and passes it on to what it starts. Proxies and
    # authorities are the process's, as for every program: requests reads those, certificates.py these.
    assert readers <= {
        "lse_dagster/definitions.py",
        "lse_dagster/cli/terminal/console.py",
        "lse_dagster/cli/playground/dev.py",
        "lse_dagster/cli/doctor/dagster_home.py",
        "lse_dagster/cli/environment.py",
        "lse_dagster/cli/init/command.py",  # it offers what stands there
        "lse_dagster/cli/running/instance.py",
        "lse_dagster/cli/playground/folder.py",
        "lse_dagster/cli/playground/sandbox.py",
        "lse_dagster/net/certificates.py",
    }

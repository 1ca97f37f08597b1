"""Dagster's home: whose settings it keeps."""

from pathlib import Path

from lse_dagster.cli.instance import prepare_home

OURS = "telemetry:\n  enabled: false\n"
THEIRS = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"


def test_a_home_that_has_settings_keeps_them(tmp_path: Path) -> None:
    ours, home = tmp_path / "dagster.yaml", tmp_path / "home"
    ours.write_text(OURS)
    home.mkdir()
    (home / "dagster.yaml").write_text(THEIRS)

    prepare_home(home, ours)

    assert (home / "dagster.yaml").read_text() == THEIRS


def test_a_home_of_ours_gets_the_settings_of_a_new_version(tmp_path: Path) -> None:
    ours, home = tmp_path / "dagster.yaml", tmp_path / "home"
    ours.write_text(THEIRS)
    prepare_home(home, ours)
    ours.write_text(OURS)

    prepare_home(home, ours, renew=True)

    assert (home / "dagster.yaml").read_text() == OURS

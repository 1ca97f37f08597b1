"""Any names in `LSE_PROJECTS`: the definitions load, and each project has its own or is told."""

import hashlib
import logging
import re
import unicodedata

import dagster as dg
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lse_dagster.definitions import build_definitions
from lse_dagster.defs.project import archived_projects, slug
from lse_dagster.settings import Settings

LONG = "the-quarterly-evaluation-of-every-prompt-of-the-customer-support-assistant"
PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

texts = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(codec=None, categories=None), max_size=4),  # lone surrogates and NUL, too
    st.from_regex(PLAIN, fullmatch=True),
    st.sampled_from([LONG, LONG.upper(), f"{LONG}-2", "ü" * 70, "日本", "a" * 57 + "ü", "b" * 63, "b" * 64]),
    st.sampled_from(["schedule", "x-schedule", "sensor", "class", "raw-runs", "free-disk", "archive"]),
)
look_alikes = texts.map(lambda name: slug(name).replace("_", "-"))
names = st.lists(st.one_of(texts, look_alikes), max_size=6)


def can_be_a_name(text: str) -> bool:
    try:
        return bool(text.encode()) and "\0" not in text
    except UnicodeEncodeError:
        return False


@given(names)
@example(["a", "日本", "project-cf2abf"])
@example(["a", "project-cf2abf", "日本"])
@example(["a", LONG, f"{LONG}-2"])
@example(["\udcff", "b", "c"])
@hypothesis_settings(max_examples=60)
def test_definitions_load_and_each_project_that_can_be_defined_has_keys_of_its_own(names: list[str]) -> None:
    possible = {name for name in names if can_be_a_name(name)}

    definitions = build_definitions(settings := Settings(projects=tuple(names)))

    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    keys_of: dict[str, set[tuple[str, ...]]] = {}
    for key in graph.get_all_asset_keys():
        if "langsmith_project" in graph.get(key).metadata:
            keys_of.setdefault(str(graph.get(key).metadata["langsmith_project"]), set()).add(tuple(key.path))
    assert set(keys_of) == possible
    assert all(len(keys) == 3 for keys in keys_of.values())
    assert len(set.union(set(), *keys_of.values())) == 3 * len(possible)
    assert {error.name for error in settings.impossible_projects()} == set(names) - possible
    assert all("Next: Correct LSE_PROJECTS" in str(error) for error in settings.impossible_projects())


@given(names)
@hypothesis_settings(max_examples=200)
def test_a_project_keeps_its_keys_when_others_come_after_it(names: list[str]) -> None:
    for length in range(1, len(names)):
        before = archived_projects(names[:length])
        if before:
            assert archived_projects(names)[: len(before)] == before


def slug_of_before(project: str) -> str:
    """The rule by which the archives of today have their keys. It never changes."""
    ascii_text = unicodedata.normalize("NFKD", project).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_")
    if plain.replace("_", "-") == project:
        return plain
    tail = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain}_{tail}" if plain else f"project_{tail}"


@given(names)
@example(["a", "My Project ü", "my-project", "b" * 63])
@hypothesis_settings(max_examples=300)
def test_names_that_worked_keep_their_keys(names: list[str]) -> None:
    distinct = [name for name in dict.fromkeys(names) if can_be_a_name(name)]
    before = [slug_of_before(name) for name in distinct]
    worked = all(len(one) <= 63 for one in before) and len(set(before[1:])) == len(before[1:])

    found = archived_projects(distinct)

    if worked and distinct:
        assert [project.key_prefix for project in found] == [(), *((one,) for one in before[1:])]
        assert [project.group for project in found] == before
    for project in found:
        assert len(project.group) <= 63 or not distinct


def test_a_name_that_no_project_can_have_is_told_and_the_first_stays_the_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        definitions = build_definitions(Settings(projects=("b\udcff", "my-project")))

    assert "Defining the project 'b\\udcff': The name is no valid UTF-8." in caplog.text
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    of_a_day = {f"my_project/{asset}" for asset in ("raw_runs", "day_zip", "drive_archive")}
    assert keys == of_a_day | {"archive_overview"}

"""files.list of the sandbox's Drive: queries, order, pages."""

import pytest
from googleapiclient.errors import HttpError
from hypothesis import given, settings
from hypothesis import strategies as st

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.sandbox.drive_clients import DriveClients, person, reason


@pytest.fixture(scope="module")
def shelf(robot: DriveClients) -> str:
    """A folder with known files."""
    folder = robot.make_folder("shelf")
    robot.make_folder("my-project", folder)
    for name in ("HelloWorld report", "my-project_2025-08-29.zip", "it's a \\ test"):
        robot.create(
            name=name, parents=[folder], appProperties={"name": name}, createdTime="2025-08-29T10:00:00Z"
        )
    gone = robot.create(name="gone", parents=[folder], createdTime="2024-01-01T00:00:00+02:00")
    robot.files.update(fileId=gone, body={"trashed": True}, supportsAllDrives=True).execute()
    return folder


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("name = 'my-project'", {"my-project"}),
        ("name = 'MY-PROJECT'", {"my-project"}),
        ("name = 'it\\'s a \\\\ test'", {"it's a \\ test"}),
        ("name contains 'hello'", {"HelloWorld report"}),
        ("name contains 'World'", set()),
        ("name contains 'helloworld rep'", {"HelloWorld report"}),
        ("name contains 'my-proj'", {"my-project", "my-project_2025-08-29.zip"}),
        ("mimeType != 'application/vnd.google-apps.folder' and name contains 'it'", {"it's a \\ test"}),
        ("name != 'gone' and name contains 'go'", set()),
        ("mimeType = 'application/vnd.google-apps.folder'", {"my-project"}),
        ("mimeType contains 'application/vnd'", {"my-project"}),
        ("trashed = true", {"gone"}),
        ("trashed != false", {"gone"}),
        ("not trashed = false", {"gone"}),
        ("createdTime < '2024-06-01'", {"gone"}),
        ("createdTime = '2023-12-31T22:00:00'", {"gone"}),
        ("createdTime <= '2025-08-29T12:00:00+02:00' and name contains 'hello'", {"HelloWorld report"}),
        ("createdTime < '2025-08-29T12:00:00+02:00' and name contains 'hello'", set()),
        ("name = 'gone' or name = 'my-project' and trashed = true", {"gone"}),
        ("name = 'my-project' or (name = 'gone' and trashed = true)", {"my-project", "gone"}),
        ("appProperties has { key='name' and value='it\\'s a \\\\ test' }", {"it's a \\ test"}),
        ("appProperties has {key='name' and value='other'}", set()),
        ("sharedWithMe", set()),
        ("'archivist@example.com' in owners", set()),
    ],
)  # fmt: skip
def test_a_query_finds_what_it_says(robot: DriveClients, shelf: str, q: str, names: set[str]) -> None:
    found = robot.search(f"'{shelf}' in parents and ({q})")

    assert set(found) == names


@pytest.mark.parametrize(
    "q",
    [
        *("name", "name =", "name = x", "name = 'x", "name = 'x' and", "(name = 'x'", "name = 'x')"),
        *(
            "name < 'x'",
            "title = 'x'",
            "name = 'a\\b'",
            "trashed = 'true'",
            "trashed",
            "'x' in",
            "'x' in name",
        ),
        *("createdTime > 'yesterday'", "name = 'x' name = 'y'", "name = 'it's'", 'name = "x"', "name = 'x';"),
        *("(" * 100 + "trashed = true" + ")" * 100, "not " * 500 + "trashed = true"),
        " or ".join(["trashed = true"] * 1000),
        " or trashed = true and ".join(["trashed = true"] * 100),
    ],
)
def test_a_query_that_cannot_be_understood_is_refused(robot: DriveClients, q: str) -> None:
    with pytest.raises(HttpError) as failure:
        robot.search(q)

    assert (failure.value.status_code, reason(failure.value)) == (400, "invalid")


def test_a_long_query_is_understood(robot: DriveClients, shelf: str) -> None:
    q = " or ".join(f"name = 'day-{number}'" for number in range(390))

    assert robot.search(f"'{shelf}' in parents and ({q})") == []
    assert robot.search(f"'{shelf}' in parents and " + "(" * 39 + "trashed = true" + ")" * 39) == ["gone"]


def test_a_folder_that_the_caller_cannot_see_is_not_found(robot: DriveClients) -> None:
    with pytest.raises(HttpError, match="File not found: \\.") as failure:
        robot.search("'1unknown' in parents")

    assert failure.value.status_code == 404


@settings(max_examples=60)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_name_is_found_again_by_its_escaped_form(robot: DriveClients, shelf: str, name: str) -> None:
    file_id = robot.create(name=name, parents=[shelf])
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")

    found = robot.files.list(
        q=f"'{shelf}' in parents and name = '{escaped}' and trashed = false",
        supportsAllDrives=True,
        includeItemsFromAllDrives=True,
    ).execute()["files"]

    assert (file_id, name) in [(file["id"], file["name"]) for file in found]


def test_trashed_files_are_listed_unless_excluded(robot: DriveClients, shelf: str) -> None:
    everything = robot.search(f"'{shelf}' in parents", pageSize=1000)

    assert "gone" in everything
    assert "gone" not in robot.search(f"'{shelf}' in parents and trashed = false", pageSize=1000)


def test_pages_hold_everything_once_though_files_are_added_meanwhile(robot: DriveClients) -> None:
    folder = robot.make_folder()
    names = {f"file {number}" for number in range(7)}
    for name in names:
        robot.create(name=name, parents=[folder])
    list_all = {
        "q": f"'{folder}' in parents",
        "pageSize": 3,
        "orderBy": "name desc",
        "fields": "nextPageToken,files(name)",
        "supportsAllDrives": True,
        "includeItemsFromAllDrives": True,
    }

    request, pages = robot.files.list(**list_all), []
    while request is not None:
        page = request.execute()
        pages.append([file["name"] for file in page["files"]])
        robot.create(name="zz late", parents=[folder])
        request = robot.files.list_next(request, page)

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page] == sorted(names, reverse=True)


@pytest.mark.parametrize("token", ["nonsense", "WzEsIDJd", "WzFlOTksIDEsICJ4Il0=", "é"])
def test_a_page_token_that_was_not_given_is_refused(robot: DriveClients, token: str) -> None:
    with pytest.raises(HttpError) as failure:
        robot.files.list(pageToken=token).execute()

    assert failure.value.status_code == 400


@pytest.mark.parametrize("size", ["0", "1001", "-1", "x"])
def test_a_page_has_between_1_and_1000_files(robot: DriveClients, size: str) -> None:
    response = robot.http.get(f"{robot.url}/drive/v3/files", params={"pageSize": size})

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("folder,name", "b folder"),
        ("name", "a file"),
        ("createdTime", "c file"),
        ("createdTime desc", "a file"),
    ],
)
def test_lists_have_the_order_that_was_asked_for(robot: DriveClients, order: str, first: str) -> None:
    folder = robot.make_folder()
    robot.create(name="c file", parents=[folder], createdTime="2020-01-01T00:00:00Z")
    robot.make_folder("b folder", folder)
    robot.create(name="a file", parents=[folder], createdTime="2099-01-01T00:00:00Z")

    assert robot.search(f"'{folder}' in parents", orderBy=order)[0] == first


def test_an_unknown_order_is_refused(robot: DriveClients) -> None:
    with pytest.raises(HttpError) as failure:
        robot.search("", orderBy="name; DROP TABLE files")

    assert failure.value.status_code == 400


def test_items_of_shared_drives_must_be_asked_for(robot: DriveClients, shelf: str) -> None:
    q = f"'{shelf}' in parents"

    without = robot.files.list(q=q, supportsAllDrives=True).execute()
    one_drive = robot.search(q, corpora="drive", driveId=robot.shared_drive)
    all_drives = robot.search(q, corpora="allDrives")

    assert without["files"] == []
    assert one_drive == all_drives != []


@pytest.mark.parametrize(
    "parameters",
    [
        {"includeItemsFromAllDrives": True},
        {"corpora": "allDrives", "supportsAllDrives": True},
        {"corpora": "drive", "supportsAllDrives": True, "includeItemsFromAllDrives": True},
        {"driveId": "x", "supportsAllDrives": True, "includeItemsFromAllDrives": True},
    ],
)
def test_parameters_of_shared_drives_that_do_not_fit_together_are_refused(
    robot: DriveClients, parameters: dict[str, str]
) -> None:
    with pytest.raises(HttpError) as failure:
        robot.files.list(**parameters).execute()

    assert failure.value.status_code == 403


def test_the_folder_shared_by_the_person_is_in_the_service_accounts_list(
    sandbox: Sandbox, robot: DriveClients
) -> None:
    human = DriveClients(sandbox, person(sandbox))

    assert robot.search("sharedWithMe = true") == ["Shared archives"]
    assert human.search("'root' in parents and name = 'Shared archives'") == ["Shared archives"]


def test_new_files_can_lag_behind_in_lists(robot: DriveClients, drive_sandbox: ControlClient) -> None:
    folder = robot.make_folder()
    drive_sandbox.settings(list_lag=2)
    file_id = robot.create(name="late", parents=[folder])

    lists = [robot.search(f"'{folder}' in parents") for _ in range(3)]

    assert lists == [[], [], ["late"]]
    assert robot.get(file_id)["name"] == "late"

"""Run files as the first system wrote them, for the tests of this room."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lse_dagster_tests.worlds.runs import ARun
from lse_dagster_tests.worlds.staged import PROJECT

SHARED = Path(__file__).parents[4] / "shared/data/first_system"
"""Its real files, where they lie beside this checkout."""


def run_file(
    run: ARun,
    *,
    project: str = PROJECT,
    extracted_at: str = "2025-08-30T02:00:00.000000",
    clock: str = "020000",
    **fields: Any,
) -> tuple[str, bytes]:
    """A file's name and its content: indented, with naive UTC times, as it wrote them."""
    trace = {
        "id": run.id,
        "name": "a run",
        "start_time": f"{run.start:%Y-%m-%d %H:%M:%S.%f}",
        "end_time": f"{run.start:%Y-%m-%d %H:%M:%S.%f}",
        "session_id": "11111111-0000-4000-8000-000000000000",
        "parent_run_id": run.parent_id,
        "status": "success",
        "total_cost": "0.00123",
        "trace_id": run.trace_id,
        "dotted_order": run.dotted_order,
    }
    metadata = {
        "extracted_at": extracted_at,
        "project_name": project,
        "run_id": run.id,
        "extractor_version": "0.1.0",
    }
    text = json.dumps({"metadata": metadata, "trace": trace | fields}, indent=2)
    return f"{run.id}_{clock}.json", text.encode()


def write_zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip of such files, made as the first system made it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path

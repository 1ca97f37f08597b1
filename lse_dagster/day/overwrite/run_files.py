"""Which files of a day belong to a run, and which of its fields lie in them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from lse_dagster.day.file_table import FileTable
from lse_dagster.day.names import is_trace_file_name
from lse_dagster.day.overwrite.loss import field_of_file
from lse_dagster.day.run_names import is_kept_file_name, run_part
from lse_dagster.day.trace_file import KeptAttachment, TraceFile, read_entry

Fields = Mapping[str, list[str]]


class FilesOfRuns:
    """The files of each run in a day, but for those that are kept already."""

    def __init__(self, files: FileTable) -> None:
        self._files = files
        self._any = any(not is_trace_file_name(name) for name in files)

    def of_run(self, run_id: str) -> Iterator[str]:
        """The names of its files."""
        if not self._any:
            return
        begin = run_part(run_id) + "."
        for name in self._files.beginning_with(begin):
            if not is_kept_file_name(name) and not is_trace_file_name(name):
                yield name

    def fields(self, run_id: str) -> Fields:
        """Its fields that lie in files of their own, with the hashes of these."""
        fields = defaultdict[str, list[str]](list)
        for name in self.of_run(run_id):
            if (field := field_of_file(name)) is not None:
                fields[field].append(self._files[name].sha256)
        return fields


def fields_of_kept_files(trace: TraceFile, files: FileTable) -> Callable[[str], Fields]:
    """Of each run the fields that lie in files which a trace keeps, with the hashes of these."""
    fields = defaultdict[str, defaultdict[str, list[str]]](lambda: defaultdict(list))
    for entry in map(read_entry, trace.kept):
        if isinstance(entry, KeptAttachment) and (field := field_of_file(entry.file)) is not None:
            kept = files.get(entry.file)
            fields[entry.run_id][field] += [kept.sha256] if kept is not None else []
    return lambda run_id: fields.get(run_id, {})

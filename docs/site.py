"""The documentation as a site: this folder, README, `deploy/`, a page for each command, one of the settings.

`make site` writes `site/`, and fails where a link or an anchor leads nowhere. What the pages say lies in the
documents, in the commands' own help and in `.env.example`; nothing is written here a second time.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from typing import Final

import click

from lse_dagster.cli import main

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = {
    "README.md": "index.md",
    "docs/how-it-works.md": "how-it-works.md",
    "docs/file-formats.md": "file-formats.md",
    "docs/operating.md": "operating.md",
    "docs/recovering.md": "recovering.md",
    "docs/archive-without-a-server.md": "archive-without-a-server.md",
    "docs/ways-to-export.md": "ways-to-export.md",
    "deploy/README.md": "deploying.md",
    "deploy/kubernetes/README.md": "kubernetes.md",
    "benchmarks/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
}
"""Which document becomes which page."""

_LINK: Final = re.compile(r"(!?\[(?:[^\[\]]|!?\[[^\[\]]*\]\([^)]*\))*\])\(([^)#:]+)(#[^)]*)?\)")
_SECTION: Final = re.compile(r"# -{3} (.+?) -+")
_VARIABLE: Final = re.compile(r"(?:# )?([A-Z][A-Z0-9_]+)=(.*)")


def write_site(source: Path) -> None:
    """Write every page below `source`."""
    for document, page in PAGES.items():
        (source / page).write_text(_page(ROOT / document, source), encoding="utf-8")
    for name, command in _subcommands(main):
        (source / "commands").mkdir(exist_ok=True)
        target = source / "commands" / f"{name}.md"
        target.write_text("\n".join(_help(f"lse {name}", command)), encoding="utf-8")
    (source / "settings.md").write_text("\n".join(_settings()), encoding="utf-8")


def _page(document: Path, source: Path) -> str:
    """A document with its links as the site needs them: other pages, or files that are copied beside."""

    def moved(link: re.Match[str]) -> str:
        shown, path, anchor = link[1], link[2], link[3] or ""
        shown = _LINK.sub(moved, shown)
        target = (document.parent / path).resolve()
        name = target.relative_to(ROOT).as_posix()
        if name in PAGES:
            return f"{shown}({PAGES[name]}{anchor})"
        if target.is_dir():
            return shown.strip("[]")
        copy = source / "files" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target, copy)
        return f"{shown}({relpath(copy, source)}{anchor})"

    return _LINK.sub(moved, document.read_text(encoding="utf-8"))


def _subcommands(group: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is not None:
                yield name, command


def _help(path: str, command: click.Command, level: int = 1) -> Iterator[str]:
    """A heading and what `--help` prints, and those of the commands below."""
    context = click.Context(command, info_name=path, max_content_width=100)
    yield from (f"{'#' * level} `{path}`", "", "```text", command.get_help(context), "```", "")
    for name, below in _subcommands(command):
        yield from _help(f"{path} {name}", below, level + 1)


def _settings() -> Iterator[str]:
    """Every variable and what stands before it in `.env.example`."""
    yield from ("# Settings", "", "The environment, or `.env` of the working folder, which wins.", "")
    about: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if section := _SECTION.fullmatch(line):
            yield from ("", f"## {section[1]}", "", "| variable | meaning |", "| --- | --- |")
            about = []
        elif variable := _VARIABLE.fullmatch(line):
            example = f"<br>Example: `{variable[2]}`" if variable[2] else ""
            yield f'| `{variable[1]}`{{ style="white-space: nowrap" }} | {_cell(about)}{example} |'
            about = []
        else:
            about = [*about, line.removeprefix("#").strip()] if line else []


def _cell(lines: list[str]) -> str:
    text = " ".join(lines).replace("|", r"\|")
    return re.sub(r"(?<![\w`])(https?://\S+?|~/\S+?)(?=[,.:)]*(?:\s|$))", r"`\1`", text)


def build() -> int:
    """Write the pages and let Zensical make the site; its exit code."""
    source = ROOT / "build" / "site"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    write_site(source)
    map_of_site = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = (page.relative_to(source).as_posix() for page in source.rglob("*.md"))
    if lost := [page for page in pages if f'"{page}"' not in map_of_site]:
        sys.exit(f"zensical.toml leads to no {', '.join(lost)}")
    command: list[str | Path] = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(build())

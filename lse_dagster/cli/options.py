"""The options that several commands share; `--project` is in project.py, `--debug` in group.py."""

import click

from lse_dagster.cli.dates import PastDates

date_option = click.option(
    "--date",
    "dates",
    type=PastDates(),
    required=True,
    help="A UTC day: YYYY-MM-DD, `yesterday`, or a range A..B.",
)

force_option = click.option(
    "--force",
    is_flag=True,
    help="Ask nothing and replace whatever is there, even if runs are lost by it.",
)

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One line of JSON per day: see `lse archive --help`.",
)

quiet_option = click.option("--quiet", is_flag=True, help="Say nothing but errors.")

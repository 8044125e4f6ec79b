"""What this package adds to the ``dovetail`` command."""

from __future__ import annotations

import argparse

from dovetail.cli import Command


def _run_datasets(arguments: argparse.Namespace) -> None:
    from dovetail import plugins, report
    from dovetail.data.catalog import About, listed

    rows = [("name", "package", "download", "source and licence")]
    for kind, package in listed():
        about = getattr(kind, "about", None)
        if not isinstance(about, About):
            about = About("unknown", "unknown")
        rows.append((kind.__name__, package, about.download or "none", about.source or "unknown"))
    lines = report.table(rows)
    for record in plugins.records():
        lines += record.complaints()
    print("\n".join(lines))


COMMANDS = (
    Command(
        "datasets",
        "list the datasets that dovetail.data.load finds: package, what is downloaded, source and licence",
        _run_datasets,
        example='dovetail datasets   # then, in Python: dovetail.data.load("mnist", "data", download=True)',
    ),
)

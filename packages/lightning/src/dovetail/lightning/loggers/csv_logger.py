"""CSVLogger: metrics as a table in a text file."""

from __future__ import annotations

import csv
import json
import os
import re
from typing import Any

from dovetail.lightning.loggers.logger import Logger


class CSVLogger(Logger):
    """Writes ``<save_dir>/<name>/version_<n>/metrics.csv``, and the hyperparameters to ``hparams.yaml`` beside it.

    Rows are only ever added: a version that exists already is gone on with, never emptied.

    Args:
        save_dir: the folder around it all.
        name: the folder of this experiment.
        version: a number or a name for this run; the next free number if None.
        flush_logs_every_n_steps: how many rows to keep back before they are written.

    Example::

        >>> CSVLogger("runs", name="digits", version=3).log_dir
        'runs/digits/version_3'
    """

    def __init__(
        self,
        save_dir: Any,
        name: str = "lightning_logs",
        version: int | str | None = None,
        flush_logs_every_n_steps: int = 100,
    ) -> None:
        self.save_dir = os.fspath(save_dir)
        self.name = name
        self._version = version
        self.flush_logs_every_n_steps = flush_logs_every_n_steps
        self._rows: list[dict[str, Any]] = []
        self._columns: list[str] = []

    @property
    def version(self) -> int | str:
        """The number or name of this run."""
        if self._version is None:
            folder = os.path.join(self.save_dir, self.name)
            names = os.listdir(folder) if os.path.isdir(folder) else []
            taken = [int(found.group(1)) for name in names if (found := re.fullmatch(r"version_(\d+)", name))]
            self._version = max(taken, default=-1) + 1
        return self._version

    @property
    def log_dir(self) -> str:
        """The folder of this run's files."""
        version = self.version
        return os.path.join(self.save_dir, self.name, version if isinstance(version, str) else f"version_{version}")

    @property
    def metrics_file_path(self) -> str:
        """The file that the metrics go to."""
        return os.path.join(self.log_dir, "metrics.csv")

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add a row."""
        head = {"epoch": metrics["epoch"]} if "epoch" in metrics else {}
        self._rows.append({**head, "step": len(self._rows) if step is None else step, **metrics})
        if len(self._rows) >= self.flush_logs_every_n_steps:
            self.save()

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Write the hyperparameters; JSON, which every YAML reader takes too."""
        if params:
            os.makedirs(self.log_dir, exist_ok=True)
            with open(os.path.join(self.log_dir, "hparams.yaml"), "w", encoding="utf-8") as file:
                json.dump(params, file, indent=2, default=str)
                file.write("\n")

    def save(self) -> None:
        """Write the rows that were kept back."""
        if not self._rows:
            return
        os.makedirs(self.log_dir, exist_ok=True)
        path = self.metrics_file_path
        if not self._columns and os.path.isfile(path):
            with open(path, newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file), [])
        new = [name for name in dict.fromkeys(key for row in self._rows for key in row) if name not in self._columns]
        if new:
            self._widen(path, [*self._columns, *new])
        with open(path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns).writerows(self._rows)
        self._rows = []

    def _widen(self, path: str, columns: list[str]) -> None:
        """Give the file more columns: all its rows go into a new file that takes its place in one move."""
        rows: list[dict[str, Any]] = []
        if os.path.isfile(path):
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        self._columns = columns
        temporary = f"{path}.new"
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(temporary, path)

    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.save()

"""Loggers: where the numbers of a run go."""

from dovetail.lightning.loggers.csv_logger import CSVLogger as CSVLogger
from dovetail.lightning.loggers.logger import Logger as Logger

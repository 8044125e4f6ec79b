"""Callbacks: what watches a run and steps in."""

from dovetail.lightning.callbacks.callback import Callback as Callback
from dovetail.lightning.callbacks.early_stopping import EarlyStopping as EarlyStopping
from dovetail.lightning.callbacks.learning_rate_monitor import LearningRateMonitor as LearningRateMonitor
from dovetail.lightning.callbacks.model_checkpoint import ModelCheckpoint as ModelCheckpoint
from dovetail.lightning.callbacks.model_summary import ModelSummary as ModelSummary
from dovetail.lightning.callbacks.progress_bar import ProgressBar as ProgressBar

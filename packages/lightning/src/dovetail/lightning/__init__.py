"""Lightning for Dovetail: a module that knows how it is trained, and a Trainer that does it."""

from dovetail.lightning import callbacks as callbacks
from dovetail.lightning import loggers as loggers
from dovetail.lightning.callbacks.callback import Callback as Callback
from dovetail.lightning.exceptions import MisconfigurationException as MisconfigurationException
from dovetail.lightning.module import LightningModule as LightningModule
from dovetail.lightning.seed import seed_everything as seed_everything
from dovetail.lightning.trainer import Trainer as Trainer

__version__ = "0.1.0"

"""Optimizers and learning-rate schedulers, with PyTorch's names."""

from dovetail.optim import lr_scheduler as lr_scheduler
from dovetail.optim.adam import Adam as Adam
from dovetail.optim.adam import AdamW as AdamW
from dovetail.optim.lookup import get as get
from dovetail.optim.optimizer import Optimizer as Optimizer
from dovetail.optim.sgd import SGD as SGD

"""Data for Dovetail: datasets, samplers, collating, and the loader that makes batches."""

from importlib import import_module
from typing import Any

from dovetail.data.catalog import About as About
from dovetail.data.catalog import available as available
from dovetail.data.catalog import load as load
from dovetail.data.collate import default_collate as default_collate
from dovetail.data.collate import default_convert as default_convert
from dovetail.data.dataset import ChainDataset as ChainDataset
from dovetail.data.dataset import ConcatDataset as ConcatDataset
from dovetail.data.dataset import Dataset as Dataset
from dovetail.data.dataset import IterableDataset as IterableDataset
from dovetail.data.dataset import StackDataset as StackDataset
from dovetail.data.dataset import Subset as Subset
from dovetail.data.dataset import TensorDataset as TensorDataset
from dovetail.data.dataset import random_split as random_split
from dovetail.data.digits import Digits as Digits
from dovetail.data.loader import DataLoader as DataLoader
from dovetail.data.sampler import BatchSampler as BatchSampler
from dovetail.data.sampler import DistributedSampler as DistributedSampler
from dovetail.data.sampler import RandomSampler as RandomSampler
from dovetail.data.sampler import Sampler as Sampler
from dovetail.data.sampler import SequentialSampler as SequentialSampler
from dovetail.data.sampler import SubsetRandomSampler as SubsetRandomSampler
from dovetail.data.sampler import WeightedRandomSampler as WeightedRandomSampler
from dovetail.data.workers.info import get_worker_info as get_worker_info

__version__ = "0.1.0"

# Imported when first asked for: each name with the module that has it.
_LATE: dict[str, str] = {
    "ArrowShards": "shards",
    "BytePairTokenizer": "text",
    "CIFAR10": "vision",
    "CIFAR100": "vision",
    "CharTokenizer": "text",
    "DatasetFolder": "vision",
    "FakeData": "vision",
    "FashionMNIST": "vision",
    "ImageFolder": "vision",
    "KMNIST": "vision",
    "MNIST": "vision",
    "ParquetShards": "shards",
    "SVHN": "vision",
    "ShardDataset": "shards",
    "ShuffleBuffer": "shards",
    "Table": "tables",
    "TableEncoder": "tables",
    "TarShards": "shards",
    "TextDataset": "text",
    "fetch": "download",
    "make_grid": "pictures",
    "save_image": "pictures",
    "unpack": "archives",
    "write_tar_shards": "shards",
}
_LATE_MODULES: tuple[str, ...] = (
    "shards",
    "tables",
    "text",
    "transforms",
    "vision",
)


def __getattr__(name: str) -> Any:
    """Import what most programs do not use when it is first asked for."""
    if name in _LATE_MODULES:
        return import_module(f"dovetail.data.{name}")
    if name not in _LATE:
        raise AttributeError(f"module 'dovetail.data' has no attribute {name!r}", name=name)
    value = globals()[name] = getattr(import_module(f"dovetail.data.{_LATE[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return all names, those not imported yet too."""
    return sorted({*globals(), *_LATE, *_LATE_MODULES})

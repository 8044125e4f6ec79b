"""Data for Dovetail: datasets, samplers, collating, and the loader that makes batches."""

from dovetail.data.catalog import load as load
from dovetail.data.collate import default_collate as default_collate
from dovetail.data.collate import default_convert as default_convert
from dovetail.data.dataset import ConcatDataset as ConcatDataset
from dovetail.data.dataset import Dataset as Dataset
from dovetail.data.dataset import IterableDataset as IterableDataset
from dovetail.data.dataset import Subset as Subset
from dovetail.data.dataset import TensorDataset as TensorDataset
from dovetail.data.dataset import random_split as random_split
from dovetail.data.digits import Digits as Digits
from dovetail.data.loader import DataLoader as DataLoader
from dovetail.data.sampler import BatchSampler as BatchSampler
from dovetail.data.sampler import RandomSampler as RandomSampler
from dovetail.data.sampler import Sampler as Sampler
from dovetail.data.sampler import SequentialSampler as SequentialSampler
from dovetail.data.sampler import SubsetRandomSampler as SubsetRandomSampler

__version__ = "0.1.0"

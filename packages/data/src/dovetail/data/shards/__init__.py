"""Streams of samples from shards: tar, Parquet and Arrow files, here or at a URL, in parts for each rank and worker."""

from dovetail.data.shards.columns import ArrowShards as ArrowShards
from dovetail.data.shards.columns import ParquetShards as ParquetShards
from dovetail.data.shards.shuffle import ShuffleBuffer as ShuffleBuffer
from dovetail.data.shards.stream import ShardDataset as ShardDataset
from dovetail.data.shards.tar import TarShards as TarShards
from dovetail.data.shards.writing import write_tar_shards as write_tar_shards

"""Tables of numbers, categories and dates, and what a network learns from them."""

from dovetail.data.tables.encoder import TableEncoder as TableEncoder
from dovetail.data.tables.splitting import TableSplit as TableSplit
from dovetail.data.tables.table import Table as Table

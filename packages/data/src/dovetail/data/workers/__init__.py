"""Workers: processes or threads that make a loader's batches."""

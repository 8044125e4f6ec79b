"""What programs use beside tensors: ``checkpoint``."""

"""What Lightning raises on purpose."""

from dovetail.errors import DovetailError


class MisconfigurationException(DovetailError, RuntimeError):  # noqa: N818 - Lightning's name
    """A model, a loader or a Trainer argument is not what the Trainer needs."""

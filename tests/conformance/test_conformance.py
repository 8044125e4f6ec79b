from dovetail.testing.conformance import *  # noqa: F403

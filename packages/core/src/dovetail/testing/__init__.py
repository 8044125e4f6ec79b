"""For tests of ops, backends and programs: gradient checks, samples and the conformance suite."""

from dovetail.op import Sample
from dovetail.testing.gradcheck import GradcheckError, gradcheck, gradgradcheck
from dovetail.testing.samples import Make

__all__ = ["GradcheckError", "Make", "Sample", "gradcheck", "gradgradcheck"]

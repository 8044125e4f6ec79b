"""Finding an optimizer by name: the package's own first, then the plug-ins'."""

from __future__ import annotations

from dovetail import plugins
from dovetail.errors import PluginError
from dovetail.optim import hookspecs
from dovetail.optim.adam import Adam, AdamW
from dovetail.optim.optimizer import Optimizer
from dovetail.optim.sgd import SGD

HOOK = "dovetail_register_optimizers"
_OWN: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}

plugins.add_hookspecs(hookspecs)


def get(name: str) -> type[Optimizer]:
    """Return the optimizer class called ``name``, in any case: this package's, or one that a plug-in registered.

    Raises:
        PluginError: there is none; the message lists those that there are.

    Example::

        >>> from dovetail import optim
        >>> optim.get("adamw").__name__
        'AdamW'
    """
    if name.lower() in _OWN:
        return _OWN[name.lower()]
    found = _registered()
    if name.lower() not in found:
        known = [kind.__name__ for kind in (*_OWN.values(), *found.values())]
        raise PluginError(plugins.explain_missing("optimizer", name, known))
    return found[name.lower()]


def _registered() -> dict[str, type[Optimizer]]:
    offers: dict[str, list] = {}
    for record, results in plugins.call(HOOK):
        for kind in results:
            if not (isinstance(kind, type) and issubclass(kind, Optimizer)):
                plugins.fail(record, f"{HOOK} gave {kind!r:.80}; it must give subclasses of dovetail.optim.Optimizer")
            elif kind.__name__.lower() in _OWN:
                plugins.fail(record, f"optimizer {kind.__name__!r} is built in; give it another name")
            else:
                offers.setdefault(kind.__name__.lower(), []).append((record, kind))
    for name, rivals in offers.items():
        if len(rivals) > 1:
            both = " and ".join(str(record) for record, _ in rivals)
            for record, _ in rivals:
                plugins.fail(record, f"optimizer {name!r} is registered by {both}; none of them is used")
    return {name: rivals[0][1] for name, rivals in offers.items() if len(rivals) == 1}

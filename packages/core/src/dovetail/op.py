"""How an op is defined: one reference kernel, one gradient rule per input, samples that test it, side by side.

::

    @op
    def mul(xp, x, y):
        return x * y

    mul.vjp(x=lambda g, y: g * y,
            y=lambda g, x: g * x)
    mul.sample(lambda make: [Sample(make(3, 4), make(4))])

A kernel's positional parameters are the inputs, tensors all (``*tensors`` takes a list of them, a default of None makes
one optional); its keyword-only parameters are the options. A rule's parameter names say what is kept for it: ``g``
comes first, then any of ``out`` (or the names of several results), an input, ``<input>_shape``, ``<input>_dtype`` or an
option.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from dovetail.device import Device

#: Every op by name, in the order in which they were defined.
OPS: dict[str, Op] = {}


class Sample:
    """One way to call an op in the conformance suite: arrays (or numbers, or None) and options."""

    __slots__ = ("inputs", "options")

    def __init__(self, *inputs: Any, **options: Any) -> None:
        self.inputs = inputs
        self.options = options

    def __repr__(self) -> str:
        shown = [str(getattr(value, "shape", value)) for value in self.inputs]
        return f"Sample({', '.join(shown + [f'{name}={value!r}' for name, value in self.options.items()])})"


class Op:
    """The definition of one op; ``call`` is the function that users get.

    Attributes:
        name: the kernel's name, under which backends give faster kernels.
        inputs: names of the tensor parameters; ``variadic`` when the last takes a list.
        options: names and defaults of the other parameters.
        outputs: names of the results; ``("out",)`` for an op with one.
        rules: gradient rules by input name; ``joint_rule`` gives the gradients of all inputs at once instead.
        undifferentiable: inputs that are meant to have no gradient.
        promote: ``"same"`` brings inputs to one dtype, ``"number"`` to one that is not bool, ``"float"`` to a
            floating-point one; ``"match"`` refuses different ones, ``None`` leaves them alone. ``least`` is the lowest
            category of dtype that may come out of it.
        view: the result shares the input's memory: ``True`` always, ``"maybe"`` when the backend could; ``"kept"``
            always for who uses it: where the backend had to copy, writes are carried over.
        mutates: inputs that the kernel writes to (it returns their new arrays); such an op has no result.
        extension: the array standard's extension that the reference kernel uses, ``linalg`` or ``fft``, if any.
        sampler: gives the conformance samples.
    """

    MISSING = inspect.Parameter.empty  # the default of an option that a call must state
    #: Gives the evaluators that are to be used instead; see ``autograd.complex_numbers``.
    finish: Any = None
    extension: str | None = None

    def __init__(self, kernel: Callable[..., Any], promote, view, mutates, outputs, no_grad_outputs) -> None:
        self.name = kernel.__name__.rstrip("_")
        self.kernel = kernel
        self.promote = promote
        self.least = {"number": 1, "float": 2}.get(promote, 0)
        self.view = view
        self.mutates = tuple(mutates)
        self.outputs = tuple(outputs)
        self.no_grad_outputs = frozenset(no_grad_outputs)
        self.inputs: tuple[str, ...] = ()
        self.optional: frozenset[str] = frozenset()
        self.options: dict[str, Any] = {}
        self.required_options: tuple[str, ...] = ()
        self.variadic = False
        self._read_signature()
        self.writes_to = tuple(self.inputs.index(name) for name in self.mutates)
        self.takes_dtype = "dtype" in self.options
        self.rules: dict[str, Callable[..., Any]] = {}
        self.joint_rule: Callable[..., Any] | None = None
        self.undifferentiable: set[str] = set()
        self.sampler: Callable[..., Iterable[Sample]] | None = None
        self.check: Callable[..., None] | None = None
        self.explanation: Callable[..., None] | None = None
        self.kernels: dict[Device, Callable[..., Any]] = {}  # prepared ones, found when a device is first used
        self.updates: dict[Device, Callable[..., Any]] = {}  # what writes the result into the first input, if anything
        #: What each rule keeps and how it is called; see ``_compile``.
        self.kept: tuple[str, ...] = ()
        self.keeps_by_input: tuple[frozenset[str], ...] = tuple(frozenset() for _ in self.inputs)
        self.evaluators: tuple[Callable[..., Any] | None, ...] = tuple(None for _ in self.inputs)
        self.differentiable = False
        self.joint = self.variadic
        self.keeps_outputs = self.keeps_tensors = False
        self.keepers: dict[int, Any] = {}  # what finds the values to save, by which inputs need a gradient
        self.plain = PlainGradients(self)
        self.call: Any = None
        self.small = False  # one or two inputs and nothing else, so that its nodes are small; see ``make_call``

    def _read_signature(self) -> None:
        code = self.kernel.__code__
        names = code.co_varnames
        positional, keyword = names[: code.co_argcount], names[code.co_argcount :][: code.co_kwonlyargcount]
        if not positional or positional[0] != "xp":
            raise TypeError(f"op {self.name!r}: a kernel's first parameter is 'xp', the array namespace")
        inputs = positional[1:]
        defaults = self.kernel.__defaults__ or ()
        self.optional = frozenset(inputs[len(inputs) - len(defaults) :] if defaults else ())
        self.variadic = bool(code.co_flags & inspect.CO_VARARGS)
        if self.variadic:
            inputs += (names[code.co_argcount + code.co_kwonlyargcount],)
        self.inputs = inputs
        given = self.kernel.__kwdefaults__ or {}
        self.options = {name: given.get(name, Op.MISSING) for name in keyword}
        self.required_options = tuple(name for name in keyword if name not in given)

    @property
    def grad_name(self) -> str:
        """The name that a result's ``grad_fn`` shows, such as ``AddBackward0``."""
        return "".join(part.capitalize() for part in self.name.split("_")) + "Backward0"

    # Gradient rules

    def vjp(self, **rules: Callable[..., Any]) -> None:
        """State the gradient rule of each named input: ``g`` and what it names in, the input's gradient out.

        A rule takes and gives Tensors, so that gradients differentiate again; the engine undoes broadcasting.

        Raises:
            TypeError: a rule is for no input, or asks for something that the op does not have.
        """
        for name, rule in rules.items():
            self._expect_input(name, "a rule")
            self._check_rule(name, rule)
            self.rules[name] = rule
        self._compile()

    def vjp_all(self, rule: Callable[..., Any]) -> None:
        """State one rule that gives a tuple of the gradients of all inputs, where they share most of the work."""
        self._check_rule("all inputs", rule)
        self.joint_rule = rule
        self._compile()

    def vjp_of(self, composed: Callable[..., Any]) -> None:
        """State that the gradient is that of ``composed``, which gives the same results by differentiable ops.

        For backward ops with a fast kernel of their own: only second derivatives pay for the composition. Its
        parameters are inputs and options of the op.
        """
        from dovetail.autograd import gradients_of_composition

        names = parameters_of(composed)

        def rule(g: Any, *values: Any) -> tuple:
            found = gradients_of_composition(composed, g, values)
            return tuple(found[names.index(name)] if name in names else None for name in self.inputs)

        rule.parameters = ["g", *names]  # type: ignore[attr-defined]
        self.vjp_all(rule)

    def no_vjp(self, *names: str) -> None:
        """State that no gradient is meant for these inputs."""
        for name in names:
            self._expect_input(name, "no_vjp")
            self.undifferentiable.add(name)
        self._compile()

    def sample(self, sampler: Callable[..., Iterable[Sample]]) -> Callable[..., Iterable[Sample]]:
        """State how conformance calls the op: a function of ``make`` (an array factory) giving Samples."""
        self.sampler = sampler
        return sampler

    def checked_by(self, check: Callable[..., None]) -> Callable[..., None]:
        """State a function that sees the tensors and options before the kernel and raises for what does not fit."""
        self.check = check
        return check

    def explained_by(self, explanation: Callable[..., None]) -> Callable[..., None]:
        """State a function that sees tensors and options after the kernel failed and raises an error that says why.

        For ops whose kernels fail for whatever does not fit, so that a call that succeeds checks nothing.
        """
        self.explanation = explanation
        return explanation

    def _expect_input(self, name: str, what: str) -> None:
        if name not in self.inputs:
            raise TypeError(f"op {self.name!r}: {what} for {name!r}, but its inputs are {list(self.inputs)}")

    def _check_rule(self, name: str, rule: Callable[..., Any]) -> None:
        """Refuse a rule that asks for something that the op does not have."""
        asked = parameters_of(rule)
        facts = [f"{name}_{fact}" for name in self.inputs for fact in ("shape", "dtype")]
        allowed = ["g", *self.outputs, *self.inputs, *facts, *self.options]
        unknown = [word for word in asked if word not in allowed]
        if unknown:
            raise TypeError(f"op {self.name!r}: rule for {name!r} asks for {unknown}; it may ask for {sorted(allowed)}")
        if not asked or asked[0] != "g":
            raise TypeError(f"op {self.name!r}: the first parameter of the rule for {name!r} must be 'g', got {asked}")

    def _compile(self) -> None:
        """Work out once which values the rules keep, and wrap each rule to find its own among them."""
        rules = {name: self.joint_rule or self.rules.get(name) for name in self.inputs}
        wanted = {name: parameters_of(rule)[1:] if rule else [] for name, rule in rules.items()}
        self.kept = tuple(dict.fromkeys(word for words in wanted.values() for word in words))
        self.keeps_by_input = tuple(frozenset(wanted[name]) for name in self.inputs)
        self.evaluators = tuple(
            _evaluator(rules[name], [self.kept.index(word) for word in wanted[name]]) for name in self.inputs
        )
        self.plain.clear()
        if Op.finish is not None:
            self.evaluators = Op.finish(self)
        self.differentiable = any(self.evaluators)
        self.joint = self.variadic or self.joint_rule is not None
        self.keeps_outputs = any(name in self.outputs and name not in self.inputs for name in self.kept)
        self.keeps_tensors = self.keeps_outputs or any(name in self.inputs for name in self.kept)
        self.keepers.clear()


class PlainGradients(dict):
    """By device, what gives an op's gradients from bare arrays; found when it is first asked for."""

    def __init__(self, op: Op) -> None:
        self.op = op

    def __missing__(self, device: Device) -> Callable[[Any, Any], Any]:
        from dovetail.autograd.bare import gradients_on_arrays

        found = self[device] = gradients_on_arrays(self.op, device.backend)
        return found


def parameters_of(rule: Callable[..., Any]) -> list[str]:
    """Return the names of a rule's parameters; read off its code, since inspect takes far longer."""
    stated = getattr(rule, "parameters", None)
    if stated is not None:
        return stated
    code = getattr(rule, "__code__", None)
    return list(inspect.signature(rule).parameters) if code is None else list(code.co_varnames[: code.co_argcount])


def _evaluator(rule: Callable[..., Any] | None, slots: list[int]) -> Callable[..., Any] | None:
    """Return a function of the gradient and the kept values that calls the rule with those it asked for."""
    if rule is None:
        return None
    if not slots:
        return lambda g, saved: rule(g)
    if len(slots) == 1:
        (only,) = slots
        return lambda g, saved: rule(g, saved[only])
    return lambda g, saved: rule(g, *[saved[slot] for slot in slots])


def op(
    kernel: Callable[..., Any] | None = None,
    *,
    promote: str | None = "same",
    view: bool | str = False,
    mutates: Iterable[str] = (),
    outputs: Iterable[str] = ("out",),
    no_grad_outputs: Iterable[str] = (),
    extension: str | None = None,
) -> Any:
    """Make an op of a reference kernel; returns the function that users call, with ``vjp``, ``no_vjp``, ``sample``.

    Args:
        kernel: ``kernel(xp, *inputs, **options)`` on arrays of the namespace ``xp``.
        promote, view, mutates, outputs, extension: see ``Op``.
        no_grad_outputs: names of the results through which no gradient flows (indices).

    Raises:
        TypeError: the kernel's first parameter is not ``xp``.

    Example::

        >>> import dovetail
        >>> from dovetail.op import op
        >>> @op
        ... def cube(xp, x):
        ...     return x * x * x
        >>> cube.vjp(x=lambda g, x: 3 * g * x * x)
        >>> x = dovetail.tensor(2.0, requires_grad=True)
        >>> cube(x).backward(); x.grad
        tensor(12.)
    """

    def define(kernel: Callable[..., Any]) -> Any:
        from dovetail.dispatch import make_call

        definition = Op(kernel, promote, view, mutates, outputs, no_grad_outputs)
        definition.extension = extension
        call: Any = make_call(definition)
        call.__name__ = call.__qualname__ = definition.name
        call.__module__ = kernel.__module__
        call.__doc__ = kernel.__doc__
        call.definition = definition
        call.vjp, call.vjp_all, call.vjp_of = definition.vjp, definition.vjp_all, definition.vjp_of
        call.no_vjp = definition.no_vjp
        call.sample = definition.sample
        call.checked_by, call.explained_by = definition.checked_by, definition.explained_by
        definition.call = call
        OPS[definition.name] = definition
        return call

    return define if kernel is None else define(kernel)

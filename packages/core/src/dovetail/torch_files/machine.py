"""A machine for the opcodes of pickle that PyTorch writes (protocols 2 to 5), which can name and call little.

It makes numbers, text, bytes and containers. Names are looked up in a closed list, and nothing is ever imported: what
a name stands for, and what a call of it gives, is in ``names.py`` and ``tensors.py``. All that an opcode makes is
counted before it is made, so that time and memory are bounded by the file's size.

Source: the opcodes as documented in CPython's ``Lib/pickletools.py``.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn

from dovetail.torch_files import values
from dovetail.torch_files.source import Stream, shown

_INT, _SHORT, _DOUBLE = struct.Struct("<i"), struct.Struct("<H"), struct.Struct(">d")
_DEEPEST = 1000  # marks, each of which stands for a container that is not done
_LONGEST_INTEGER = 1250  # bytes
_STOP = 0x2E
# bytes that Python takes, measured: for a place in a list, and for objects with what their first part adds
_ITEM, _TUPLE, _TEXT, _NUMBER, _PAIR, _ORDERED_PAIR = 10, 64, 56, 32, 80, 140
_EMPTY: dict[type, int] = {list: 96, dict: 64, set: 220}
_FIRST_PAIR = 160
_STACK_STEP = 1024  # values

Resolve = Callable[[str, str], Any]
Call = Callable[[Any, tuple], Any]


class Machine:
    """Runs one pickle.

    Args:
        stream: where the pickle begins.
        resolve: what a module's and an attribute's name stand for; it refuses those that are not on its list.
        call: what a call of such a thing gives.
        persistent: what a persistent id stands for.
    """

    def __init__(self, stream: Stream, resolve: Resolve, call: Call, persistent: Callable[[Any], Any]) -> None:
        self.stream = stream
        self.source = stream.source
        self.resolve, self.call, self.persistent = resolve, call, persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []
        self.keys = values.Keys(self.fail)

    def fail(self, what: str) -> NoReturn:
        """Raise LoadError, with the last text before the place, mostly the tensor's name."""
        last = next((value for value in reversed(self.stack) if type(value) is str), None)
        self.source.fail(what if last is None else f"{what} (after {shown(last)})")

    def damaged(self, what: str) -> NoReturn:
        """Raise LoadError for a pickle that no pickler writes."""
        self.fail(f"its pickle is damaged at byte {self.stream.position}: {what}; get the file again")

    def run(self) -> Any:
        """Return the object that the pickle describes."""
        take, stack, limit = self.stream.take, self.stack, 0
        while (code := take(1)[0]) != _STOP:
            operation = _OPERATIONS.get(code)
            if operation is None:
                self.fail(f"its pickle uses opcode {code:#04x}, which PyTorch does not write; do not trust the file")
            operation(self)
            if len(stack) > limit:
                self.source.spend(_ITEM * (len(stack) - limit + _STACK_STEP))
                limit = len(stack) + _STACK_STEP
        result = self.pop()
        if self.stack or self.marks:
            self.damaged("it ends with values that belong to nothing")
        return result

    # The stack

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            self.damaged("an opcode takes a value that is not there")
        return self.stack.pop()

    def top(self, kinds: tuple[type, ...], what: str) -> Any:
        """Return the last value, which must be of one of these types."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0) or type(self.stack[-1]) not in kinds:
            self.damaged(f"{what} belong into {' or '.join(kind.__name__ for kind in kinds)}, and there is none")
        return self.stack[-1]

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            self.damaged("an opcode takes the values after a mark that is not there")
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    # Opcodes

    def protocol(self) -> None:
        number = self.stream.take(1)[0]
        if not 2 <= number <= 5:
            self.fail(f"its pickle is of protocol {number}; those from 2 to 5 are read")

    def frame(self) -> None:
        length = int.from_bytes(self.stream.take(8), "little")
        if length > self.stream.end - self.stream.position:
            self.fail(f"cut off or damaged: a frame of its pickle claims {length} bytes, more than there are")

    def mark(self) -> None:
        if len(self.marks) >= _DEEPEST:
            self.fail(f"its pickle nests more than {_DEEPEST} containers; do not trust the file")
        self.marks.append(len(self.stack))

    def put(self, width: int) -> None:
        index = int.from_bytes(self.stream.take(width), "little") if width else len(self.memo)
        if len(self.stack) <= (self.marks[-1] if self.marks else 0) or index > len(self.memo):
            self.damaged(f"it remembers as number {index} what is not there, or leaves numbers out")
        if index == len(self.memo):
            self.source.spend(_ITEM)
            self.memo.append(self.stack[-1])
        else:
            self.memo[index] = self.stack[-1]

    def get(self, width: int) -> None:
        index = int.from_bytes(self.stream.take(width), "little")
        if index >= len(self.memo):
            self.damaged(f"it asks for value {index} of the {len(self.memo)} that it remembers")
        self.stack.append(self.memo[index])

    def drop(self) -> None:
        self.pop()

    def number(self, form: struct.Struct) -> None:
        self.source.spend(_NUMBER)
        self.stack.append(form.unpack(self.stream.take(form.size))[0])

    def long_integer(self, width: int) -> None:
        length = int.from_bytes(self.stream.take(width), "little")
        if length > _LONGEST_INTEGER:
            self.fail(f"its pickle holds an integer of {length} bytes; those of up to {_LONGEST_INTEGER} are read")
        self.source.spend(_NUMBER + 2 * length)
        self.stack.append(int.from_bytes(self.stream.take(length), "little", signed=True))

    def content(self, width: int) -> bytes:
        length = int.from_bytes(self.stream.take(width), "little")
        if length > self.stream.end - self.stream.position:
            self.fail(f"cut off or damaged: its pickle holds a text of {length} bytes, more than there are")
        self.source.spend(_TEXT + length)
        return self.stream.take(length)

    def text(self, width: int) -> None:
        content = self.content(width)
        if not content.isascii():
            self.source.spend(4 * len(content))
        try:
            self.stack.append(content.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError as error:
            self.fail(
                f"its pickle holds a text that is no UTF-8 ({error.reason}); load it in PyTorch and save it again"
            )

    def raw(self, width: int, kind: type = bytes) -> None:
        content = self.content(width)
        if kind is bytearray:
            self.source.spend(len(content))
        self.stack.append(kind(content))

    def empty(self, kind: type) -> None:
        self.source.spend(_EMPTY[kind])
        self.stack.append(kind())

    def append(self) -> None:
        item = self.pop()
        self.source.spend(_ITEM)
        self.top((list,), "items").append(item)

    def appends(self) -> None:
        items = self.pop_mark()
        self.source.spend(_ITEM * len(items))
        self.top((list,), "items").extend(items)

    def make_tuple(self, count: int) -> None:
        self.source.spend((_TUPLE + 8 * count) if count else 0)
        items = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def marked_tuple(self) -> None:
        items = self.pop_mark()
        self.source.spend(_TUPLE + 2 * _ITEM * len(items))  # they are copied twice
        self.stack.append(tuple(items))

    def set_items(self, items: list[Any]) -> None:
        if len(items) % 2:
            self.damaged("a dict has a key without a value")
        target = self.top((dict, OrderedDict), "keys")
        pair = _PAIR if type(target) is dict else _ORDERED_PAIR
        self.source.spend(pair * (len(items) // 2) + (0 if target else _FIRST_PAIR))
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.keys.check(key)
            target[key] = value

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def add_items(self, kind: type) -> None:
        items = self.pop_mark()
        self.source.spend(_EMPTY[set])
        made = self.keys.set_of(items, self.source.spend)
        if kind is frozenset:
            self.source.spend(_EMPTY[set] + 100 * len(made))
            self.stack.append(frozenset(made))
        else:
            self.top((set,), "members").update(made)

    def name(self) -> None:
        module = self.stream.line()
        self.stack.append(self.resolve(module, self.stream.line()))

    def name_from_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            self.damaged("a name is made of something else than text")
        self.stack.append(self.resolve(module, name))

    def reduce(self) -> None:
        arguments, called = self.pop(), self.pop()
        if type(arguments) is not tuple:
            self.damaged(f"a call has {shown(arguments)} for arguments")
        self.stack.append(self.call(called, arguments))

    def build(self) -> None:
        state = self.pop()
        self.top((OrderedDict,), "attributes")
        if type(state) is not dict:
            self.damaged("the attributes of an OrderedDict are no dict")  # they are not kept: a module's versions

    def persistent_id(self) -> None:
        self.stack.append(self.persistent(self.pop()))


_OPERATIONS: dict[int, Callable[[Machine], None]] = {
    0x80: Machine.protocol,
    0x95: Machine.frame,
    ord("("): Machine.mark,
    ord("0"): Machine.drop,
    ord("q"): lambda machine: machine.put(1),
    ord("r"): lambda machine: machine.put(4),
    0x94: lambda machine: machine.put(0),
    ord("h"): lambda machine: machine.get(1),
    ord("j"): lambda machine: machine.get(4),
    ord("N"): lambda machine: machine.stack.append(None),
    0x88: lambda machine: machine.stack.append(True),
    0x89: lambda machine: machine.stack.append(False),
    ord("J"): lambda machine: machine.number(_INT),
    ord("K"): lambda machine: machine.stack.append(machine.stream.take(1)[0]),
    ord("M"): lambda machine: machine.number(_SHORT),
    ord("G"): lambda machine: machine.number(_DOUBLE),
    0x8A: lambda machine: machine.long_integer(1),
    0x8B: lambda machine: machine.long_integer(4),
    ord("X"): lambda machine: machine.text(4),
    0x8C: lambda machine: machine.text(1),
    0x8D: lambda machine: machine.text(8),
    ord("U"): lambda machine: machine.text(1),  # Python 2's str
    ord("T"): lambda machine: machine.text(4),
    ord("C"): lambda machine: machine.raw(1),
    ord("B"): lambda machine: machine.raw(4),
    0x8E: lambda machine: machine.raw(8),
    0x96: lambda machine: machine.raw(8, bytearray),
    ord("]"): lambda machine: machine.empty(list),
    ord("a"): Machine.append,
    ord("e"): Machine.appends,
    ord(")"): lambda machine: machine.make_tuple(0),
    0x85: lambda machine: machine.make_tuple(1),
    0x86: lambda machine: machine.make_tuple(2),
    0x87: lambda machine: machine.make_tuple(3),
    ord("t"): Machine.marked_tuple,
    ord("}"): lambda machine: machine.empty(dict),
    ord("s"): Machine.set_item,
    ord("u"): lambda machine: machine.set_items(machine.pop_mark()),
    0x8F: lambda machine: machine.empty(set),
    0x90: lambda machine: machine.add_items(set),
    0x91: lambda machine: machine.add_items(frozenset),
    ord("c"): Machine.name,
    0x93: Machine.name_from_stack,
    ord("R"): Machine.reduce,
    ord("b"): Machine.build,
    ord("Q"): Machine.persistent_id,
}

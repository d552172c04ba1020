"""Follows a pickle's opcodes with a symbolic stack machine: nothing is imported, called or constructed.

What pickletools alone cannot do, and this does: follow the files of joblib, which writes the raw bytes of each array
into the middle of the opcodes, and name what STACK_GLOBAL takes from the stack, through the memo too.

What is found holds for the loader that wrote the format: `joblib.load` where an array of joblib was met, `pickle.load`
otherwise.
"""

from __future__ import annotations

import codecs
import math
import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from energy_platform.pickles.stream import ByteStream, Limits, UnreadableError

# Longer strings are never a name of a module or a class: they are passed over.
NAME_BYTES: Final = 256
LINE_BYTES: Final = 4096
NEWEST_PROTOCOL: Final = 5

VERSION_KEY: Final = "_sklearn_version"
_WRAPPER_KEYS: Final = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})
# Of a dictionary only these entries matter here; the rest is forgotten at once.
_KEPT_KEYS: Final = _WRAPPER_KEYS | {VERSION_KEY, "__class__"}

# Codecs are modules: looked up here, so that nothing at all is imported while a file is read.
for _encoding in ("raw-unicode-escape", "unicode-escape"):
    codecs.lookup(_encoding)

_JOBLIB_MODULES: Final = frozenset({"joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle"})
_OLD_JOBLIB_CLASSES: Final = frozenset({"NDArrayWrapper", "ZNDArrayWrapper"})
_DTYPE_CODE: Final = re.compile(r"[<>=|]?([biufcmMOSUV])([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle refers to."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A value of a builtin type, of which only the type matters."""

    kind: str


@dataclass(slots=True, eq=False)
class Mapping:
    """A dictionary, of which only a few entries are kept."""

    entries: dict[str, Value] | None = None
    unclear: bool = False
    """A key is not known statically: an entry that matters may be missing."""

    def put(self, key: Value, value: Value) -> None:
        """Set an entry, where it is one that matters."""
        if isinstance(key, str):
            if key in _KEPT_KEYS:
                if self.entries is None:
                    self.entries = {}
                self.entries[key] = value
        elif not isinstance(key, Plain | int | float | tuple) and key is not None:
            self.unclear = True


@dataclass(slots=True, eq=False)
class Instance:
    """What a call of a class or function of the pickle would give."""

    made_by: Global | None
    arguments: Value = None
    attributes: dict[str, Value] | None = None
    state: tuple[Value, ...] | None = None
    unclear: bool = False


Value = None | bool | int | str | tuple["Value", ...] | Global | Plain | Mapping | Instance

_UNKNOWN: Final = Plain("unknown")
_LIST: Final = Plain("list")
_SET: Final = Plain("set")
_FROZENSET: Final = Plain("frozenset")
_BYTES: Final = Plain("bytes")
_BYTEARRAY: Final = Plain("bytearray")
_FLOAT: Final = Plain("float")
_INTEGER: Final = Plain("int")
_TEXT: Final = Plain("str")
_TUPLE: Final = Plain("tuple")
# No tuple that matters here (shapes, states of data types, arguments) is longer.
_TUPLE_ITEMS: Final = 64


@dataclass
class Findings:
    """What the walk has seen so far; filled as it goes, so that it holds up to the point of a problem."""

    limits: Limits
    globals: set[str] = field(default_factory=set)
    protocol: int | None = None
    highest_opcode_protocol: int = 0
    opcodes: int = 0
    text_bytes: int = 0
    joblib_arrays: int = 0
    sklearn_versions: list[str] = field(default_factory=list)
    top: Value = None
    complete: bool = False

    def add_global(self, module: str, name: str) -> Global:
        """Note a name that the pickle refers to."""
        self.globals.add(printable(f"{module}.{name}"))
        if len(self.globals) > self.limits.globals:
            raise UnreadableError(f"refers to more than {self.limits.globals} names")
        return Global(module, name)


def printable(text: str) -> str:
    """`text` with everything a terminal or a store could stumble over escaped."""
    return text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode("ascii")


def walk(stream: ByteStream, findings: Findings) -> None:
    """Follow one pickle to its STOP opcode and to the end of the stream.

    Args:
        stream: at the first opcode.
        findings: is filled.

    Raises:
        UnreadableError: where it cannot be followed; `findings` then holds what came before.
    """
    machine = _Machine(stream, findings, outermost=True)
    findings.top = machine.run()
    findings.complete = True
    if not stream.at_end():
        raise UnreadableError(f"goes on after its end at byte {stream.position}")


class _Machine:
    """The stack, the marks and the memo of one pickle.

    Only the outermost pickle can hold arrays of joblib: those within an array of objects are read by `pickle.load`.
    """

    def __init__(self, stream: ByteStream, findings: Findings, *, outermost: bool) -> None:
        self.stream = stream
        self.findings = findings
        self.outermost = outermost
        self.stack: list[Value] = []
        self.marked: list[list[Value]] = []
        self.marked_values = 0
        self.memo: dict[int, Value] = {}
        self.frame_end: int | None = None

    def run(self) -> Value:
        stream, findings, limits = self.stream, self.findings, self.findings.limits
        while True:
            code = stream.read_byte()
            known = _OPCODES.get(code)
            if known is None:
                if not code:
                    raise UnreadableError(f"ends at byte {stream.position}, before its STOP opcode")
                raise UnreadableError(f"holds no opcode at byte {stream.position - 1}")
            findings.opcodes += 1
            if not findings.opcodes & 0xFF:
                self.check_limits(limits)
            read_argument, act, protocol = known
            if self.outermost and protocol > findings.highest_opcode_protocol:
                findings.highest_opcode_protocol = protocol
            act(self, read_argument(self) if read_argument is not None else None)
            if self.frame_end is not None and stream.position >= self.frame_end:
                if stream.position > self.frame_end:
                    raise UnreadableError(f"crosses the end of a frame at byte {self.frame_end}")
                self.frame_end = None
            if code == b".":
                if self.frame_end is not None:
                    raise UnreadableError(f"stops inside a frame at byte {stream.position}")
                if not self.stack:
                    raise UnreadableError(f"stops without a value at byte {stream.position}")
                return self.stack[-1]

    def check_limits(self, limits: Limits) -> None:
        if self.findings.opcodes > limits.opcodes:
            raise UnreadableError(f"holds more than {limits.opcodes} opcodes")
        if len(self.stack) + self.marked_values + len(self.memo) > limits.held_values:
            raise UnreadableError(f"is nested too deep: more than {limits.held_values} values are held at one time")

    # --- the stack

    def pop(self) -> Value:
        if not self.stack:
            raise UnreadableError(f"takes from an empty stack at byte {self.stream.position}")
        return self.stack.pop()

    def top(self) -> Value:
        if not self.stack:
            raise UnreadableError(f"looks at an empty stack at byte {self.stream.position}")
        return self.stack[-1]

    def pop_to_mark(self) -> list[Value]:
        if not self.marked:
            raise UnreadableError(f"looks for a mark that is not there at byte {self.stream.position}")
        values = self.stack
        self.stack = self.marked.pop()
        self.marked_values -= len(self.stack) + 1
        return values

    def text(self, data: bytes, encoding: str, errors: str = "strict") -> Value:
        """A short string that may be a name. What cannot be decoded would not load either."""
        findings = self.findings
        findings.text_bytes += len(data) + 64
        if findings.text_bytes > findings.limits.held_text_bytes:
            return _TEXT
        try:
            return data.decode(encoding, errors)
        except UnicodeDecodeError:
            return _TEXT

    # --- arguments, by the names that pickletools gives their encodings

    def argument_of_size(self, count: int) -> bytes | None:
        """`count` bytes, or None where they are too many to be a name: then they are passed over."""
        if count < 0:
            raise UnreadableError(f"declares a negative length at byte {self.stream.position}")
        if count > NAME_BYTES:
            self.stream.skip(count)
            return None
        return self.stream.read(count)

    def argument_line(self) -> bytes:
        line = self.stream.read_line(LINE_BYTES)
        if line is None:
            raise UnreadableError(f"holds a line that is too long, up to byte {self.stream.position}")
        return line

    def argument_number(self) -> int:
        line = self.argument_line()
        if not line.isdigit() or len(line) > 20:
            raise UnreadableError(f"holds no number in the line before byte {self.stream.position}")
        return int(line)

    def argument_names(self) -> tuple[str, str]:
        try:
            return self.argument_line().decode("utf-8"), self.argument_line().decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableError(f"holds a name that is not UTF-8 before byte {self.stream.position}") from error

    # --- actions

    def do_nothing(self, _: object) -> None:
        pass

    def do_proto(self, argument: int) -> None:
        if argument > NEWEST_PROTOCOL:
            raise UnreadableError(f"says that it has protocol {argument}, which does not exist")
        if self.outermost and self.findings.protocol is None:
            self.findings.protocol = argument

    def do_frame(self, argument: int) -> None:
        if self.frame_end is not None:
            raise UnreadableError(f"begins a frame inside a frame at byte {self.stream.position}")
        self.frame_end = self.stream.position + argument

    def do_integer(self, argument: int | None) -> None:
        self.stack.append(_INTEGER if argument is None else argument)

    def do_long_bytes(self, argument: bytes | None) -> None:
        short = argument is not None and len(argument) <= 8
        self.stack.append(
            int.from_bytes(argument, "little", signed=True) if short and argument is not None else _INTEGER
        )

    def do_integer_line(self, argument: bytes | None) -> None:
        if argument in (b"00", b"01"):
            self.stack.append(argument == b"01")
            return
        digits = b"" if argument is None else argument.strip().removesuffix(b"L")
        short = re.fullmatch(rb"[+-]?[0-9]{1,18}", digits)
        self.stack.append(int(digits) if short else _INTEGER)

    def do_text(self, argument: bytes | None) -> None:
        self.stack.append(_TEXT if argument is None else self.text(argument, "utf-8", "surrogatepass"))

    def do_old_text(self, argument: bytes | None) -> None:
        self.stack.append(_TEXT if argument is None else self.text(argument, "ascii"))

    def do_escaped_text(self, argument: bytes | None) -> None:
        short = argument is not None and len(argument) <= NAME_BYTES
        self.stack.append(self.text(argument, "raw-unicode-escape") if short and argument is not None else _TEXT)

    def do_quoted_text(self, argument: bytes | None) -> None:
        if argument is None or len(argument) > NAME_BYTES:
            self.stack.append(_TEXT)
            return
        if len(argument) < 2 or argument[:1] != argument[-1:] or argument[:1] not in b"'\"":
            raise UnreadableError(f"holds a string without quotes before byte {self.stream.position}")
        # No honest name needs an escape: one that is made of them counts as one that cannot be read.
        self.stack.append(_TEXT if b"\\" in argument else self.text(argument[1:-1], "ascii"))

    def do_tuple(self, _: object) -> None:
        self.push_tuple(self.pop_to_mark())

    def push_tuple(self, values: list[Value]) -> None:
        self.stack.append(tuple(values) if len(values) <= _TUPLE_ITEMS else _TUPLE)

    def do_tuple_of(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push_tuple(values[::-1])

    def do_empty_dict(self, _: object) -> None:
        self.stack.append(Mapping())

    def do_dict(self, _: object) -> None:
        mapping = Mapping()
        self.fill(mapping, self.pop_to_mark())
        self.stack.append(mapping)

    def fill(self, target: Value, values: list[Value]) -> None:
        if len(values) % 2:
            raise UnreadableError(f"holds a key without a value before byte {self.stream.position}")
        if isinstance(target, Mapping):
            for key, value in zip(values[::2], values[1::2], strict=True):
                target.put(key, value)

    def do_setitem(self, _: object) -> None:
        value, key = self.pop(), self.pop()
        self.fill(self.top(), [key, value])

    def do_setitems(self, _: object) -> None:
        values = self.pop_to_mark()
        self.fill(self.top(), values)

    def do_append(self, _: object) -> None:
        self.pop()
        self.top()

    def do_appends(self, _: object) -> None:
        self.pop_to_mark()
        self.top()

    def do_mark(self, _: object) -> None:
        self.marked.append(self.stack)
        self.marked_values += len(self.stack) + 1
        self.stack = []

    def do_pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_to_mark()

    def do_pop_mark(self, _: object) -> None:
        self.pop_to_mark()

    def do_dup(self, _: object) -> None:
        self.stack.append(self.top())

    def do_get(self, argument: int) -> None:
        if argument not in self.memo:
            raise UnreadableError(f"asks for memo entry {argument}, which is not there, at byte {self.stream.position}")
        self.stack.append(self.memo[argument])

    def do_put(self, argument: int) -> None:
        self.memo[argument] = self.top()

    def do_memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.top()

    def do_persistent(self, _: object) -> None:
        self.stack.append(_UNKNOWN)

    def do_persistent_from_stack(self, _: object) -> None:
        self.pop()
        self.stack.append(_UNKNOWN)

    def do_extension(self, argument: int) -> None:
        # A code that the loading machine's registry maps to a class: nobody can say which.
        self.stack.append(self.findings.add_global("copyreg", f"_extension_registry[{argument}]"))

    def do_global(self, argument: tuple[str, str]) -> None:
        self.stack.append(self.findings.add_global(*argument))

    def do_stack_global(self, _: object) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            shown = ".".join(part if isinstance(part, str) else "?" for part in (module, name))
            self.findings.globals.add(printable(shown))
            raise UnreadableError(f"refers to a name that cannot be read statically at byte {self.stream.position}")
        self.stack.append(self.findings.add_global(module, name))

    def do_inst(self, argument: tuple[str, str]) -> None:
        called = self.findings.add_global(*argument)
        self.call(called, tuple(self.pop_to_mark()))

    def do_obj(self, _: object) -> None:
        values = self.pop_to_mark()
        if not values:
            raise UnreadableError(f"constructs an object of no class at byte {self.stream.position}")
        self.call(values[0], tuple(values[1:]))

    def do_reduce(self, _: object) -> None:
        arguments = self.pop()
        self.call(self.pop(), arguments)

    def do_newobj(self, _: object) -> None:
        self.pop()
        self.construct(self.pop())

    def do_newobj_ex(self, _: object) -> None:
        self.pop()
        self.pop()
        self.construct(self.pop())

    def construct(self, made_by: Value) -> None:
        """`cls.__new__`: sets no attribute of what matters here."""
        self.stack.append(Instance(made_by if isinstance(made_by, Global) else None))

    def call(self, called: Value, arguments: Value) -> None:
        """A call, of which only the class of its result matters."""
        made_by = called if isinstance(called, Global) else None
        items = arguments if isinstance(arguments, tuple) else ()
        if made_by in _CONSTRUCTORS and items and isinstance(items[0], Global):
            self.construct(items[0])
            return
        is_wrapper = made_by is not None and _is_wrapper_class(made_by)
        for item in items:
            if (isinstance(item, Global) and _is_wrapper_class(item)) or _is_wrapper(item):
                # Only a forged file does so; what comes back could be an array that the walk would miss.
                raise UnreadableError(f"passes an array of joblib to a call at byte {self.stream.position}")
        # Arguments are kept for data types only: a chain of calls would otherwise be held as a whole.
        kept = items if made_by is not None and made_by.name == "dtype" else None
        self.stack.append(Instance(made_by, kept, unclear=is_wrapper and arguments != ()))

    def do_build(self, _: object) -> None:
        state = self.pop()
        target = self.top()
        slots = state[1] if isinstance(state, tuple) and len(state) == 2 else None
        if isinstance(slots, Mapping) and (slots.unclear or "__class__" in (slots.entries or {})):
            raise UnreadableError(f"changes the class of an object at byte {self.stream.position}")
        if not isinstance(target, Instance):
            return
        if isinstance(state, Mapping):
            self.set_attributes(target, state)
        elif isinstance(state, tuple) and len(state) == 2 and all(isinstance(part, Mapping | None) for part in state):
            for part in state:
                if isinstance(part, Mapping):
                    self.set_attributes(target, part)
        elif isinstance(state, tuple):
            target.state = state
            target.unclear = target.unclear or _is_wrapper(target)
        else:
            target.unclear = True
        if self.outermost and target.made_by is not None and target.made_by.module in _JOBLIB_MODULES:
            if target.made_by.name in _OLD_JOBLIB_CLASSES:
                raise UnreadableError("was written by joblib before 0.10, which keeps its arrays in other files")
            if _is_wrapper(target):
                self.stack[-1] = self.read_array(target)

    def set_attributes(self, target: Instance, state: Mapping) -> None:
        target.unclear = target.unclear or state.unclear
        if state.entries is None:
            return
        target.attributes = {**(target.attributes or {}), **state.entries}
        version = state.entries.get(VERSION_KEY)
        if isinstance(version, str) and len(self.findings.sklearn_versions) < 1000:
            self.findings.sklearn_versions.append(version)

    # --- the arrays of joblib

    def read_array(self, wrapper: Instance) -> Value:
        """Pass over the bytes that joblib wrote behind the wrapper of an array."""
        stream, attributes = self.stream, wrapper.attributes or {}
        place = f"at byte {stream.position}"
        self.findings.joblib_arrays += 1
        shape, dtype, subclass = attributes.get("shape"), attributes.get("dtype"), attributes.get("subclass")
        if wrapper.unclear or not isinstance(dtype, Instance) or not isinstance(shape, tuple):
            raise UnreadableError(f"holds an array whose shape and type cannot be read statically {place}")
        lengths = [length for length in shape if type(length) is int and length >= 0]
        if len(lengths) != len(shape):
            raise UnreadableError(f"holds an array with a shape that no array has {place}")
        if self.frame_end not in (None, stream.position):
            raise UnreadableError(f"holds an array inside a frame {place}")
        self.frame_end = None
        item_bytes, has_objects = _layout(dtype, place)
        if has_objects:
            _Machine(stream, self.findings, outermost=False).run()
        else:
            alignment = attributes.get("numpy_array_alignment_bytes")
            if alignment is not None:
                if type(alignment) is not int:
                    raise UnreadableError(f"holds an array with an alignment that cannot be read statically {place}")
                stream.skip(stream.read(1)[0])
            stream.skip(math.prod(lengths) * item_bytes)
        return Instance(subclass if isinstance(subclass, Global) else None)


def _is_wrapper_class(value: Global) -> bool:
    return value.name == "NumpyArrayWrapper" and value.module in _JOBLIB_MODULES


def _is_wrapper(value: Value) -> bool:
    return isinstance(value, Instance) and value.made_by is not None and _is_wrapper_class(value.made_by)


# Functions that give an instance of their first argument.
_CONSTRUCTORS: Final = frozenset(
    Global(module, name)
    for name, modules in {
        "_reconstructor": ("copyreg", "copy_reg"),
        "__newobj__": ("copyreg", "copy_reg"),
        "_reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
    }.items()
    for module in modules
)


def _layout(dtype: Instance, place: str) -> tuple[int, bool]:
    """Bytes of one item, and whether it holds Python objects, of a `numpy.dtype` as numpy pickles it."""
    unknown = UnreadableError(f"holds an array of a type that is not known {place}")
    arguments = dtype.arguments
    if dtype.made_by != Global("numpy", "dtype") or not isinstance(arguments, tuple) or not arguments or dtype.unclear:
        raise unknown
    code = _DTYPE_CODE.fullmatch(arguments[0]) if isinstance(arguments[0], str) else None
    if code is None:
        raise unknown
    kind, item_bytes = code[1], int(code[2])
    if kind == "U":
        item_bytes *= 4
    if dtype.state is None:
        return item_bytes, kind == "O"
    # (version, byte order, sub-array, names, fields, size, alignment, flags, …)
    if len(dtype.state) < 8:
        raise unknown
    size, flags = dtype.state[5], dtype.state[7]
    if type(size) is not int or type(flags) is not int:
        raise unknown
    if kind in "SUV" and size >= 0:
        item_bytes = size
    has_objects = bool(flags & 1)
    if kind != "V" and has_objects != (kind == "O"):
        raise unknown
    return item_bytes, has_objects


_Argument = Callable[[_Machine], object]
_Action = Callable[[_Machine, object], None]


def _fixed(layout: str) -> _Argument:
    unpack, size = struct.Struct(layout).unpack, struct.calcsize(layout)
    return lambda machine: unpack(machine.stream.read(size))[0]


def _sized(layout: str) -> _Argument:
    length = _fixed(layout)
    return lambda machine: machine.argument_of_size(length(machine))  # pyright: ignore[reportArgumentType]


def _line(machine: _Machine) -> object:
    return machine.stream.read_line(LINE_BYTES)


# How each encoding that pickletools names is read here: with a bound, whatever length the file declares.
_ARGUMENTS: Final[dict[str, _Argument]] = {
    "uint1": _fixed("<B"),
    "uint2": _fixed("<H"),
    "int4": _fixed("<i"),
    "uint4": _fixed("<I"),
    "uint8": _fixed("<Q"),
    "float8": _fixed(">d"),
    "decimalnl_short": _line,
    "decimalnl_long": _line,
    "floatnl": _line,
    "stringnl": _line,
    "stringnl_noescape": _line,
    "unicodestringnl": _line,
    "stringnl_noescape_pair": _Machine.argument_names,
    "long1": _sized("<B"),
    "long4": _sized("<i"),
    "string1": _sized("<B"),
    "string4": _sized("<i"),
    "bytes1": _sized("<B"),
    "bytes4": _sized("<I"),
    "bytes8": _sized("<Q"),
    "bytearray8": _sized("<Q"),
    "unicodestring1": _sized("<B"),
    "unicodestring4": _sized("<I"),
    "unicodestring8": _sized("<Q"),
}


def _push(value: Value) -> _Action:
    return lambda machine, _: machine.stack.append(value)


def _replace_marked(value: Value) -> _Action:
    def act(machine: _Machine, _: object) -> None:
        machine.pop_to_mark()
        machine.stack.append(value)

    return act


def _tuple_of(count: int) -> _Action:
    return lambda machine, _: machine.do_tuple_of(count)


_ACTIONS: Final[dict[str, Callable[..., None]]] = {
    "PROTO": _Machine.do_proto,
    "FRAME": _Machine.do_frame,
    "STOP": _Machine.do_nothing,
    "NONE": _push(None),
    "NEWTRUE": _push(value=True),
    "NEWFALSE": _push(value=False),
    "INT": _Machine.do_integer_line,
    "LONG": _Machine.do_integer_line,
    "BININT": _Machine.do_integer,
    "BININT1": _Machine.do_integer,
    "BININT2": _Machine.do_integer,
    "LONG1": _Machine.do_long_bytes,
    "LONG4": _Machine.do_long_bytes,
    "FLOAT": _push(_FLOAT),
    "BINFLOAT": _push(_FLOAT),
    "STRING": _Machine.do_quoted_text,
    "BINSTRING": _Machine.do_old_text,
    "SHORT_BINSTRING": _Machine.do_old_text,
    "UNICODE": _Machine.do_escaped_text,
    "SHORT_BINUNICODE": _Machine.do_text,
    "BINUNICODE": _Machine.do_text,
    "BINUNICODE8": _Machine.do_text,
    "BINBYTES": _push(_BYTES),
    "SHORT_BINBYTES": _push(_BYTES),
    "BINBYTES8": _push(_BYTES),
    "BYTEARRAY8": _push(_BYTEARRAY),
    "NEXT_BUFFER": _push(_UNKNOWN),
    "READONLY_BUFFER": lambda machine, _: machine.top(),
    "EMPTY_LIST": _push(_LIST),
    "LIST": _replace_marked(_LIST),
    "APPEND": _Machine.do_append,
    "APPENDS": _Machine.do_appends,
    "EMPTY_TUPLE": _push(()),
    "TUPLE": _Machine.do_tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "EMPTY_DICT": _Machine.do_empty_dict,
    "DICT": _Machine.do_dict,
    "SETITEM": _Machine.do_setitem,
    "SETITEMS": _Machine.do_setitems,
    "EMPTY_SET": _push(_SET),
    "ADDITEMS": _Machine.do_appends,
    "FROZENSET": _replace_marked(_FROZENSET),
    "POP": _Machine.do_pop,
    "DUP": _Machine.do_dup,
    "MARK": _Machine.do_mark,
    "POP_MARK": _Machine.do_pop_mark,
    "GET": _Machine.do_get,
    "BINGET": _Machine.do_get,
    "LONG_BINGET": _Machine.do_get,
    "PUT": _Machine.do_put,
    "BINPUT": _Machine.do_put,
    "LONG_BINPUT": _Machine.do_put,
    "MEMOIZE": _Machine.do_memoize,
    "EXT1": _Machine.do_extension,
    "EXT2": _Machine.do_extension,
    "EXT4": _Machine.do_extension,
    "GLOBAL": _Machine.do_global,
    "STACK_GLOBAL": _Machine.do_stack_global,
    "REDUCE": _Machine.do_reduce,
    "BUILD": _Machine.do_build,
    "INST": _Machine.do_inst,
    "OBJ": _Machine.do_obj,
    "NEWOBJ": _Machine.do_newobj,
    "NEWOBJ_EX": _Machine.do_newobj_ex,
    "PERSID": _Machine.do_persistent,
    "BINPERSID": _Machine.do_persistent_from_stack,
}


def _opcode_table() -> dict[bytes, tuple[_Argument | None, Callable[..., None], int]]:
    table: dict[bytes, tuple[_Argument | None, Callable[..., None], int]] = {}
    for opcode in pickletools.opcodes:
        read_argument = None if opcode.arg is None else _ARGUMENTS[opcode.arg.name]
        if opcode.name in ("GET", "PUT"):
            read_argument = _Machine.argument_number
        table[opcode.code.encode("latin-1")] = (read_argument, _ACTIONS[opcode.name], opcode.proto)
    return table


_OPCODES: Final = _opcode_table()

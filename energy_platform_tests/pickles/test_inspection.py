"""A PKL file is described without being loaded: honest ones exactly, hostile ones safely."""

from __future__ import annotations

import bz2
import collections
import datetime
import decimal
import fractions
import gzip
import hashlib
import io
import json
import lzma
import os
import pickle
import pickletools
import random
import stat
import struct
import sys
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_platform.domain.errors import SourceError, SourceMissingError
from energy_platform.pickles.inspection import PickleInspection, inspect_pickle
from energy_platform.pickles.stream import ByteStream, Limits, UnreadableError
from energy_platform.pickles.walker import Findings, walk

SAMPLES = Path(__file__).parent / "joblib_samples"
MANIFEST: dict[str, list[str]] = json.loads((SAMPLES / "manifest.json").read_text())
LEGACY_MODELS = Path(__file__).parents[3] / "shared" / "legacy_estate" / "models"

Inspect = Callable[..., PickleInspection]


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Inspects bytes, by way of a file."""

    def inspect_bytes(content: bytes, **options: Any) -> PickleInspection:
        path = tmp_path / "model.pkl"
        path.write_bytes(content)
        return inspect_pickle(path, **options)

    return inspect_bytes


# One list while something is watched, none otherwise: an audit hook can never be removed.
_watching: list[list[str]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in {"import", "pickle.find_class", "os.system", "exec", "compile", "os.exec"}:
        _watching[0].append(f"{event} {arguments[:1]}")


sys.addaudithook(_audit)


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Fails where the interpreter imports, compiles, executes or looks up anything on behalf of a pickle."""
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield
    finally:
        _watching.clear()
    assert seen == []


class Resolving(pickle._Unpickler):  # pyright: ignore[reportAttributeAccessIssue]
    """The real loader, noting each name that it looks up."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.resolved: set[str] = set()

    def find_class(self, module: str, name: str) -> object:
        self.resolved.add(f"{module}.{name}")
        return super().find_class(module, name)


# --- honest files


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_files_of_joblib_are_read_as_joblib_reads_them(name: str) -> None:
    with nothing_runs():
        found = inspect_pickle(SAMPLES / name)
    assert found.problem is None
    assert list(found.globals) == MANIFEST[name]
    kind = name.removesuffix(".pkl").split("-", 2)[2]
    if kind.startswith("protocol-"):
        assert found.format == "joblib"
        assert found.protocol == int(kind[-1])
    elif kind == "sklearn-pipeline":
        assert (found.format, found.framework, found.library_version) == ("joblib", "scikit-learn", "1.9.1")
        assert (found.class_module, found.class_name) == ("sklearn.pipeline", "Pipeline")
    else:
        assert found.format == f"joblib-{kind}"
        assert (found.framework, found.class_name) == ("numpy", "dict")


def test_every_version_protocol_and_compression_has_a_sample() -> None:
    assert len(MANIFEST) == len(list(SAMPLES.glob("*.pkl"))) == 34


@pytest.mark.skipif(not LEGACY_MODELS.is_dir(), reason="the real estate is not on this machine")
@pytest.mark.parametrize(
    ("name", "form", "framework", "class_name", "version"),
    [
        ("Gradient_Boosting.pkl", "joblib", "scikit-learn", "GradientBoostingRegressor", "1.7.1"),
        ("Lasso_Regression.pkl", "joblib", "scikit-learn", "Lasso", "1.7.1"),
        ("LightGBM.pkl", "pickle", "lightgbm", "LGBMRegressor", None),
        ("Linear_Regression.pkl", "joblib", "scikit-learn", "LinearRegression", "1.7.1"),
        ("Ridge_Regression.pkl", "joblib", "scikit-learn", "Ridge", "1.7.1"),
        ("Tuned_XGBoost.pkl", "pickle", "xgboost", "XGBRegressor", None),
        ("XGBoost.pkl", "pickle", "xgboost", "XGBRegressor", None),
        ("scaler.pkl", "joblib", "scikit-learn", "StandardScaler", "1.7.1"),
    ],
)
def test_the_real_models_are_read_whole(
    name: str, form: str, framework: str, class_name: str, version: str | None
) -> None:
    path = LEGACY_MODELS / name
    with nothing_runs():
        found = inspect_pickle(path)
    assert found.problem is None
    assert (found.format, found.protocol, found.framework) == (form, 4, framework)
    assert (found.class_name, found.library_version) == (class_name, version)
    assert f"{found.class_module}.{found.class_name}" in found.globals
    assert (found.file_name, found.size_bytes) == (name, path.stat().st_size)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.skipif(not LEGACY_MODELS.is_dir(), reason="the real estate is not on this machine")
def test_the_real_xgboost_model_names_exactly_three_things() -> None:
    assert inspect_pickle(LEGACY_MODELS / "XGBoost.pkl").globals == (
        "builtins.bytearray",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBRegressor",
    )


def _holding_itself(value: Any) -> list[Any]:
    own = [value]
    own.append(own)
    return own


def _plain_values() -> st.SearchStrategy[Any]:
    hashable = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=-(2**3000), max_value=2**3000),
        st.floats(allow_nan=False),
        st.complex_numbers(allow_nan=False),
        st.text(max_size=20),
        st.text(alphabet="한글\n\\'\"\ud800", max_size=4),
        st.binary(max_size=20),
        st.sampled_from([300, 70_000]).map(lambda length: "x" * length),
        st.just(70_000).map(bytes),
        st.sampled_from(["os", "system", range(3), int, os.path.join]),
        st.dates(),
        st.datetimes(timezones=st.sampled_from([None, datetime.UTC])),
        st.decimals(allow_nan=False),
        st.fractions(),
        st.uuids(),
    )
    unhashable = st.one_of(
        hashable,
        st.binary(max_size=5).map(bytearray),
        st.frozensets(hashable, max_size=3),
        st.sets(hashable, max_size=3),
    )
    return st.recursive(
        unhashable,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5),
            st.tuples(inner, inner),
            st.lists(inner, max_size=5).map(tuple),
            st.dictionaries(hashable, inner, max_size=4),
            st.dictionaries(hashable, inner, max_size=3).map(collections.OrderedDict),
            inner.map(lambda value: [value, value]),
            inner.map(_holding_itself),
        ),
        max_leaves=12,
    )


@settings(max_examples=300, deadline=None)
@given(value=_plain_values(), protocol=st.integers(0, 5), in_python=st.booleans())
def test_any_plain_value_is_walked_to_its_last_byte(value: Any, protocol: int, in_python: bool) -> None:
    dump = pickle._dumps if in_python else pickle.dumps  # pyright: ignore[reportAttributeAccessIssue]
    content = dump(value, protocol=protocol)
    findings = Findings(Limits())
    stream = ByteStream(io.BytesIO(content), size=len(content))
    walk(stream, findings)
    loader = Resolving(content)
    loader.load()
    opcodes = list(pickletools.genops(content))
    assert stream.position == len(content)
    assert findings.globals == loader.resolved
    assert findings.opcodes == len(opcodes)
    if protocol >= 2:
        assert findings.protocol == protocol
    assert {str(arg).replace(" ", ".") for op, arg, _ in opcodes if op.name == "GLOBAL"} <= findings.globals


@pytest.mark.parametrize(
    ("value", "class_name", "framework"),
    [
        ({"a": 1}, "dict", "builtins"),
        ([1, 2], "list", "builtins"),
        ((1,), "tuple", "builtins"),
        ({1}, "set", "builtins"),
        ("text", "str", "builtins"),
        (b"bytes", "bytes", "builtins"),
        (1.5, "float", "builtins"),
        (2**100, "int", "builtins"),
        (None, "NoneType", "builtins"),
        (True, "bool", "builtins"),
        (decimal.Decimal("1.5"), "Decimal", "builtins"),
        (fractions.Fraction(1, 3), "Fraction", "builtins"),
        (collections.OrderedDict(a=1), "OrderedDict", "builtins"),
        (uuid.UUID(int=7), "UUID", "builtins"),
    ],
)
def test_the_class_of_the_top_level_object(inspect: Inspect, value: object, class_name: str, framework: str) -> None:
    found = inspect(pickle.dumps(value))
    assert (found.class_name, found.framework, found.format) == (class_name, framework, "pickle")


@pytest.mark.parametrize("protocol", range(6))
def test_the_protocol_is_told(inspect: Inspect, protocol: int) -> None:
    assert inspect(pickle.dumps({"a": [1, 2]}, protocol=protocol)).protocol == protocol


def test_a_model_inside_a_plain_container_names_its_framework(inspect: Inspect) -> None:
    content = b"\x80\x02}U\x05modelcxgboost.sklearn\nXGBRegressor\n)\x81s."
    found = inspect(content)
    assert (found.framework, found.class_name, found.problem) == ("xgboost", "dict", None)


def test_the_version_of_the_top_level_object_wins_over_that_of_a_part(inspect: Inspect) -> None:
    part = b"csklearn.a\nPart\n)\x81}U\x10_sklearn_versionU\x050.9.1sb"
    top = b"csklearn.b\nWhole\n)\x81}(U\x04part" + part + b"U\x10_sklearn_versionU\x051.7.1ub"
    assert inspect(b"\x80\x02" + top + b".").library_version == "1.7.1"
    assert inspect(b"\x80\x02]" + part + b"a.").library_version == "0.9.1"


# --- files that are something else


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello, world\n", "not a pickle"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a pickle"),
        (b"x is a text", "no pickle"),
        (b"BZh is not bz2", "no pickle"),
        (b"SQLite format 3\x00" + bytes(84), "an SQLite database"),
        (b"\x93NUMPY\x01\x00", "a NumPy file"),
        (b"ZF0x10 ", "joblib before 0.10"),
    ],
)
def test_what_is_no_pickle_is_unknown(inspect: Inspect, content: bytes, says: str) -> None:
    found = inspect(content)
    assert (found.format, found.framework, found.protocol, found.globals) == ("unknown", "unknown", None, ())
    assert found.problem is not None
    assert says in found.problem
    assert found.size_bytes == len(content)


def test_a_zip_archive_is_unknown(inspect: Inspect) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", "{}")
    found = inspect(buffer.getvalue())
    assert found.format == "unknown"
    assert "zip archive" in str(found.problem)


def test_a_missing_file_and_a_pipe_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="no such file"):
        inspect_pickle(tmp_path / "none.pkl")
    os.mkfifo(tmp_path / "pipe.pkl")
    assert stat.S_ISFIFO((tmp_path / "pipe.pkl").stat().st_mode)
    for path in (tmp_path / "pipe.pkl", tmp_path):
        with pytest.raises(SourceError, match="no regular file"):
            inspect_pickle(path)


# --- hostile files


_PROTOCOL_4 = b"\x80\x04"
_COMMAND = b"X\x04\x00\x00\x00true\x85R."


def _short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"cos\nsystem\n(S'true'\ntR.", id="GLOBAL"),
        pytest.param(b"(S'true'\nios\nsystem\n.", id="INST"),
        pytest.param(b"(cos\nsystem\nS'true'\no.", id="OBJ"),
        pytest.param(_PROTOCOL_4 + _short("os") + _short("system") + b"\x93" + _COMMAND, id="STACK_GLOBAL"),
        pytest.param(
            _PROTOCOL_4 + _short("system") + b"\x940" + _short("os") + b"\x940h\x01h\x00\x93" + _COMMAND,
            id="names by way of the memo, in the other order",
        ),
        pytest.param(
            _PROTOCOL_4 + _short("os") + _short("system") + b"\x94" + _short("path") + b"0h\x000\x93" + _COMMAND,
            id="decoys between the names",
        ),
        pytest.param(
            _PROTOCOL_4 + _short("os") + b"r\xff\xff\xff\x7f" + _short("system") + b"\x93" + _COMMAND,
            id="a memo index that would take gigabytes",
        ),
        pytest.param(
            _PROTOCOL_4 + _short("os") + b"(NNN1" + _short("system") + b"\x93" + _COMMAND, id="a mark thrown away"
        ),
        pytest.param(_PROTOCOL_4 + b"S'os'\nV\\u0073ystem\n\x93" + _COMMAND, id="old strings with escapes"),
        pytest.param(b"\x80\x02cos\nsystem\nq\x00cjson\nloads\nq\x000h\x00" + _COMMAND, id="a memo entry overwritten"),
        pytest.param(pickle.dumps([1])[:-1] + b"0cos\nsystem\n" + _COMMAND, id="behind an honest value"),
    ],
)
def test_a_name_cannot_be_hidden(inspect: Inspect, content: bytes) -> None:
    with nothing_runs():
        found = inspect(content)
    assert "os.system" in found.globals
    assert (found.framework, found.format) == ("unknown", "pickle")


def test_names_are_reported_up_to_where_a_file_breaks(inspect: Inspect) -> None:
    whole = b"cos\nsystem\n(S'true'\ntR."
    found = inspect(whole[:-1])
    assert found.globals == ("os.system",)
    assert found.format == "pickle"
    assert "before its STOP opcode" in str(found.problem)


def test_a_name_made_while_loading_is_a_problem(inspect: Inspect) -> None:
    content = _PROTOCOL_4 + _short("os") + b"cbuiltins\nstr\n" + _short("system") + b"\x85R\x93" + _COMMAND
    found = inspect(content)
    assert found.globals == ("builtins.str", "os.?")
    assert "cannot be read statically" in str(found.problem)


def test_a_name_cannot_write_on_the_terminal(inspect: Inspect) -> None:
    found = inspect(b"cos\x1b[2J\nsystem\n.")
    assert found.globals == ("os\\x1b[2J.system",)
    assert found.class_module == "os\\x1b[2J"
    surrogate = _PROTOCOL_4 + b"\x8c\x03\xed\xa0\x80" + _short("x") + b"\x93."
    assert inspect(surrogate).globals == ("\\ud800.x",)


def test_a_registered_extension_is_a_name_too(inspect: Inspect) -> None:
    assert inspect(b"\x80\x02\x82\x07.").globals == ("copyreg._extension_registry[7]",)


def test_every_cut_of_an_honest_file_is_a_problem(inspect: Inspect) -> None:
    for name in ("joblib-1.6.0-sklearn-pipeline.pkl", "joblib-1.1.1-protocol-0.pkl"):
        content = (SAMPLES / name).read_bytes()
        whole = inspect(content)
        for end in range(0, len(content), 7):
            found = inspect(content[:end])
            assert found.problem is not None, end
            assert set(found.globals) <= set(whole.globals)


def test_what_follows_the_end_is_a_problem(inspect: Inspect) -> None:
    found = inspect(pickle.dumps({"a": 1}) + b"cos\nsystem\n.")
    assert found.class_name == "dict"
    assert "goes on after its end" in str(found.problem)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"abc",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc",
        b"\x80\x05\x96" + struct.pack("<Q", 2**64 - 1) + b"abc",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"abc",
        b"\x80\x02\x8b" + struct.pack("<i", -1) + b"abc",
        b"\x80\x02T" + struct.pack("<i", -5) + b"abc",
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
        b"\x80\x04\x95" + struct.pack("<Q", 20) + b"K\x01N.",
        b"\x80\x04\x95" + struct.pack("<Q", 1) + b"K\x01.",
        b"\x80\x04\x95" + struct.pack("<Q", 30) + b"\x95" + struct.pack("<Q", 2) + b"N.",
        b"\x80\x09N.",
        b"\x80\x04\xffN.",
        b"\x80\x040.",
        b"\x80\x04.",
        b"\x80\x04t.",
        b"\x80\x04h\x07.",
        b"\x80\x04(o.",
        b"\x80\x04}(Nu.",
        b"\x80\x04c" + b"a" * 5000 + b"\nb\n.",
        b"\x80\x04c\xff\n\xff\n.",
        b"\x80\x04gx\n.",
        b"\x80\x04p-1\n.",
        b"\x80\x04Sx\n.",
    ],
)
def test_damaged_and_forged_files_are_a_problem(inspect: Inspect, content: bytes) -> None:
    started = time.monotonic()
    with nothing_runs():
        found = inspect(content)
    assert found.problem is not None
    assert found.problem.startswith("The file ")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("content", "limits", "says"),
    [
        (b"\x80\x02" + b"N0" * 5000 + b"N.", Limits(opcodes=2000), "2000 opcodes"),
        (b"\x80\x02" + b"N" * 5000 + b".", Limits(held_values=1000), "nested too deep"),
        (b"\x80\x02" + b"(" * 5000 + b".", Limits(held_values=1000), "nested too deep"),
        (b"\x80\x04N" + b"\x94" * 5000 + b".", Limits(held_values=1000), "nested too deep"),
        (b"\x80\x02" + b"".join(b"ca\nn%d\n0" % i for i in range(500)) + b"N.", Limits(globals=100), "100 names"),
    ],
)
def test_the_limits_hold(inspect: Inspect, content: bytes, limits: Limits, says: str) -> None:
    assert says in str(inspect(content, limits=limits).problem)
    assert inspect(content).problem is None or content.endswith(b"(.")


def test_deep_nesting_neither_overflows_nor_slows_down(inspect: Inspect) -> None:
    doubling = b"".join(b"(h" + bytes([index]) * 1 + b"h" + bytes([index]) + b"t\x94" for index in range(200))
    for content in (
        b"\x80\x02N" + b"\x85" * 200_000 + b".",
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        b"\x80\x04)\x94" + doubling + b".",
    ):
        assert inspect(content).problem is None


# --- arrays of joblib that are forged


def _array(
    *,
    shape: bytes = b"K\x02\x85",
    dtype: bytes = b"U\x02u1",
    state: bytes = b"",
    more: bytes = b"",
    module: bytes = b"joblib.numpy_pickle",
) -> bytes:
    """The opcodes of one array's wrapper, without the bytes of the array."""
    entries = b"U\x05shape" + shape + b"U\x05dtypecnumpy\ndtype\n" + dtype + b"\x85R" + state + more
    return b"c" + module + b"\nNumpyArrayWrapper\n)\x81}(U\x08subclasscnumpy\nndarray\n" + entries + b"ub"


def test_bytes_of_an_array_are_passed_over(inspect: Inspect) -> None:
    for shape, dtype, count in [
        (b"K\x02\x85", b"U\x02u1", 2),
        (b")", b"U\x02f8", 8),
        (b"K\x03K\x02\x86", b"U\x02f4", 24),
        (b"K\x00K\x07\x86", b"U\x02f8", 0),
        (b"K\x02\x85", b"U\x02U5", 40),
    ]:
        found = inspect(b"\x80\x02" + _array(shape=shape, dtype=dtype) + b"\xff" * count + b".")
        assert (found.problem, found.format, found.class_name) == (None, "joblib", "ndarray")
    padded = _array(more=b"U\x1bnumpy_array_alignment_bytesK\x10") + b"\x03\xff\xff\xffAB"
    assert inspect(b"\x80\x02" + padded + b".").problem is None
    assert inspect(b"\x80\x02" + _array(module=b"sklearn.externals.joblib.numpy_pickle") + b"AB.").problem is None


def test_opcodes_hidden_as_bytes_of_an_array_are_no_opcodes(inspect: Inspect) -> None:
    hidden = b"cos\nsystem\n."
    found = inspect(b"\x80\x02" + _array(shape=b"K" + bytes([len(hidden)]) + b"\x85") + hidden + b".")
    assert found.problem is None
    assert "os.system" not in found.globals


def test_names_in_an_array_of_objects_are_found(inspect: Inspect) -> None:
    objects = _array(dtype=b"U\x02O8", state=b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb")
    found = inspect(b"\x80\x02" + objects + b"\x80\x02cos\nsystem\nU\x04true\x85R..")
    assert found.problem is None
    assert "os.system" in found.globals


def test_an_array_read_twice_by_way_of_the_memo_is_passed_over_twice(inspect: Inspect) -> None:
    once = _array().replace(b"\x81}", b"\x81q\x07}", 1)
    assert inspect(b"\x80\x02]" + once + b"AB" + b"ah\x07}b" + b"CD" + b"a.").problem is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_array(shape=b"J\xff\xff\xff\xff\x85") + b"AB", id="negative length"),
        pytest.param(_array(shape=b"\x8a\x05\x00\x00\x00\x00\x01" * 2 + b"\x86") + b"AB", id="lengths that overflow"),
        pytest.param(_array(shape=b"N\x85") + b"AB", id="a length that is no number"),
        pytest.param(_array(shape=b"]") + b"AB", id="a shape that is no tuple"),
        pytest.param(_array(dtype=b"U\x02zz") + b"AB", id="unknown type"),
        pytest.param(_array(dtype=b"cos\ngetcwd\n)R") + b"AB", id="a type made while loading"),
        pytest.param(_array(state=b"(K\x03U\x01<NNNK\x01K\x01K\x01tb") + b"AB", id="bytes that claim to be objects"),
        pytest.param(
            _array(dtype=b"U\x02O8", state=b"(K\x03U\x01|NNNK\x01K\x01K\x00tb") + b"AB",
            id="objects that claim to be bytes",
        ),
        pytest.param(_array(more=b"U\x1bnumpy_array_alignment_bytes]") + b"\x00AB", id="unknown alignment"),
        pytest.param(
            _array(more=b"cbuiltins\nstr\nU\x05shape\x85RK\x05\x85") + b"ABCDE", id="a key made while loading"
        ),
        pytest.param(
            b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81cos\ngetcwd\n)RbAB", id="attributes made while loading"
        ),
        pytest.param(b"cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81}b", id="the old joblib"),
        pytest.param(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\nK\x01\x85R}b", id="called, not built"),
        pytest.param(b"ccopy\ncopy\ncjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81\x85R}b", id="copied"),
        pytest.param(
            b"csklearn.a\nB\n)\x81N}U\x09__class__cjoblib.numpy_pickle\nNumpyArrayWrapper\ns\x86b", id="disguised"
        ),
    ],
)
def test_arrays_that_no_joblib_writes_are_a_problem(inspect: Inspect, content: bytes) -> None:
    found = inspect(b"\x80\x02" + content + b".")
    assert found.problem is not None
    assert "empty stack" not in found.problem


def test_an_array_inside_a_frame_is_a_problem(inspect: Inspect) -> None:
    body = _array() + b"AB."
    assert "inside a frame" in str(inspect(b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body).problem)


# --- compressed


_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("kind", sorted(_COMPRESSORS))
def test_compressed_files_are_bounded(inspect: Inspect, kind: str) -> None:
    compress = _COMPRESSORS[kind]
    honest = inspect(compress(pickle.dumps({"a": list(range(1000))})))
    assert (honest.problem, honest.format, honest.class_name) == (None, f"joblib-{kind}", "dict")
    bomb = compress(b"\x80\x04\x8e" + struct.pack("<Q", 8 << 20) + bytes(8 << 20) + b".")
    assert inspect(bomb).problem is None
    size = inspect(bomb, limits=Limits(decompressed_bytes=1 << 20))
    assert "more than 1048576 bytes" in str(size.problem)
    ratio = inspect(bomb, limits=Limits(free_decompressed_bytes=1 << 20, compression_ratio=100))
    assert "more than 100 times its size" in str(ratio.problem)
    assert (size.format, size.protocol) == (f"joblib-{kind}", 4)


@pytest.mark.parametrize("kind", sorted(_COMPRESSORS))
def test_damaged_compressed_files_are_a_problem(inspect: Inspect, kind: str) -> None:
    content = _COMPRESSORS[kind](pickle.dumps(random.Random(7).randbytes(5000)))
    for end in [*range(1, len(content), 97), len(content) - 1]:
        assert inspect(content[:end]).problem is not None
    assert "goes on after" in str(inspect(content + b"cos\nsystem\n.").problem)
    middle = len(content) // 2
    assert inspect(content[:middle] + bytes(20) + content[middle + 20 :]).problem is not None


def test_lz4_is_named_and_not_read(inspect: Inspect) -> None:
    found = inspect(b"\x04\x22\x4d\x18" + bytes(50))
    assert found.format == "unknown"
    assert "lz4" in str(found.problem)


# --- anything at all


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_makes_the_inspection_fail_or_run_anything(inspect: Inspect, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from([b"", b"\x80\x02", b"\x80\x04", b"\x80\x05"]))
    opcodes = st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes])
    words = st.sampled_from([b"os\nsystem\n", b"\x02os\x8c\x06system\x93", _array(), b"\x00", b"\x01", b"1\n"])
    parts = data.draw(st.lists(st.one_of(opcodes, opcodes, words, st.binary(max_size=6)), max_size=40))
    with nothing_runs():
        found = inspect(start + b"".join(parts))
    assert found.problem is None or found.problem.startswith("The file ")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_honest_files_with_changed_bytes_never_make_it_fail(inspect: Inspect, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(MANIFEST)))
    content = bytearray((SAMPLES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with nothing_runs():
        inspect(bytes(content))


def test_a_stream_that_ends_early_is_unreadable() -> None:
    content = pickle.dumps(list(range(300)))
    with pytest.raises(UnreadableError, match="ends at byte"):
        walk(ByteStream(io.BytesIO(content[:-5]), size=len(content) - 5), Findings(Limits()))

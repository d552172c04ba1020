"""What is inside a PKL file, read statically: it is never unpickled, and nothing it names is imported."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from energy_platform.domain.errors import SourceError, SourceMissingError
from energy_platform.pickles.stream import COMPRESSION_PREFIXES, ByteStream, Limits, UnreadableError
from energy_platform.pickles.walker import (
    VERSION_KEY,
    Findings,
    Global,
    Instance,
    Mapping,
    Plain,
    Value,
    printable,
    walk,
)

# The order in which a framework is named where the top-level object belongs to none.
_FRAMEWORKS: Final[dict[str, str]] = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "sklearn": "scikit-learn",
    "pandas": "pandas",
    "numpy": "numpy",
}
# Modules of the standard library that pickles of plain values refer to.
_STANDARD_MODULES: Final = frozenset(
    {"builtins", "__builtin__", "copyreg", "copy_reg", "_codecs", "collections", "datetime", "decimal", "fractions"}
    | {"uuid", "pathlib", "zoneinfo", "array", "operator", "enum", "ipaddress"}
)
# Other formats that end up in a folder of models, by their first bytes.
_OTHER_FORMATS: Final[dict[bytes, str]] = {
    b"PK\x03\x04": "a zip archive (skops, Keras, PyTorch or NumPy)",
    b"PK\x05\x06": "a zip archive (skops, Keras, PyTorch or NumPy)",
    b"\x89HDF\r\n": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\x00": "an SQLite database",
    b"ZF": "a file of joblib before 0.10",
}


@dataclass(frozen=True)
class PickleInspection:
    """What one file is.

    Attributes:
        file_name: the file's name without its folder.
        size_bytes: its size.
        sha256: of its bytes as they are, 64 hexadecimal digits.
        format: `pickle`, `joblib` (arrays between the opcodes), `joblib-zlib`, `joblib-gzip`, `joblib-bz2`,
            `joblib-lzma`, `joblib-xz`, `joblib-lz4`, or `unknown`.
        protocol: of the pickle, 0 to 5; None where it is none.
        framework: `scikit-learn`, `lightgbm`, `xgboost`, `pandas`, `numpy`, `builtins`, or `unknown`.
        class_module: module of the top-level object's class, as the file names it; empty where not known.
        class_name: name of the top-level object's class; empty where not known.
        globals: every `module.name` that the opcodes refer to, as the file names them, sorted.
        library_version: scikit-learn's version that wrote the top-level object, else the first one found; None where
            the file holds none.
        problem: why the file could not be followed to its end; then `globals` holds only what came before. None
            where all of it was read.
    """

    file_name: str
    size_bytes: int
    sha256: str
    format: str
    protocol: int | None
    framework: str
    class_module: str
    class_name: str
    globals: tuple[str, ...]
    library_version: str | None
    problem: str | None


def inspect_pickle(path: Path, *, limits: Limits | None = None) -> PickleInspection:
    """Read a PKL file statically. Safe on hostile files: bounded in memory and time, executes and imports nothing.

    Args:
        path: the file.
        limits: what the inspection may cost; the defaults take models of up to a gigabyte.

    Returns:
        What it is. A file that is no pickle, or a damaged one, is described by `problem`, not raised.

    Raises:
        SourceMissingError: there is no such file.
        SourceError: it is no regular file, or cannot be read.
    """
    limits = limits or Limits()
    try:
        # A named pipe would block on opening.
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError("This is no regular file.", where=str(path), remedy="Name a PKL file.")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            file.seek(0)
            return _inspect(file, path.name, size, sha256, limits)
    except FileNotFoundError as error:
        raise SourceMissingError(
            "There is no such file.", where=str(path), remedy="Check the `models:` folder in estate.yaml."
        ) from error
    except OSError as error:
        raise SourceError(
            f"The file cannot be read ({error.strerror or error}).", where=str(path), remedy="Check its permissions."
        ) from error


def _inspect(file: BinaryIO, name: str, size: int, sha256: str, limits: Limits) -> PickleInspection:
    start = file.read(16)
    file.seek(0)
    compression = next((kind for kind, prefix in COMPRESSION_PREFIXES.items() if start.startswith(prefix)), "")
    findings = Findings(limits)
    problem: str | None = None
    other = next((kind for prefix, kind in _OTHER_FORMATS.items() if start.startswith(prefix)), None)
    if not size:
        problem = "The file is empty."
    elif other is not None:
        problem = f"The file is {other}, not a pickle."
    else:
        try:
            walk(ByteStream(file, size=size, compression=compression, limits=limits), findings)
        except UnreadableError as error:
            problem = f"The file {error}."

    # Any file may begin with bytes that are opcodes: without a protocol, it is a pickle only if something came of it.
    is_pickle = findings.protocol is not None or findings.complete or bool(findings.globals)
    if not is_pickle and other is None and size:
        problem = "The file is not a pickle." if not compression else f"{problem} It holds no pickle."
    protocol = findings.protocol if findings.protocol is not None else findings.highest_opcode_protocol
    class_module, class_name = _class_of(findings.top) if findings.complete else ("", "")
    return PickleInspection(
        file_name=name,
        size_bytes=size,
        sha256=sha256,
        format=_format(compression, findings) if is_pickle else "unknown",
        protocol=protocol if is_pickle else None,
        framework=_framework(class_module, findings) if is_pickle else "unknown",
        class_module=printable(class_module),
        class_name=printable(class_name),
        globals=tuple(sorted(findings.globals)),
        library_version=_library_version(findings),
        problem=problem,
    )


def _format(compression: str, findings: Findings) -> str:
    if compression:
        return f"joblib-{compression}"
    return "joblib" if findings.joblib_arrays else "pickle"


def _class_of(top: Value) -> tuple[str, str]:
    """Module and name of the class of the top-level object."""
    if isinstance(top, Instance):
        return (top.made_by.module, top.made_by.name) if top.made_by is not None else ("", "")
    if isinstance(top, Global):
        return top.module, top.name
    if isinstance(top, Plain):
        return ("", "") if top.kind == "unknown" else ("builtins", top.kind)
    return "builtins", "dict" if isinstance(top, Mapping) else type(top).__name__


def _framework(class_module: str, findings: Findings) -> str:
    top = class_module.partition(".")[0]
    if top in _FRAMEWORKS:
        return _FRAMEWORKS[top]
    modules = {name.partition(".")[0] for name in findings.globals}
    for module, framework in _FRAMEWORKS.items():
        if module in modules:
            return framework
    return "builtins" if modules <= _STANDARD_MODULES and findings.complete else "unknown"


def _library_version(findings: Findings) -> str | None:
    version: Value = None
    if isinstance(findings.top, Instance):
        version = (findings.top.attributes or {}).get(VERSION_KEY)
    if not isinstance(version, str):
        version = findings.sklearn_versions[0] if findings.sklearn_versions else None
    return printable(version) if version is not None else None

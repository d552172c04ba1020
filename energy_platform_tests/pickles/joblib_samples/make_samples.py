"""Writes the samples beside it with a real joblib, and what its own unpickler resolved while loading them.

Run once per joblib version, in an environment that has joblib and numpy (scikit-learn where it is at hand):

    python make_samples.py
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
import pickle
from pathlib import Path

import joblib
import numpy as np
from joblib import numpy_pickle

FOLDER = Path(__file__).parent


def arrays() -> dict[str, object]:
    """Every kind of array whose bytes joblib lays out in its own way."""
    structured = np.zeros(3, dtype=[("when", "<M8[us]"), ("power", "<f4"), ("name", "<U5")])
    with_objects = np.zeros(2, dtype=[("count", "<i4"), ("any", "O")])
    twice = np.arange(4, dtype="<u2")
    return {
        "rows": np.arange(12, dtype="<f8").reshape(3, 4),
        "columns": np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4)),
        "empty": np.empty((0, 7)),
        "single": np.array(1.5),
        "flags": np.array([True, False, True]),
        "opcodes": np.frombuffer(b"cos\nsystem\n(S'true'\ntR.", dtype="u1"),
        "times": np.array(["2023-01-01T00:00:00.000001"], dtype="M8[us]"),
        "text": np.array(["건물", "B001"]),
        "bytes": np.array([b"a", b"bcd"]),
        "structured": structured,
        "with_objects": with_objects,
        "objects": np.array([None, "x", {"a": 1}, np.arange(3)], dtype=object),
        "matrix": np.matrix([[1, 2], [3, 4]]),
        "scalar": np.float64(2.5),
        "twice": [twice, twice],
    }


def write(name: str, value: object, **options: object) -> None:
    """One sample, loaded again with an unpickler that notes every name it resolves."""
    path = FOLDER / f"joblib-{joblib.__version__}-{name}.pkl"
    joblib.dump(value, path, **options)  # type: ignore[arg-type]
    resolved: set[str] = set()
    original = pickle._Unpickler.find_class

    def find_class(self: object, module: str, attribute: str) -> object:
        resolved.add(f"{module}.{attribute}")
        return original(self, module, attribute)  # type: ignore[arg-type]

    # Versions before 1.6 load arrays of objects with the unpickler written in C, which cannot be watched.
    native_load, pickle.load = pickle.load, lambda file: numpy_pickle.Unpickler(file).load()
    pickle._Unpickler.find_class = numpy_pickle.NumpyUnpickler.find_class = find_class  # type: ignore[assignment]
    try:
        joblib.load(path)
    finally:
        pickle.load = native_load
        pickle._Unpickler.find_class = original  # type: ignore[method-assign]
        del numpy_pickle.NumpyUnpickler.find_class
    manifest = FOLDER / "manifest.json"
    known = json.loads(manifest.read_text()) if manifest.exists() else {}
    known[path.name] = sorted(resolved)
    manifest.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """All samples of the joblib at hand."""
    for protocol in range(6):
        write(f"protocol-{protocol}", arrays(), protocol=protocol)
    for compression in ("zlib", "gzip", "bz2", "lzma", "xz"):
        write(compression, arrays(), compress=(compression, 3))
    try:
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        return
    features = np.arange(20.0).reshape(10, 2)
    model = make_pipeline(StandardScaler(), Ridge()).fit(features, features.sum(axis=1))
    write("sklearn-pipeline", model)


if __name__ == "__main__":
    main()

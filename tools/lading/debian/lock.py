"""The lock: which packages a suite gave, exactly; one file for people, Bazel and this package."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lading.debian.package import NAME, check_path
from lading.debian.version import version_key
from lading.errors import CorruptError, LadingError
from lading.oci.digest import Digest

__all__ = ["ARCHIVES", "Lock", "LockedPackage", "dump", "load"]

_FORMAT = 1
ARCHIVES = ("debian", "security")

_Leaf = TypeVar("_Leaf")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One .deb: where it is, what it is, and which packages of the lock it needs.

    `source` is its source package, `archive` is one of ARCHIVES, `path` is below that archive's
    mirror, `sha256` is hex, `size` is in bytes, `depends` is sorted.
    """

    name: str
    version: str
    source: str
    archive: str
    path: str
    sha256: str
    size: int
    depends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """All packages of a suite that images are built from.

    `codename` is that of the suite's Release file when it was locked, empty where it is not known.
    `sets` maps a set's name to an architecture to the sorted names of its packages, without
    those of the sets underneath it; `layers` maps a set's name to a layer to the packages in it,
    of whatever architecture; `packages` maps an architecture to a name to the package.
    """

    suite: str
    sets: Mapping[str, Mapping[str, tuple[str, ...]]]
    layers: Mapping[str, Mapping[str, tuple[str, ...]]]
    packages: Mapping[str, Mapping[str, LockedPackage]]
    codename: str = ""


def dump(lock: Lock) -> str:
    """The canonical text: sorted, one line a package, so that a diff shows what was updated."""
    members = [
        f'  "format": {_FORMAT}',
        f'  "suite": {json.dumps(lock.suite)}',
        f'  "codename": {json.dumps(lock.codename)}',
        _object("sets", lock.sets, _names_text),
        _object("layers", lock.layers, _names_text),
        _object("packages", lock.packages, _package_text),
    ]
    return "{\n" + ",\n".join(members) + "\n}\n"


def load(text: str, name: str) -> Lock:
    """Reads a lock; `name` is what messages call it.

    Raises:
        CorruptError: it is not a lock of this format.
    """
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise CorruptError(f"{name} has format {document['format']!r:.40}, not {_FORMAT}")
        return Lock(
            document["suite"],
            _name_lists(document["sets"]),
            _name_lists(document["layers"]),
            {
                architecture: {key: _locked(key, fields) for key, fields in packages.items()}
                for architecture, packages in document["packages"].items()
            },
            str(document.get("codename", "")),
        )
    except LadingError as error:
        raise CorruptError(
            f"{name}: {error.what}", fix="run: bazel run @lading//images:lock"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CorruptError(
            f"{name} is not a lock of Debian packages: {reason:.120}",
            fix="restore it, or delete it and run: bazel run @lading//images:lock",
        ) from None


def _name_lists(value: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        outer: {inner: tuple(map(str, names)) for inner, names in inners.items()}
        for outer, inners in value.items()
    }


def _names_text(names: tuple[str, ...]) -> str:
    return json.dumps(list(names))


def _locked(name: str, fields: Mapping[str, Any]) -> LockedPackage:
    package = LockedPackage(
        name=name,
        version=str(fields["version"]),
        source=str(fields["source"]),
        archive=fields["archive"],
        path=str(fields["path"]),
        sha256=fields["sha256"],
        size=int(fields["size"]),
        depends=tuple(fields["depends"]),
    )
    if not NAME.fullmatch(name) or package.archive not in ARCHIVES:
        raise CorruptError(f"{name!r:.80} from {package.archive!r:.40} is no locked package")
    version_key(package.version)
    check_path(package.path)
    Digest.parse(f"sha256:{package.sha256}")
    return package


def _package_text(package: LockedPackage) -> str:
    return json.dumps(
        {
            "version": package.version,
            "source": package.source,
            "archive": package.archive,
            "path": package.path,
            "sha256": package.sha256,
            "size": package.size,
            "depends": list(package.depends),
        }
    )


def _object(
    key: str, value: Mapping[str, Mapping[str, _Leaf]], text: Callable[[_Leaf], str]
) -> str:
    """A member that holds two levels of objects: indented, with one line for each leaf."""
    groups = []
    for name in sorted(value):
        leaves = [
            f"      {json.dumps(leaf)}: {text(value[name][leaf])}" for leaf in sorted(value[name])
        ]
        groups.append(f"    {json.dumps(name)}: {{\n" + ",\n".join(leaves) + "\n    }")
    return f"  {json.dumps(key)}: {{\n" + ",\n".join(groups) + "\n  }"

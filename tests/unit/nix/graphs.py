"""A closure of realistic size, generated: the shape of a NixOS service, not a recording of one.

Recorded closures of hundreds of objects need a binary cache, which is not reachable where the
tests run. So this has what such graphs have: a C library that nearly all need, a layer of common
libraries, tools, a language with hundreds of packages, and programs on top; sizes are log-normal.
"""

from __future__ import annotations

import base64
import hashlib
import json
from random import Random
from typing import Any

__all__ = ["closure", "object_name", "path_info"]

_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"


def object_name(name: str, salt: str = "") -> str:
    """A base name with a hash that depends on both."""
    digest = hashlib.sha256(f"{name} {salt}".encode()).digest()
    return "".join(_ALPHABET[byte % 32] for byte in digest) + f"-{name}"


def closure(size: int = 600, seed: int = 5) -> dict[str, tuple[int, list[str]]]:
    """Name to (bytes, names it refers to), without hashes: `server` and `worker` are the roots."""
    random = Random(seed)
    graph: dict[str, tuple[int, list[str]]] = {
        "glibc-2.40": (30_000_000, []),
        "gcc-14-lib": (9_000_000, ["glibc-2.40"]),
        "bash-5.2": (1_600_000, ["glibc-2.40"]),
        "zlib-1.3": (130_000, ["glibc-2.40"]),
        "openssl-3.3": (7_000_000, ["glibc-2.40"]),
    }
    low = list(graph)
    for number in range(size // 4):
        refers = {"glibc-2.40", *random.sample(low, random.randint(0, 3))}
        name = f"lib{number:03}-1.{number}"
        graph[name] = (int(random.lognormvariate(12, 1.8)), sorted(refers))
        low.append(name)
    language = "python3-3.12"
    graph[language] = (110_000_000, sorted({"bash-5.2", "openssl-3.3", *random.sample(low, 12)}))
    packages: list[str] = []
    while len(graph) < size - 2:
        refers = {language, *random.sample(packages, min(len(packages), random.randint(0, 4)))}
        refers |= set(random.sample(low, random.randint(0, 2)))
        name = f"python3.12-package{len(packages):03}-0.{len(packages)}"
        graph[name] = (int(random.lognormvariate(13, 1.5)), sorted(refers))
        packages.append(name)
    half = len(packages) // 2
    graph["server-1.0"] = (400_000, [language, *packages[: half + 40]])
    graph["worker-1.0"] = (300_000, [language, *packages[half - 40 :]])
    return graph


def path_info(
    graph: dict[str, tuple[int, list[str]]], salts: dict[str, str] | None = None
) -> bytes:
    """The graph as `nix path-info --json --json-format 1` prints it.

    Args:
        graph: see `closure`.
        salts: what changed, by name. As in Nix, everything that depends on it gets a new hash.
    """
    known: dict[str, str] = {}

    def path(name: str) -> str:
        if name not in known:
            below = "".join(path(other) for other in graph[name][1])
            known[name] = f"/nix/store/{object_name(name, below + (salts or {}).get(name, ''))}"
        return known[name]

    value: dict[str, Any] = {}
    for name, (size, refers) in graph.items():
        digest = base64.b64encode(hashlib.sha256(path(name).encode()).digest()).decode()
        value[path(name)] = {
            "narHash": f"sha256-{digest}",
            "narSize": size,
            "references": sorted(path(other) for other in refers),
            "version": 1,
        }
    return json.dumps(value).encode()

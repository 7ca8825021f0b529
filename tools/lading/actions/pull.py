"""Fetches a base image: what the repository rule `pull`, and its layers in build actions, run.

A repository rule starts it with whatever Python the machine has, so it needs the standard library
and nothing else.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lading.actions import flags
from lading.errors import InputError, LadingError, UsageError
from lading.http.limits import Limits
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.reference import Reference
from lading.registry import credentials
from lading.registry.credentials import Credential
from lading.registry.repository import Repository
from lading.registry.session import Session

__all__ = ["finder", "main", "run"]

#: A mirror that does not answer is passed over before anyone loses patience.
_MIRROR = Limits(connect=5, answer=20, idle=20, attempts=2, limited=2, silences=1)
_SINGLE = ("tag", "digest", "output", "layers", "credential_helper", "layer", "size")


def run(arguments: list[str]) -> dict[str, Any]:
    """Fetches one image, or one layer.

    Args:
        arguments: `--registry=HOST` for each place to ask, in order, `--repository=NAME`, and
            either `--tag=TAG` alone, to learn its digest; or `--digest=DIGEST --output=DIRECTORY`,
            with `--layers=1` for the layers too; or `--layer=DIGEST --size=BYTES --output=FILE`.
            `--credential_helper=PROGRAM` is a Bazel credential helper.

    Returns:
        What was fetched, for the repository rule.

    Raises:
        LadingError: the image cannot be had.
    """
    one, many = flags.parse(
        arguments, required=("repository",), single=_SINGLE, repeated=("registry",)
    )
    if not many["registry"]:
        raise UsageError("--registry is missing")
    *mirrors, registry = many["registry"]
    with contextlib.ExitStack() as sessions:
        patient, hasty = (
            sessions.enter_context(contextlib.closing(_session(one, limits)))
            for limits in (Limits(), _MIRROR)
        )
        places = [hasty.repository(host, one["repository"]) for host in mirrors]
        return _run([*places, patient.repository(registry, one["repository"])], one)


def _session(one: Mapping[str, str], limits: Limits) -> Session:
    return Session(
        limits=limits,
        find=finder(one.get("credential_helper", "")),
        realms=os.environ.get("LADING_REALMS", "").split(),
    )


def _run(places: list[Repository], one: Mapping[str, str]) -> dict[str, Any]:
    from lading.registry import pull

    if "layer" in one:
        descriptor = Descriptor("", Digest.parse(one["layer"]), int(one["size"]))
        pull.fetch_blob(places, descriptor, Path(one["output"]))
        return {}
    if "digest" not in one:
        host = places[-1].registry
        reference = Reference(host, one["repository"], one.get("tag") or "latest")
        return {"digest": str(pull.resolve(places, reference.tag))}
    pulled = pull.pull(
        places, Digest.parse(one["digest"]), Path(one["output"]), layers=one.get("layers") == "1"
    )
    return {
        "root": pulled.root.to_json(),
        "manifests": [
            {
                "descriptor": image.descriptor.to_json() | {"platform": image.platform},
                "config": image.config.digest.hex,
                "platform": image.platform,
                "layers": [
                    layer.to_json() | {"diff_id": diff_id}
                    for layer, diff_id in zip(
                        image.layers, image.diff_ids or [""] * len(image.layers), strict=True
                    )
                ],
            }
            for image in pulled.manifests
        ],
    }


def finder(helper: str) -> credentials.Credentials:
    """Asks a Bazel credential helper first, and then the files of container tools."""
    if not helper:
        return credentials.find

    def find(registry: str, repository: str) -> Credential | None:
        from lading.cas import helper as protocol

        for name, value in protocol.get(helper, f"https://{registry}/v2/{repository}"):
            kind, _, secret = value.partition(" ")
            if name == "authorization" and kind.lower() == "bearer":
                return Credential(registry_token=secret.strip(), source=helper)
            if name == "authorization" and kind.lower() == "basic":
                try:
                    username, _, password = base64.b64decode(secret).decode().partition(":")
                except ValueError:
                    raise InputError(f"{helper} answered no user:password") from None
                return Credential(username, password, source=helper)
        return credentials.find(registry, repository)

    return find


def main() -> None:
    """Runs as a program: JSON on stdout, or a message on stderr and an exit code."""
    try:
        print(json.dumps(run(flags.expand(sys.argv[1:]))))
    except LadingError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

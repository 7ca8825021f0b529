"""Tests of an image that users declare: of its structure, of a contract, of its digest.

Started by the rules of `rules/test.bzl`; prints one line for each check, and ends with 1 when one
does not hold.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from lading.commands import contract, deploy, entry, flags, structure, structure_config, target
from lading.commands.structure import Result
from lading.commands.structure_config import Command
from lading.errors import EngineError, InputError, NotFoundError, visible
from lading.layer.view import Opener, View
from lading.oci.descriptor import Descriptor
from lading.store import image as images

__all__ = ["main"]

#: A command, and the removal of a container, may take so long.
_SECONDS = 120.0


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    target.define(values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the tests; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "")
    spec, runfiles = target.files(values, "//…:a_test")
    subject = deploy.read(spec, runfiles)
    failed = total = 0
    for result in _results(subject, runfiles):
        total += 1
        failed += bool(result.problem)
        print(f"{'FAIL' if result.problem else 'ok  '} {result.name}")
        if result.problem:
            print(f"     {visible(result.problem)}")
    if not total:
        raise InputError(f"{subject.label}: there is nothing to check", fix="add a check")
    print(f"{total - failed} of {total} checks hold")
    return 1 if failed else 0


def _results(subject: deploy.Deploy, runfiles: Path) -> Iterator[Result]:
    if expected := subject.extra.get("digest"):
        actual = str(subject.root.digest)
        problem = f"it is {actual}; when that is right, set digest to it"
        yield Result(f"digest {expected}", "" if actual == expected else problem)
    paths = subject.extra.get("configs", [])
    configs = [structure_config.read((runfiles / path).read_bytes(), what=path) for path in paths]
    wanted = subject.extra.get("contract")
    if not configs and not wanted:
        return
    for descriptor in images.manifests(subject.built(), subject.root):
        image = images.read(subject.built(), descriptor)
        view = View([_opener(subject, layer) for layer in image.layers])
        value = json.loads(image.config_bytes)
        prefix = f"{image.platform}: " if descriptor != subject.root else ""
        found: list[Result] = []
        for config in configs:
            found += structure.check(config, view, value)
        if wanted:
            found += contract.check(wanted, view, value)
        for result in found:
            yield Result(prefix + result.name, result.problem)
    commands = [command for config in configs for command in config.commands]
    if commands:
        yield from _run(subject, commands)


def _opener(subject: deploy.Deploy, layer: Descriptor) -> Opener:
    def opened() -> BinaryIO:
        try:
            return subject.built().open(layer)
        except NotFoundError:
            raise NotFoundError(
                f"the layer {layer.digest} of {subject.label}'s image is not here",
                fix='set layer_handling = "eager" where its base is pulled',
            ) from None

    return opened


def _run(subject: deploy.Deploy, commands: Sequence[Command]) -> Iterator[Result]:
    """Runs command tests, each in a container of its own, without network."""
    from lading.engine import engines, loading

    name = subject.extra.get("daemon", "")
    if not name:
        raise InputError(
            f"{subject.label}: command tests need a container engine",
            fix='set daemon = "docker" or "podman", or move them to a test of their own',
        )
    tag = f"lading.test/{uuid.uuid4().hex}:test"
    with contextlib.closing(engines.connect(name)) as engine:
        try:
            loaded = loading.load(engine, subject.built(), subject.root, [tag])
            for command in commands:
                yield Result(f"command: {command.name}", _run_one(name, str(loaded.id), command))
        finally:
            engine.remove(tag)


def _run_one(engine: str, image: str, command: Command) -> str:
    container = f"lading-test-{uuid.uuid4().hex}"
    words = [engine, "run", "--rm", f"--name={container}", "--network=none"]
    words += [f"--entrypoint={command.words[0]}"]
    words += [f"--env={name}={value}" for name, value in command.env.items()]
    try:
        done = subprocess.run(
            [*words, image, *command.words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise EngineError(f"{engine} is not on PATH", fix=f"install the client {engine}") from None
    except subprocess.TimeoutExpired:
        # The client is gone; the container is the engine's, and would go on.
        _remove_container(engine, container)
        return f"it did not end within {_SECONDS:g} s"
    if done.returncode != command.exit_code:
        return f"exit code {done.returncode}, not {command.exit_code}: {done.stderr[-500:]!r}"
    return structure.matches(
        done.stdout, command.expected_output, command.excluded_output, "stdout"
    ) or structure.matches(done.stderr, command.expected_error, command.excluded_error, "stderr")


def _remove_container(engine: str, container: str) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [engine, "rm", "--force", container],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )


if __name__ == "__main__":
    entry.run(main)

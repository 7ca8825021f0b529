"""Images put to use: `load`, `lease`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lading.commands import flags
from lading.commands.meter import Meter
from lading.commands.store.shared import Verb, dump
from lading.engine import engines, loading
from lading.engine.engine import Loaded
from lading.errors import NotFoundError, UsageError
from lading.oci.platform import Platform
from lading.store import access, catalog_file, lease
from lading.store.lock import locked

__all__ = ["into_engine", "lease_", "load_"]


def load_(argv: Sequence[str]) -> int:
    """store load NAME [--daemon=docker] [--name=REFERENCE] [--platform=OS/ARCHITECTURE]

    Loads the image under its docker_tag, verified before and after, and prints the reference. A
    missing or damaged archive is an error, whatever the engine has under that name. So is an image
    for another platform than the engine's, unless --platform says it is wanted.
    """
    verb = Verb(load_.__doc__ or "")
    flags.define_enum("daemon", "docker", engines.ENGINES, "Engine.", flag_values=verb.flags)
    flags.define_string("host", "", "Address of the engine.", flag_values=verb.flags)
    flags.define_string("name", "", "Load under this name instead.", flag_values=verb.flags)
    flags.define_string("platform", "", "Platform to load for.", flag_values=verb.flags)
    [name] = verb.parse(argv, least=1, most=1)
    platform = Platform.parse(verb.flags.platform) if verb.flags.platform else None
    loaded = into_engine(
        verb.root, name, verb.flags.daemon, verb.flags.host, verb.flags.name, platform
    )
    if verb.json:
        dump({"name": name, **loaded.to_json()})
        return 0
    for reference in loaded.names:
        print(reference)
    return 0


def into_engine(
    root: Path,
    name: str,
    daemon: str,
    host: str,
    reference: str = "",
    platform: Platform | None = None,
) -> Loaded:
    """Loads a stored image and counts the use; says so on stderr.

    Raises NotFoundError, CorruptError, EngineError, …: see `access.opened` and `loading.load`.
    """
    with (
        Meter(f"{name}: verified") as meter,
        access.opened(root, name, "load", progress=meter) as found,
        contextlib.closing(engines.connect(daemon, host=host)) as engine,
        Meter(f"{name}: sent") as sent,
    ):
        loaded = loading.load(
            engine,
            found.archive,
            found.image.manifest,
            [reference or found.entry.docker_tag],
            platform=platform,
            progress=sent,
        )
    access.note_use(root, name)
    print(f"lading: {name} is in {loaded.engine} as {loaded.id}", file=sys.stderr)
    return loaded


def lease_(argv: Sequence[str]) -> int:
    """store lease NAME -- COMMAND [ARGUMENT…]

    Runs a command; cleanup leaves the image alone until it ends. The code is the command's.
    """
    words = list(argv)
    split = words.index("--") if "--" in words else len(words)
    command = words[split + 1 :]
    if not command and not {"--help", "-h"}.intersection(words):
        raise UsageError("no command is given", fix="usage: store lease NAME -- COMMAND")
    verb = Verb(lease_.__doc__ or "")
    [name] = verb.parse(words[:split], least=1, most=1)
    # Only the program: its arguments may hold what is nobody's business, and a lease is shown.
    purpose = os.path.basename(command[0])
    with locked(verb.root):
        access.find(catalog_file.read(verb.root), name)
        held = lease.take(verb.root, name, purpose)
    try:
        # The command inherits the lock: the lease lasts as long as either process does.
        with subprocess.Popen(
            command,
            pass_fds=[held.fileno()],
            cwd=os.environ.get("BUILD_WORKING_DIRECTORY") or None,
        ) as process:
            while True:
                try:
                    code = process.wait()
                    break
                except KeyboardInterrupt:
                    continue  # the terminal has told the command as well
    except FileNotFoundError:
        raise NotFoundError(f"there is no program {command[0]!r}") from None
    except OSError as error:
        raise UsageError(f"{command[0]!r} cannot be run: {error.strerror}") from None
    finally:
        held.release()
    return code if code >= 0 else 128 - code

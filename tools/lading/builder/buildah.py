"""buildah, without a daemon: its storage is the build's own and gone with it.

Instructions run in chroot isolation. Without a network, all of buildah runs in a network
namespace that has none, so nothing can be pulled either.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lading.builder import running, scratch
from lading.builder.dockerfile import Dockerfile
from lading.builder.failure import failure
from lading.builder.process import run
from lading.builder.progress import Event
from lading.builder.request import BuildRequest, OnEvent
from lading.builder.steps import Steps
from lading.errors import EngineError
from lading.oci.platform import MACHINES, Platform

__all__ = ["Buildah"]

#: unshare(1): a namespace whose processes end with the first of them, which ends with unshare.
_PROCESSES = ("--pid", "--fork", "--kill-child", "--mount-proc")


class Buildah:
    """The program `buildah`; `unshare` (util-linux) makes the namespace without a network."""

    name = "buildah"

    def __init__(self, program: str, unshare: str = "unshare") -> None:
        self._program, self._unshare = program, unshare

    def platform(self) -> Platform | None:
        """That of this machine, where it has one name only."""
        architecture = MACHINES.get(os.uname().machine, "")
        # Of arm there are several, told apart by the variant.
        return Platform("linux", architecture) if architecture not in ("", "arm") else None

    def build(self, request: BuildRequest, output: Path, on_event: OnEvent) -> None:
        """See `Builder.build`."""
        _refuse(request)
        with scratch.scratch() as directory:
            env = _environment(directory, request)
            self._choose_storage(directory, env)
            try:
                self._build(request, directory, env, on_event)
            finally:
                if os.geteuid() != 0:
                    # Files of other users of the build's namespace are only its own to remove.
                    clean = [self._program, "unshare", "rm", "-rf", str(directory / "graph")]
                    run(clean, env=env, on_line=lambda line: None)
            scratch.move(directory / "image.tar", output)

    def _build(
        self, request: BuildRequest, directory: Path, env: dict[str, str], on_event: OnEvent
    ) -> None:
        dockerfile = request.parse(request.text())
        self._pull(dockerfile, request, env, on_event)
        command = [*self._isolated(request), *_flags(request, dockerfile, directory, env)]
        command += [f"--tag=oci-archive:{directory}/image.tar", str(request.context.resolve())]
        steps = Steps(dockerfile)

        def on_line(line: str) -> None:
            for event in steps.feed(line):
                on_event(event)

        code = run(command, env=env, on_line=on_line, timeout=request.timeout)
        if code:
            raise failure(
                "buildah",
                steps.message() or f"it ended with {code}",
                line=steps.line,
                status=steps.status,
                step=bool(steps.line),
                output=steps.output,
            )
        for event in steps.finish():
            on_event(event)

    def _choose_storage(self, directory: Path, env: dict[str, str]) -> None:
        """Layers over each other where the file system can do that, copies of copies elsewhere."""
        for driver in ("overlay", "vfs"):
            (directory / "storage.conf").write_text(
                f'[storage]\ndriver = "{driver}"\ngraphroot = "{directory}/graph"\n'
                f'runroot = "{directory}/run"\n'
            )
            if driver == "vfs" or os.geteuid() != 0:
                continue  # without root, overlay takes a program that may not be there
            words: list[str] = []
            if run([*self._apart(), "info"], env=env, on_line=words.append) == 0:
                return
            shutil.rmtree(directory / "graph", ignore_errors=True)

    def _apart(self) -> list[str]:
        """buildah in namespaces of its own: all that it mounts or starts goes with it, even killed.

        Inside a container that may not mount /proc there is none for processes.
        """
        if os.geteuid() != 0:
            return [self._program]  # which makes some itself
        spaces = [self._unshare, "--mount", *_PROCESSES]
        words: list[str] = []
        if run([*spaces, "true"], env={"PATH": os.defpath}, on_line=words.append):
            spaces = [self._unshare, "--mount"]
        return [*spaces, self._program]

    def _isolated(self, request: BuildRequest) -> list[str]:
        bud = [self._program, "bud"]
        if os.geteuid() != 0:
            # Root in a user namespace of its own, which takes a runtime (runc or crun).
            network = "none" if request.network == "none" else "host"
            return [*bud, "--isolation=rootless", f"--network={network}"]
        bud = [*self._apart(), "bud", "--isolation=chroot", "--network=host"]
        return [self._unshare, "--net", *bud] if request.network == "none" else bud

    def _pull(
        self, dockerfile: Dockerfile, request: BuildRequest, env: dict[str, str], on_event: OnEvent
    ) -> None:
        """Fetches what was allowed, before the network is cut."""
        for name, platform in _pulls(dockerfile, request).items():
            words: list[str] = []
            on_event(Event("info", text=f"pulling {name}"))
            command = [*self._apart(), "pull", "--quiet", "--retry=1", *platform, name]
            if run(command, env=env, on_line=words.append, timeout=request.timeout):
                why = " ".join(" ".join(words).split())
                raise EngineError(f"{name} cannot be pulled: {why:.400}")


def _refuse(request: BuildRequest) -> None:
    """Raises EngineError for what only BuildKit does."""
    caches = request.cache_from or request.cache_to
    more = sorted(request.entitlements - {"network.host"})
    if caches or more:
        raise EngineError(
            f"buildah has no {'cache' if caches else more[0]}: it begins every build anew, in"
            " chroot isolation",
            fix="use builder=docker or builder=buildkit",
        )


def _pulls(dockerfile: Dockerfile, request: BuildRequest) -> dict[str, list[str]]:
    """The images to fetch, each with the flag for its platform where that is not this machine's."""
    taken = [item for item in dockerfile.external(request.target) if item.how != "ADD"]
    targets = {item.name for item in taken if not item.runs_here}
    flag = [f"--platform={request.platform}"] if request.platform else []
    names = {item.name for item in taken} & request.allow - set(request.bases)
    return {name: flag if name in targets else [] for name in sorted(names)}


def _environment(directory: Path, request: BuildRequest) -> dict[str, str]:
    (directory / "tmp").mkdir()
    login = {}
    if request.allow and scratch.login(directory, os.environ):
        login["REGISTRY_AUTH_FILE"] = str(directory / "config.json")
    passed = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_RUNTIME_DIR")
    return {
        **{name: os.environ[name] for name in passed if name in os.environ},
        "HOME": str(directory),
        "TMPDIR": str(directory / "tmp"),
        "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        "LC_ALL": "C",
        **login,
    }


def _flags(
    request: BuildRequest, dockerfile: Dockerfile, directory: Path, env: dict[str, str]
) -> list[str]:
    flags = [
        "--pull=never",
        "--layers=false",
        "--format=oci",
        "--identity-label=false",
        f"--file={request.file}",
        "--build-arg=SOURCE_DATE_EPOCH=0",
        *(f"--build-arg={name}={value}" for name, value in sorted(request.build_args.items())),
        *(f"--label={name}={value}" for name, value in sorted(request.labels.items())),
        *scratch.secret_flags(request, env),
        *running.run_flags(request),
    ]
    links = scratch.base_links(request, directory)
    flags += [
        # buildah compares the text as it is written, before variables are replaced.
        f"--build-context={reference.text}=container-image://oci:{links[reference.name]}"
        for reference in dockerfile.external(request.target)
        if reference.name in links
    ]
    ignore = scratch.ignore_file(request)
    if ignore is not None:
        flags.append(f"--ignorefile={ignore}")
    if request.target:
        flags.append(f"--target={request.target}")
    if request.platform:
        flags.append(f"--platform={request.platform}")
    return flags

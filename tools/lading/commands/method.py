"""Says which way to make an image of a target fits: nix, rules or a Dockerfile; and why.

    method TARGET...     labels, such as //server:server, //server:Dockerfile or //server:image

Nothing is built: `bazel query` is asked what the targets consist of.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from lading.builder import method
from lading.builder.method import Verdict
from lading.builder.targets import nodes
from lading.commands import entry, flags
from lading.errors import InputError, NotFoundError, UsageError

__all__ = ["main"]

_QUERY = ("query", "--output=streamed_jsonproto", "--noimplicit_deps", "--notool_deps",
          "--keep_going", "--noshow_progress")  # fmt: skip
#: Depth of the graph that is looked at. What decides is near the target.
_DEPTH = 6


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = flags.FlagValues()
    flags.define_bool("json", False, "Print one JSON object a target.", flag_values=values)
    flags.define_string(
        "bazel",
        "",
        "How Bazel is run, startup options included; by default $BAZEL, bazel or bazelisk on PATH,"
        " or the workspace's bazelw.",
        flag_values=values,
    )
    targets = entry.parse(values, argv, usage=__doc__ or "")
    if not targets:
        raise UsageError("no target is named", fix="usage: method TARGET...")
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY", os.getcwd())
    bazel = shlex.split(values.bazel) or _bazel(workspace)
    for target in targets:
        graph = nodes(_ask(bazel, f"deps({_quoted(target)}, {_DEPTH})", workspace))
        labels = _ask(bazel, _quoted(target), workspace)
        for label in nodes(labels):
            verdict = method.decide(label, graph)
            print(json.dumps(verdict.to_json()) if values.json else _text(verdict))
    return 0


def _ask(bazel: Sequence[str], query: str, workspace: str) -> list[str]:
    try:
        done = subprocess.run(
            [*bazel, *_QUERY, query],
            cwd=os.environ.get("BUILD_WORKING_DIRECTORY", workspace),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise InputError(f"{bazel[0]} cannot be run: {error.strerror}") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        why = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise NotFoundError(
            f"bazel query knows nothing of it: {(why or ['no output'])[0].removeprefix('ERROR: ')}"
        )
    return lines


def _bazel(workspace: str) -> list[str]:
    for name in (os.environ.get("BAZEL", ""), "bazel", "bazelisk", f"{workspace}/bazelw"):
        if name and (found := shutil.which(name)):
            return [found]
    raise NotFoundError("there is no Bazel on PATH", fix="say how it is run: --bazel=…")


def _quoted(target: str) -> str:
    if any(character in target for character in "\"' ()\n"):
        raise UsageError(f"{target!r:.120} is no label")
    return f'"{target}"'


def _text(verdict: Verdict) -> str:
    lines = [f"{verdict.label}: {verdict.method}", *(f"  {reason}" for reason in verdict.why)]
    if verdict.now not in ("", verdict.method):
        lines.append(f"  it is made by a {verdict.now} now; use {verdict.example}")
    elif not verdict.now and verdict.example:
        lines.append(f"  use {verdict.example}")
    return "\n".join(lines)


if __name__ == "__main__":
    entry.run(main)

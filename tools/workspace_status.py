#!/usr/bin/env python3
"""Tells Bazel the commit that is checked out, for `--workspace_status_command`.

    build --workspace_status_command=tools/workspace_status.py

It prints STABLE_GIT_COMMIT, STABLE_GIT_BRANCH (empty for a detached head) and STABLE_GIT_MODIFIED,
`modified` when git is there and says that tracked files differ from the commit. The commit is read
from `.git` itself, so git need not be installed. Outside a repository it prints nothing. It needs
nothing but Python 3: copy it into your repository.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["main", "status"]

_HEADS = "ref: refs/heads/"
_MOST_LINKS = 5


def status(directory: Path) -> dict[str, str]:
    """The keys and values for the repository around `directory`; empty when there is none."""
    found = _git_directory(directory.resolve())
    if found is None:
        return {}
    top, git = found
    head = _read(git / "HEAD")
    commit = _commit(git, head)
    if not commit:
        return {}
    return {
        "STABLE_GIT_COMMIT": commit,
        "STABLE_GIT_BRANCH": head.removeprefix(_HEADS) if head.startswith(_HEADS) else "",
        "STABLE_GIT_MODIFIED": "modified" if _modified(top, git) else "",
    }


def main() -> None:
    """Prints one line a key, as Bazel reads them."""
    for key, value in status(Path.cwd()).items():
        print(key, value)


def _git_directory(start: Path) -> tuple[Path, Path] | None:
    """The top of the work tree and its git directory; in a linked work tree `.git` is a file."""
    for directory in (start, *start.parents):
        git = directory / ".git"
        if git.is_dir():
            return directory, git
        if git.is_file():
            target = _read(git).removeprefix("gitdir:").strip()
            return directory, (directory / target).resolve()
    return None


def _commit(git: Path, head: str) -> str:
    """What a head stands for: a hash, or a reference that leads to one (gitrepository-layout)."""
    common = _read(git / "commondir")
    places = [git, (git / common).resolve()] if common else [git]
    for _ in range(_MOST_LINKS):
        if not head.startswith("ref:"):
            return head
        name = head.removeprefix("ref:").strip()
        head = next((text for place in places if (text := _read(place / name))), "")
        head = head or _packed(places[-1], name)
    return ""


def _packed(git: Path, name: str) -> str:
    for line in _read(git / "packed-refs").splitlines():
        commit, _, reference = line.partition(" ")
        if reference == name:
            return commit
    return ""


def _modified(top: Path, git: Path) -> bool:
    # Named, or git would go on to a repository further up where it does not like this one.
    repository = [f"--git-dir={git}", f"--work-tree={top}"]
    try:
        result = subprocess.run(
            ["git", *repository, "status", "--porcelain", "--untracked-files=no"],
            cwd=top,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return False
    return result.returncode == 0 and bool(result.stdout.strip())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


if __name__ == "__main__":
    main()

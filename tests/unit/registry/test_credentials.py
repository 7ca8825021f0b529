"""Where logins are found: the files and helpers of docker and podman (docs/push.md, "Logins")."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.errors import InputError, LadingError
from lading.registry import login
from lading.registry.credentials import Credential, find

_SECRET = "sentinel-9d1f"
Write = Callable[[str, Any], Path]


def _auth(user: str, password: str = _SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and nothing else."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


@pytest.fixture
def write(home: Path) -> Write:
    def to(place: str, value: Any) -> Path:
        path = home / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return to


@pytest.fixture
def helper(home: Path) -> Callable[..., None]:
    """Installs a credential helper that runs `script` and notes what it is asked."""

    def install(script: str, name: str = "box") -> None:
        path = home / "bin" / f"docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "$@" >>{home}/argv\ncat >>{home}/asked\n{script}\n')
        path.chmod(0o755)

    return install


def test_nobody_is_known_without_files() -> None:
    assert find("localhost:5000", "app") is None


def test_files_are_searched_in_order(
    home: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def user() -> str:
        found = find("r.example.com", "app")
        assert found is not None
        return found.username

    write(".config/containers/auth.json", {"auths": {"r.example.com": _auth("xdg default")}})
    assert user() == "xdg default"
    write("config/containers/auth.json", {"auths": {"r.example.com": _auth("xdg")}})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    assert user() == "xdg"
    write("run/containers/auth.json", {"auths": {"r.example.com": _auth("runtime")}})
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    assert user() == "runtime"
    write(".docker/config.json", {"auths": {"r.example.com": _auth("docker")}})
    assert user() == "docker"
    write("other/config.json", {"auths": {"r.example.com": _auth("docker config")}})
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "other"))
    assert user() == "docker config"
    path = write("auth.json", {"auths": {"r.example.com": _auth("file")}})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(path))
    assert user() == "file"
    path.write_text(json.dumps({"auths": {"elsewhere": _auth("file")}}))
    assert user() == "docker config"


def test_the_longest_prefix_counts(write: Write) -> None:
    keys = ["r.example.com", "r.example.com/team", "r.example.com/team/app", "r.example.com/te"]
    write(".docker/config.json", {"auths": {key: _auth(key) for key in keys}})
    for repository, user in [
        ("team/app", "r.example.com/team/app"),
        ("team/app/sub", "r.example.com/team/app"),
        ("team/application", "r.example.com/team"),
        ("tea", "r.example.com"),
    ]:
        found = find("r.example.com", repository)
        assert found is not None
        assert found.username == user


@pytest.mark.parametrize(
    ("key", "registry", "known"),
    [
        ("r.example.com", "r.example.com", True),
        ("https://r.example.com", "r.example.com", True),
        ("https://r.example.com/", "r.example.com", True),
        ("https://r.example.com/v2/", "r.example.com", True),
        ("R.Example.com", "r.example.com", True),
        ("https://index.example.com/v1/", "example.com", True),
        ("https://index.example.com/v1/", "index.example.com", True),
        ("https://index.example.com/v1/", "registry-1.example.com", True),
        ("https://index.example.com/v1/", "other.example.com", False),
        ("r.example.com", "r.example.com:5000", False),
        ("r.example.com:5000", "r.example.com", False),
        ("example.com", "r.example.com", False),
        ("r.example.com", "r.example.com.evil.example", False),
        ("r.example.com", "evil-r.example.com", False),
    ],
)
def test_a_key_stands_for_its_registry_only(
    write: Write, key: str, registry: str, known: bool
) -> None:
    write(".docker/config.json", {"auths": {key: _auth("me")}})
    assert (find(registry, "app") is not None) == known


@pytest.mark.parametrize(
    ("entry", "user", "password", "identity", "token"),
    [
        (_auth("me", "a:b:c"), "me", "a:b:c", "", ""),
        (_auth("me", "padded\0\0"), "me", "padded", "", ""),
        ({"username": "me", "password": "x"}, "me", "x", "", ""),
        ({"identitytoken": "t"}, "", "", "t", ""),
        (_auth("<token>", "t"), "", "", "t", ""),
        ({"registrytoken": "t"}, "", "", "", "t"),
    ],
)
def test_entries(
    write: Write, entry: dict[str, str], user: str, password: str, identity: str, token: str
) -> None:
    write(".docker/config.json", {"auths": {"r.example.com": entry}})
    found = find("r.example.com", "app")
    assert found is not None
    assert (found.username, found.password) == (user, password)
    assert (found.identity_token, found.registry_token) == (identity, token)
    assert "sentinel" not in repr(found)


class TestHelpers:
    _ANSWER = json.dumps({"ServerURL": "x", "Username": "me", "Secret": _SECRET})

    @pytest.mark.parametrize(
        "config", [{"credHelpers": {"r.example.com": "box"}}, {"credsStore": "box"}]
    )
    def test_are_asked(
        self, home: Path, write: Write, helper: Callable[..., None], config: dict[str, Any]
    ) -> None:
        helper(f"echo '{self._ANSWER}'")
        write(".docker/config.json", config)
        found = find("r.example.com", "app")
        assert found is not None
        assert (found.username, found.password) == ("me", _SECRET)
        # The name goes in by standard input, and nothing but the verb is on the command line.
        assert (home / "argv").read_text() == "get\n"
        assert (home / "asked").read_text() == "r.example.com"

    def test_identity_token(self, write: Write, helper: Callable[..., None]) -> None:
        helper(f"echo '{json.dumps({'Username': '<token>', 'Secret': _SECRET})}'")
        write(".docker/config.json", {"credsStore": "box"})
        found = find("r.example.com", "app")
        assert found is not None
        assert found.identity_token == _SECRET

    def test_one_of_the_registry_comes_before_its_entry_and_the_default_last(
        self, write: Write, helper: Callable[..., None]
    ) -> None:
        helper(f"echo '{self._ANSWER}'")
        helper("exit 1", "broken")
        entry = {"r.example.com": _auth("entry")}
        config = {"credHelpers": {"r.example.com": "box"}, "credsStore": "broken", "auths": entry}
        write(".docker/config.json", config)
        found = find("r.example.com", "app")
        assert found is not None
        assert found.username == "me"
        write(".docker/config.json", {"credsStore": "broken", "auths": entry})
        found = find("r.example.com", "app")
        assert found is not None
        assert found.username == "entry"

    def test_an_empty_name_stands_for_the_file(
        self, home: Path, write: Write, helper: Callable[..., None]
    ) -> None:
        """As for docker, where that takes a registry from the default helper."""
        helper("exit 1")
        config = {"credHelpers": {"r.example.com": ""}, "credsStore": "box"}
        write(".docker/config.json", config)
        assert find("r.example.com", "app") is None
        kept = login.store("r.example.com", Credential("me", _SECRET))
        assert kept == str(home / ".docker/config.json")
        found = find("r.example.com", "app")
        assert found is not None
        assert (found.username, found.password) == ("me", _SECRET)

    def test_one_that_knows_nothing_is_no_error(
        self, write: Write, helper: Callable[..., None]
    ) -> None:
        helper("echo 'credentials not found in native keychain'; exit 1")
        write(".docker/config.json", {"credsStore": "box"})
        assert find("r.example.com", "app") is None

    @pytest.mark.parametrize(
        "script",
        [
            f"echo {_SECRET} >&2; exit 3",
            f"echo '{_SECRET}'",
            f'echo \'{{"Username": ["{_SECRET}"], "Secret": 1}}\'',
            f"echo '[\"{_SECRET}\"]'",
        ],
    )
    def test_one_that_fails_is_named_without_what_it_said(
        self, write: Write, helper: Callable[..., None], script: str
    ) -> None:
        helper(script)
        write(".docker/config.json", {"credsStore": "box"})
        with pytest.raises(InputError, match="docker-credential-box") as caught:
            find("r.example.com", "app")
        assert _SECRET not in str(caught.value)

    @pytest.mark.parametrize("name", ["missing", "../box", "a/b", " ", "-x", "x;y"])
    def test_one_that_is_none(self, write: Write, name: str) -> None:
        write(".docker/config.json", {"credHelpers": {"r.example.com": name}})
        with pytest.raises(InputError, match="helper"):
            find("r.example.com", "app")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        f'"{_SECRET}"',
        '{"auths": [1]}',
        '{"auths": {"r.example.com": "x"}}',
        f'{{"auths": {{"r.example.com": {{"auth": "{_SECRET}!"}}}}}}',
        f'{{"auths": {{"r.example.com": {{"auth": ["{_SECRET}"]}}}}}}',
        f'{{"auths": {{"r.example.com": {{"auth": "x", "auth": "{_SECRET}"}}}}}}',
        '{"credHelpers": {"r.example.com": 1}}',
        '{"auths": ' + "[" * 100_000,
    ],
)
def test_file_that_cannot_be_understood_is_named_without_its_secrets(
    write: Write, text: str
) -> None:
    path = write(".docker/config.json", text)
    with pytest.raises(LadingError, match=str(path)) as caught:
        find("r.example.com", "app")
    assert _SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_empty_file_is_no_error(write: Write) -> None:
    write(".docker/config.json", "")
    assert find("r.example.com", "app") is None

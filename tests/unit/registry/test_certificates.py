"""Authorities and client certificates of one registry, in directories such as docker has them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.errors import DeniedError, InputError
from lading.http.origin import Origin
from lading.oci.descriptor import Descriptor
from lading.registry import certificates, manifests
from lading.registry.content import RegistryContent
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.certificates import (
    ANOTHER_AUTHORITY,
    CERTIFICATE,
    CLIENT,
    CLIENT_KEY,
    ENCRYPTED_KEY,
    KEY,
    another_context,
)
from tests.registry_server.faults import Answer, Fault
from tests.registry_server.proxy import serve_proxy
from tests.registry_server.registry import Registry
from tests.registry_server.server import Server, TokenServer, serve, serve_tokens

Make = Callable[..., Session]
_IMAGE = images.manifest(100_000)
_LAYER = Descriptor.from_json(json.loads(_IMAGE.data)["layers"][0], what="a layer")
_PAIR = {"client.cert": CLIENT, "client.key": CLIENT_KEY}
_ALL = {"ca.crt": ANOTHER_AUTHORITY, **_PAIR}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's directory of configurations."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def guarded() -> Iterator[Server]:
    """A registry that wants to know its clients by a certificate."""
    with serve(tls=another_context(client=True)) as running:
        yield running


def _keep(config: Path, host: str, files: dict[str, Path], tool: str = "containers") -> Path:
    directory = config / tool / "certs.d" / host
    directory.mkdir(parents=True)
    for name, source in files.items():
        shutil.copyfile(source, directory / name)
    return directory


def _push(session: Session, registry: str) -> None:
    repository = session.repository(registry, "app")
    Pusher().run([Job(_IMAGE.root, _IMAGE.content, repository, ("latest",))])


@pytest.mark.parametrize("tool", ["containers", "docker"])
@pytest.mark.parametrize("tls12", [True, False])
def test_registry_with_an_authority_and_clients_of_its_own(
    session: Session, config: Path, tool: str, *, tls12: bool
) -> None:
    with serve(tls=another_context(client=True, tls12=tls12)) as server:
        _keep(config, server.address, _ALL, tool)
        _push(session, server.address)
        assert server.registry.complete("app", str(_IMAGE.root.digest))


def test_home_has_the_directory_of_configurations(
    guarded: Server, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    _keep(tmp_path / ".config", guarded.address, _ALL)
    _push(session, guarded.address)


@pytest.mark.parametrize("name", ["registry.example.com", "registry.example.com:443"])
@pytest.mark.parametrize("registry", ["registry.example.com", "registry.example.com:443"])
def test_usual_port_may_be_left_out(
    guarded: Server,
    session: Session,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    registry: str,
) -> None:
    _keep(config, name, _ALL)
    with serve_proxy(guarded.address) as proxy:
        monkeypatch.setenv("https_proxy", proxy.address)
        monkeypatch.delenv("no_proxy", raising=False)
        _push(session, registry)
    assert guarded.registry.complete("app", str(_IMAGE.root.digest))


def test_authority_counts_for_its_registry_only(
    guarded: Server, session: Session, config: Path
) -> None:
    _keep(config, guarded.address, _ALL)
    _push(session, guarded.address)
    with serve(tls=another_context()) as other:
        with pytest.raises(InputError, match="not trusted"):
            _push(session, other.address)
        assert other.log == []


def test_first_directory_counts(
    guarded: Server, make_session: Make, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [*certificates.places({"HOME": "/home/me"})]
    assert found == [
        "/home/me/.config/containers/certs.d",
        "/home/me/.config/docker/certs.d",
        "/etc/containers/certs.d",
        "/etc/docker/certs.d",
    ]
    system = _keep(config / "etc", guarded.address, _ALL)
    places = [str(config / "none"), str(config / "docker/certs.d"), str(system.parent)]
    monkeypatch.setattr(certificates, "places", lambda environ: places)
    _push(make_session(), guarded.address)
    _keep(config, guarded.address, {}, "docker")
    with pytest.raises(InputError, match="not trusted"):
        _push(make_session(), guarded.address)


def test_first_client_certificate_by_name_is_shown(
    guarded: Server, session: Session, config: Path
) -> None:
    other = {"zz.cert": CERTIFICATE, "zz.key": KEY, "README": CLIENT}
    _keep(config, guarded.address, {**_ALL, **other})
    _push(session, guarded.address)


class TestNobodyElseLearnsWhoWeAre:
    """A client certificate is a login: it goes to its registry, and nowhere that leads to."""

    @pytest.fixture
    def storage(self) -> Iterator[Server]:
        """Where a registry sends its clients for blobs; it wants to know them as well."""
        with serve(tls=another_context(client=True)) as running:
            yield running

    def _pull(self, session: Session, server: Server) -> bytes:
        content = RegistryContent(session.repository(server.address, "app"))
        with content.open(_LAYER) as stream:
            return stream.read()

    def test_by_a_redirect(
        self, guarded: Server, storage: Server, session: Session, config: Path
    ) -> None:
        _keep(config, guarded.address, _ALL)
        _keep(config, storage.address, _ALL)
        _push(session, guarded.address)
        _push(session, storage.address)
        storage.log.clear()
        place = f"https://{storage.address}/v2/app/blobs/{_LAYER.digest}"
        guarded.script.add(Fault("GET", "/blobs/", Answer(307, {"Location": place}), times=0))
        with pytest.raises(DeniedError, match=f"{storage.address} wants a client certificate"):
            self._pull(session, guarded)
        assert storage.log == []

    def test_by_a_redirect_whose_authority_is_kept(
        self, guarded: Server, session: Session, config: Path
    ) -> None:
        _keep(config, guarded.address, _ALL)
        _push(session, guarded.address)
        with serve(tls=another_context()) as storage:
            _keep(config, storage.address, _ALL)
            _push(session, storage.address)
            place = f"https://{storage.address}/v2/app/blobs/{_LAYER.digest}"
            guarded.script.add(Fault("GET", "/blobs/", Answer(307, {"Location": place}), times=0))
            storage.log.clear()
            assert len(self._pull(session, guarded)) == _LAYER.size
            assert storage.count("GET") == 1

    def test_by_a_token_server_elsewhere(self, make_session: Make, config: Path) -> None:
        context = another_context(client=True)
        with (
            serve_tokens(tls=context, host="localhost") as tokens,
            serve(Registry(token=tokens.auth), tls=context) as server,
        ):
            _keep(config, server.address, _ALL)
            _keep(config, tokens.realm.split("/")[2], {"ca.crt": ANOTHER_AUTHORITY})
            session = make_session(realms=[tokens.realm.removesuffix("/token")])
            with pytest.raises(DeniedError, match=r"localhost:.* wants a client certificate"):
                _push(session, server.address)
            assert tokens.log == []


@pytest.fixture
def beside(config: Path) -> Iterator[tuple[Server, TokenServer]]:
    """A registry that we have a certificate for, and its token server on another port."""
    context = another_context(client=True)
    with (
        serve_tokens(tls=context) as tokens,
        serve(Registry(token=tokens.auth), tls=context) as server,
    ):
        _keep(config, server.address, _ALL)
        yield server, tokens


def test_token_server_on_the_same_host_is_one_with_the_registry(
    session: Session, beside: tuple[Server, TokenServer]
) -> None:
    """GitLab's: the registry has a port of its own."""
    server, tokens = beside
    _push(session, server.address)
    assert tokens.log


def test_token_server_on_the_same_host_may_have_a_directory_of_its_own(
    session: Session, config: Path, beside: tuple[Server, TokenServer]
) -> None:
    server, tokens = beside
    _keep(config, tokens.realm.split("/")[2], {})
    with pytest.raises(InputError, match="not trusted"):
        _push(session, server.address)


@pytest.mark.parametrize("tls12", [True, False])
def test_missing_client_certificate_is_told_at_once(
    session: Session, config: Path, pauses: list[float], *, tls12: bool
) -> None:
    with serve(tls=another_context(client=True, tls12=tls12)) as server:
        _keep(config, server.address, {"ca.crt": ANOTHER_AUTHORITY})
        with pytest.raises(DeniedError, match=r"wants? a client certificate") as caught:
            _push(session, server.address)
    assert f"containers/certs.d/{server.address}/client.cert" in caught.value.fix
    assert pauses == []


@pytest.mark.parametrize("tls12", [True, False])
def test_refused_client_certificate_is_named(
    session: Session, config: Path, pauses: list[float], *, tls12: bool
) -> None:
    pair = {"client.cert": CERTIFICATE, "client.key": KEY}
    with serve(tls=another_context(client=True, tls12=tls12)) as server:
        directory = _keep(config, server.address, {"ca.crt": ANOTHER_AUTHORITY, **pair})
        with pytest.raises(DeniedError, match=f"refuses the client .* {directory}/client.cert"):
            _push(session, server.address)
    assert pauses == []


@pytest.mark.parametrize(
    "said", ["No required SSL certificate was sent", "The SSL certificate error"]
)
def test_certificate_that_a_web_server_asks_for_after_the_handshake(
    session: Session, config: Path, said: str
) -> None:
    """nginx in front of a registry ends the handshake, and says 400 with a page of its own."""
    page = f"<html>\r\n<head><title>400 {said}</title></head>\r\n<body>…</body></html>".encode()
    with serve(tls=another_context()) as server:
        _keep(config, server.address, {"ca.crt": ANOTHER_AUTHORITY})
        server.script.add(Fault("*", "", Answer(400, {"Content-Type": "text/html"}, page), times=0))
        # Of a HEAD there is no page.
        with pytest.raises(InputError, match="says 400") as asked:
            _push(session, server.address)
        with pytest.raises(DeniedError, match=f"says 400 \\({said}\\)") as told:
            manifests.get(session.repository(server.address, "app"), "latest")
    place = f"keep it, with its key, as ~/.config/containers/certs.d/{server.address}/client.cert"
    assert asked.value.fix.startswith(f"if it wants a client certificate, {place}")
    assert told.value.fix.startswith(place)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"x.key": CLIENT_KEY}, "/x.key has no certificate beside it"),
        ({"x.cert": CLIENT}, "/x.cert has no key beside it"),
        ({"x.cert": CLIENT, "x.key": KEY}, "/x.key is not the key of .*/x.cert"),
        ({"x.cert": CLIENT, "x.key": ENCRYPTED_KEY}, "/x.key is encrypted"),
        ({"x.cert": CLIENT, "x.key": Path("/dev/null")}, "/x.key are no certificate and its key"),
        ({"x.crt": CLIENT_KEY}, "/x.crt holds no certificates"),
        ({"x.crt": Path("/dev/null")}, "/x.crt holds no certificates"),
    ],
)
def test_files_that_do_not_fit_are_told(
    guarded: Server, session: Session, config: Path, files: dict[str, Path], says: str
) -> None:
    directory = _keep(config, guarded.address, files)
    with pytest.raises(InputError, match=f"{directory}{says}"):
        _push(session, guarded.address)
    assert guarded.log == []


@pytest.mark.parametrize("name", ["client.key", "client.cert", "ca.crt"])
def test_file_that_cannot_be_read_is_told(
    guarded: Server, session: Session, config: Path, name: str
) -> None:
    directory = _keep(config, guarded.address, _ALL)
    (directory / name).unlink()
    (directory / name).symlink_to("nowhere")
    with pytest.raises(InputError, match=f"{directory}/{name} cannot be read: No such file"):
        _push(session, guarded.address)


def test_plain_http_reads_nothing(
    server: Server, session: Session, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep(config, server.address, {"x.key": CLIENT_KEY})
    _push(session, server.address)


def test_directory_of_an_address_of_ipv6(config: Path) -> None:
    directory = _keep(config, "[fd00::1]:5000", _ALL)
    found = certificates.find(Origin.of_registry("[fd00::1]:5000"))
    assert found is not None
    assert found.directory == str(directory)

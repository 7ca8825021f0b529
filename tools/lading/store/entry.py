"""What the catalog says about one image (requirement S1.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lading.errors import InputError
from lading.oci.platform import MACHINES
from lading.store import naming, places
from lading.store.naming import Name

__all__ = ["Entry", "now"]

_LISTS = ("compilers", "packages", "tools", "variants")
_TEXTS = ("file", "docker_tag", "os", "architecture", "created", "last_used", "digest", "image_id")
_OWN = {"name", "size_mb", "usage_count", *_LISTS, *_TEXTS}
#: Architectures as other systems write them; the catalog has Go's names.
_ARCHITECTURES = {**MACHINES, "x64": "amd64"}


@dataclass(frozen=True, slots=True)
class Entry:
    """An image of the store as the catalog knows it.

    `os` includes the version (`ubuntu-24.04`); times are ISO 8601 in UTC, empty when unknown;
    `size_mb` is in units of 1,000,000 bytes. `digest` and `image_id` are those of the manifest
    and of the config that were registered, empty in catalogs of other programs. `extra` holds
    the keys that lading does not know.
    """

    name: str
    file: str
    docker_tag: str = ""
    os: str = ""
    architecture: str = ""
    compilers: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    size_mb: float = 0
    created: str = ""
    last_used: str = ""
    usage_count: int = 0
    digest: str = ""
    image_id: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parsed(self) -> Name:
        """Its name in parts."""
        return naming.parse(self.name)

    @property
    def size(self) -> int:
        """Bytes, as exact as `size_mb` is."""
        return round(self.size_mb * 1_000_000)

    @property
    def last_used_at(self) -> str:
        """`last_used` so that of two the later text is the later time; as it is if unreadable.

        Other programs write other forms: a space for the T, a zone, fractions.
        """
        text = self.last_used
        if text[10:11] == "T" and text[19:] == "Z":
            return text
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
        except (ValueError, OverflowError):
            return text
        return moment.isoformat(timespec="seconds") + "Z"

    @staticmethod
    def from_values(values: Mapping[str, Any]) -> Entry:
        """Reads a mapping of the catalog; what it leaves out follows from the name.

        Raises:
            InputError: no valid name, a file outside of the store, or a value of the wrong kind;
                says which.
        """
        text = values.get("name")
        if not isinstance(text, str):
            raise InputError("it has no name")
        name = naming.parse(text)
        texts = {key: _text(values, key) for key in _TEXTS}
        lists = {key: _list(values, key) for key in _LISTS}
        version = _text(values, "os_version") or _text(values, "version")
        # `version` may be that of the image, where `os` is complete without it.
        if texts["os"] and version and not any(map(str.isdigit, texts["os"])):
            texts["os"] = f"{texts['os']}-{version}"
        architecture = texts["architecture"].lower()
        file = texts["file"] or places.archive_file(name)
        places.check_inside(file)
        return Entry(
            name=text,
            file=file,
            docker_tag=texts["docker_tag"] or f"{text}:latest",
            os=texts["os"].lower() or name.os,
            architecture=_ARCHITECTURES.get(architecture, architecture),
            compilers=lists["compilers"] if "compilers" in values else name.compilers,
            packages=lists["packages"],
            tools=lists["tools"],
            variants=lists["variants"] if "variants" in values else name.variants,
            size_mb=_number(values, "size_mb"),
            created=texts["created"],
            last_used=texts["last_used"] or texts["created"],
            usage_count=int(_number(values, "usage_count")),
            digest=texts["digest"],
            image_id=texts["image_id"],
            extra={key: value for key, value in values.items() if key not in _OWN},
        )

    def to_values(self) -> dict[str, Any]:
        """The mapping for the catalog, keys in the order that people read them in."""
        values: dict[str, Any] = {
            "name": self.name,
            "file": self.file,
            "docker_tag": self.docker_tag,
            "os": self.os,
            "architecture": self.architecture,
            "compilers": list(self.compilers),
            "packages": list(self.packages),
            "tools": list(self.tools),
            "variants": list(self.variants),
            "size_mb": self.size_mb,
            "created": self.created,
            "last_used": self.last_used,
            "usage_count": self.usage_count,
        }
        if self.digest:
            values["digest"] = self.digest
        if self.image_id:
            values["image_id"] = self.image_id
        return {**values, **self.extra}

    def used(self, when: str) -> Entry:
        """This entry after one more use."""
        return replace(self, last_used=when, usage_count=self.usage_count + 1)


def now() -> str:
    """The time as the catalog writes it: `2026-01-31T12:00:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        raise InputError(f"its {key} is not a text")
    return str(value)


def _list(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = values.get(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.split())
    if not isinstance(value, list) or any(isinstance(item, (dict, list)) for item in value):
        raise InputError(f"its {key} are not a list of texts")
    return tuple(str(item) for item in value)


def _number(values: Mapping[str, Any], key: str) -> float:
    value = values.get(key)
    if value is None:
        return 0
    try:
        # A number that was not written as lading writes it is a text here; see yamltext.
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, (int, float)) or isinstance(number, bool) or not 0 <= number < 1e15:
        raise InputError(f"its {key} is {value!r:.40}, not a number")
    return number

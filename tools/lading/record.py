"""Small immutable classes: what `dataclass(frozen=True)` makes, without its start.

`dataclasses` imports `inspect`, and compiles the methods of each class: 25 of the 75 ms of a push
that has nothing to send. It stays the means of choice for what a push does not import.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        return lambda function: function


__all__ = ["field", "record", "replace"]


class _Factory:
    __slots__ = ("make",)

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], T]) -> T:
    """As the value of an attribute: each object has a default of its own."""
    return _Factory(default_factory)  # type: ignore[return-value]


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A class decorator: the annotated attributes become what objects are made of.

    They are the parameters of the class, in order and with their defaults; `__post_init__` runs
    when they are set. Objects with the same values are equal, have the same hash, and are ordered
    by their values. Methods that the class has itself stay.
    """
    names = tuple(cls.__annotations__)
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    factories = {
        name: value.make for name, value in defaults.items() if isinstance(value, _Factory)
    }
    for name in factories:
        delattr(cls, name)

    def init(self: object, *values: object, **named: object) -> None:
        own = self.__dict__
        own.update(zip(names, values, strict=False))
        for name in names[len(values) :]:
            if name in named:
                own[name] = named.pop(name)
            elif name in factories:
                own[name] = factories[name]()
            elif name in defaults:
                own[name] = defaults[name]
            else:
                raise TypeError(f"{cls.__name__} needs {name}")
        if named or len(values) > len(names):
            raise TypeError(f"{cls.__name__} takes {', '.join(names)}, each once")
        if post is not None:
            post(self)

    post: Callable[[object], None] | None = getattr(cls, "__post_init__", None)
    methods = {**_METHODS, "__init__": init, "__match_args__": names}
    for name, method in methods.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    return cls


def replace(one: T, **changes: object) -> T:
    """Another object like `one`, a record, with some of its values changed."""
    return type(one)(**{**one.__dict__, **changes})


def _values(one: object) -> tuple[Any, ...]:
    return tuple(one.__dict__.values())


def _comparing(
    compare: Callable[[tuple[Any, ...], tuple[Any, ...]], bool],
) -> Callable[[object, object], bool]:
    def method(one: object, two: object) -> bool:
        return compare(_values(one), _values(two)) if type(one) is type(two) else NotImplemented

    return method


def _hash(one: object) -> int:
    return hash(_values(one))


def _show(one: object) -> str:
    values = ", ".join(f"{name}={value!r}" for name, value in one.__dict__.items())
    return f"{type(one).__qualname__}({values})"


def _refuse(one: object, name: str, *_: object) -> NoReturn:
    raise AttributeError(f"{name} of a {type(one).__name__} cannot be changed")


_METHODS: dict[str, object] = {
    "__delattr__": _refuse,
    "__eq__": _comparing(tuple.__eq__),
    "__ge__": _comparing(tuple.__ge__),
    "__gt__": _comparing(tuple.__gt__),
    "__hash__": _hash,
    "__le__": _comparing(tuple.__le__),
    "__lt__": _comparing(tuple.__lt__),
    "__repr__": _show,
    "__setattr__": _refuse,
}

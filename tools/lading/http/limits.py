"""How long, how slow and how often: the bounds of every exchange."""

from __future__ import annotations

from lading.record import record

__all__ = ["CHUNK", "Limits"]

#: Bytes read or written at once: TLS is twice as fast with 1 MiB as with 16 KiB.
CHUNK = 1024 * 1024


@record
class Limits:
    """Times are in seconds, rates in bytes a second.

    Attributes:
        connect: for one TCP connection, and for its TLS handshake.
        idle: without a single byte moving in a body.
        answer: from the end of a request to the end of the answer's header. Registries hash
            large blobs here; the answer to a HEAD has no longer than `idle`.
        rate, window: a body that moves fewer than `rate` bytes a second, averaged over `window`
            seconds spent waiting for the network, is given up.
        attempts: tries of one request, or of one transfer without progress in between.
        wait: the most that one session spends waiting between attempts.
        longest_wait: the most that one pause takes, whatever Retry-After asks for.
        first_wait: the pause before the second attempt; it doubles from there.
        redirects: hops that one request follows.
    """

    connect: float = 15
    idle: float = 60
    answer: float = 300
    rate: float = 1024
    window: float = 30
    attempts: int = 5
    wait: float = 300
    longest_wait: float = 60
    first_wait: float = 0.5
    redirects: int = 5

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
        answer: from the end of a request to the end of the answer's header.
        settle: a server may hash and move an upload at this rate before it answers, on top of
            `answer`.
        patience: from the end of a request until whoever watches is told that there is no answer,
            on top of the time that the server may settle; and for a connection.
        drain: for what is left of an answer that nobody wants to read, to keep its connection.
        rate, window: a body that moves fewer than `rate` bytes a second, averaged over `window`
            seconds spent waiting for the network, is given up.
        attempts: tries of one request, or of one transfer without progress in between.
        limited: tries of one request that a rate limit turns away (429): with the pauses between
            them enough to outlast the minute that most limits count for.
        silences: of the `attempts`, those that may end without a word in all the time that there
            was. Who is silent for so long is rather dead than busy.
        wait: the most that one session spends waiting between attempts, all its threads together.
        longest_wait: the most that one pause takes, whatever Retry-After asks for.
        noticed: a pause so long is told whoever watches.
        first_wait: the pause before the second attempt; it doubles from there.
        redirects: hops that one request follows.
    """

    connect: float = 15
    idle: float = 60
    answer: float = 60
    settle: float = 8 * CHUNK
    patience: float = 3
    drain: float = 1
    rate: float = 1024
    window: float = 30
    attempts: int = 5
    limited: int = 9
    silences: int = 3
    wait: float = 300
    longest_wait: float = 60
    noticed: float = 1
    first_wait: float = 0.5
    redirects: int = 5

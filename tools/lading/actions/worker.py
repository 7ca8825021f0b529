"""How a build action is run: once, or as a persistent worker that serves many requests.

https://bazel.build/remote/creating, JSON protocol: one WorkRequest a line on stdin, one
WorkResponse a line on stdout. Requests with an id run side by side and can be cancelled.
"""

from __future__ import annotations

import errno
import os
import sys

from lading.errors import LadingError, LimitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import IO, Any

__all__ = ["Cancelled", "Request", "main", "serve"]


_EXHAUSTED = "there is not enough memory for this layer beside what else runs; use fewer --jobs"


class Cancelled(BaseException):
    """Bazel no longer wants the result. Not an Exception: no handler may mistake it for one."""


class Request:
    """One run of an action.

    `inputs` maps each input's path to Bazel's digest of it, as an opaque text, or is None when
    run without a worker. All paths are relative to `sandbox`, a directory that the request runs
    in, or empty. `checkpoint` raises Cancelled once the result is not wanted any more.
    """

    __slots__ = ("_cancelled", "arguments", "inputs", "sandbox")

    def __init__(
        self, arguments: list[str], inputs: Mapping[str, str] | None = None, sandbox: str = ""
    ) -> None:
        self.arguments = arguments
        self.inputs = inputs
        self.sandbox = sandbox
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def checkpoint(self) -> None:
        if self._cancelled:
            raise Cancelled


def main(run: Callable[[Request], None]) -> None:
    """Runs an action as the command line says, and ends the program.

    Args:
        run: does the action; raises LadingError for a failure that a user can cause.
    """
    if sys.getfilesystemencoding() != "utf-8":
        # Under such a locale the names of files would be read, and written, as something else.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    _keep_freed_memory()
    if "--persistent_worker" in sys.argv:
        # Whatever prints by mistake goes to Bazel's log, not into the protocol.
        replies = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        serve(run, sys.stdin.buffer, replies)
        # Threads of cancelled requests may still be busy, and nobody waits for them.
        os._exit(0)
    import gc

    # A plan of many entries makes no garbage, only work for the collector.
    gc.disable()
    try:
        run(Request(_expand(sys.argv[1:])))
    except LadingError as failure:
        sys.stderr.write(f"{failure}\n")
        sys.exit(failure.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except (MemoryError, OSError) as failure:
        if not _is_exhaustion(failure):
            raise
        sys.stderr.write(f"{_EXHAUSTED}\n")
        sys.exit(LimitError.exit_code)
    # What is done needs no taking apart, which takes Python a tenth of a tiny layer's time,
    # and as long as making it for a large plan.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _keep_freed_memory() -> None:
    """Makes large blocks come from memory that was used before.

    glibc asks the kernel for each, and gives it back, until one of that size was freed (mallopt(3),
    M_MMAP_THRESHOLD). A page that is new takes as long as compressing a kilobyte.
    """
    try:
        bytes(8 << 20)
    except MemoryError:
        return


def serve(run: Callable[[Request], None], requests: IO[bytes], replies: IO[bytes]) -> None:
    """Serves requests until `requests` ends; survives whatever `run` raises.

    Memory is collected between requests, not while they run: a plan of many entries makes no
    garbage that needs it.
    """
    import gc
    from json import loads
    from threading import Thread

    answers = _Answers(replies)
    alone: Thread | None = None
    gc.collect()
    gc.freeze()
    gc.disable()

    def work(number: int, request: Request) -> None:
        try:
            code, output = _run(run, request)
            answers.send(number, code, output)
        except Cancelled:
            answers.send(number, 0, "", cancelled=True)

    for line in requests:
        number = None
        try:
            message = loads(line)
            number = int(message.get("requestId", 0))
            if message.get("cancel"):
                answers.cancel(number)
                continue
            request = Request(
                message.get("arguments", []),
                {item["path"]: item.get("digest", "") for item in message.get("inputs", [])},
                message.get("sandboxDir", ""),
            )
        except (
            ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError,
        ) as error:  # fmt: skip
            sys.stderr.write(f"lading: not a WorkRequest: {error}: {line[:200]!r}\n")
            if number is not None:
                # Bazel would wait for an answer for ever.
                answers.send(number, 1, f"not a WorkRequest: {error}\n")
            continue
        answers.expect(number, request)
        thread = Thread(target=work, args=(number, request), daemon=True)
        try:
            thread.start()
        except (MemoryError, RuntimeError) as error:
            answers.send(number, LimitError.exit_code, f"{_EXHAUSTED}: {error}\n")
            continue
        if not number:
            alone = thread
    # Without an id there is one request at a time, and whoever sent the last may still listen.
    if alone is not None:
        alone.join()


class _Answers:
    """What Bazel is told, by any thread, and the requests that it has still to be told about."""

    def __init__(self, stream: IO[bytes]) -> None:
        import gc
        from json import dumps
        from threading import Lock

        self._collect, self._dumps = gc.collect, dumps
        self._stream = stream
        self._lock = Lock()
        self._running: dict[int, Request] = {}

    def expect(self, number: int, request: Request) -> None:
        with self._lock:
            self._running[number] = request

    def cancel(self, number: int) -> None:
        """Cancels a request; one that is answered already is nobody's."""
        with self._lock:
            if number in self._running:
                self._running[number].cancel()

    def send(self, number: int, code: int, output: str, *, cancelled: bool = False) -> None:
        """Answers a request, and collects garbage when none is left."""
        answer: dict[str, Any] = {"exitCode": code, "output": output, "requestId": number}
        if cancelled:
            answer["wasCancelled"] = True
        with self._lock:
            self._running.pop(number, None)
            self._stream.write(self._dumps(answer).encode() + b"\n")
            self._stream.flush()
            idle = not self._running
        if idle:
            self._collect(1)


def _run(run: Callable[[Request], None], request: Request) -> tuple[int, str]:
    """(exit code, output) of one request; only Cancelled gets through."""
    try:
        if request.sandbox:
            from lading.actions.sandbox import inside

            with inside(request.sandbox):
                request.checkpoint()
                _expand_and_run(run, request)
        else:
            _expand_and_run(run, request)
    except LadingError as failure:
        return failure.exit_code, f"{failure}\n"
    except Cancelled:
        raise
    except BaseException as error:  # noqa: BLE001  # fails its own request and no other
        if _is_exhaustion(error):
            return LimitError.exit_code, f"{_EXHAUSTED}\n"
        # A defect, or an exit.
        import traceback

        return 1, traceback.format_exc()
    return 0, ""


def _is_exhaustion(error: BaseException) -> bool:
    """Whether the system has no memory left, for an object or for a buffer."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    )


def _expand_and_run(run: Callable[[Request], None], request: Request) -> None:
    if any(argument.startswith("@") for argument in request.arguments):
        request.arguments = _expand(request.arguments)
    run(request)


def _expand(arguments: list[str]) -> list[str]:
    from lading.actions import flags

    return flags.expand(arguments)

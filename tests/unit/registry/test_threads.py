"""Threads that calls share."""

from __future__ import annotations

import threading
import time

import pytest

from lading.errors import LimitError
from lading.registry.threads import Threads


def test_results_are_in_the_order_of_the_items() -> None:
    ended = [threading.Event() for _ in range(5)]
    ended[4].set()

    def late(number: int) -> int:
        assert ended[number + 1].wait(10)
        ended[number].set()
        return number * 10

    with Threads(4) as threads:
        assert threads.each(late, range(4)) == [0, 10, 20, 30]
        assert threads.each(str, []) == []
        assert threads.each(str, [5]) == ["5"]


def test_no_more_threads_than_allowed_and_none_that_is_not_needed() -> None:
    before = threading.active_count()
    with Threads(3) as threads:
        assert threading.active_count() == before
        together = threading.Barrier(3, timeout=10)
        threads.each(lambda _: together.wait(), range(3))
        names = set(threads.each(lambda _: threading.current_thread(), range(50)))
        assert len(names) <= 3
        assert threading.active_count() == before + 3
    assert threading.active_count() == before


def test_calls_begin_in_the_order_of_the_items() -> None:
    begun: list[int] = []
    with Threads(1) as threads:
        threads.each(begun.append, range(20))
    assert begun == list(range(20))


def test_a_failure_is_raised_and_what_has_not_begun_is_not_made() -> None:
    made: list[int] = []
    raised = threading.Event()

    def call(number: int) -> None:
        made.append(number)
        if number == 1:
            raise ValueError("one")
        if number == 2:
            raised.wait(10)

    with Threads(1) as threads:
        with pytest.raises(ValueError, match="one"):
            threads.each(call, range(2))
        assert made == [0, 1]
        with pytest.raises(ValueError, match="one"):
            threads.each(call, [1, 2, 3, 4])
        raised.set()
    assert 4 not in made
    assert 3 not in made


def test_nothing_begins_after_a_failure_though_an_earlier_call_is_under_way() -> None:
    """The largest layer goes first: what fails beside it is not to wait for its end."""
    go, failed = threading.Event(), threading.Event()
    made: list[int] = []

    def call(number: int) -> None:
        made.append(number)
        if number == 0:
            go.wait(10)
        elif number == 1:
            failed.set()
            raise ValueError("failed")

    def release() -> None:
        failed.wait(10)
        time.sleep(0.1)
        go.set()

    threading.Thread(target=release).start()
    with Threads(2) as threads, pytest.raises(ValueError, match="failed"):
        threads.each(call, range(50))
    assert len(made) < 50
    assert sorted(made) == [0, 1]


@pytest.mark.parametrize("possible", [0, 1, 3])
def test_as_many_threads_as_the_system_gives(
    monkeypatch: pytest.MonkeyPatch, possible: int
) -> None:
    start, left = threading.Thread.start, [possible]

    def limited(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    with Threads(4) as threads:
        if possible:
            assert threads.each(abs, range(-9, 0)) == list(range(9, 0, -1))
        else:
            with pytest.raises(LimitError, match="no thread"):
                threads.each(abs, range(9))


def test_what_others_asked_for_goes_on_after_a_failure() -> None:
    failing, go = threading.Event(), threading.Event()

    def fail(_: int) -> None:
        failing.set()
        go.wait(10)
        raise ValueError("failed")

    def failing_calls() -> None:
        with pytest.raises(ValueError, match="failed"):
            threads.each(fail, range(3))

    results: list[list[int]] = []
    with Threads(1) as threads:
        first = threading.Thread(target=failing_calls)
        first.start()
        failing.wait(10)
        second = threading.Thread(target=lambda: results.append(threads.each(abs, [-1, -2])))
        second.start()
        go.set()
        second.join(10)
        first.join(10)
    assert results == [[1, 2]]


def test_leaving_waits_for_what_is_under_way() -> None:
    done: list[int] = []
    started = threading.Barrier(2, timeout=10)

    def call(number: int) -> None:
        started.wait()
        if number == 0:
            raise ValueError("zero")
        time.sleep(0.1)
        done.append(number)

    with Threads(2) as threads, pytest.raises(ValueError, match="zero"):
        threads.each(call, range(2))
    assert done == [1]


def test_ctrl_c_waits_for_nothing() -> None:
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    def call(_: int) -> None:
        begun.set()
        go.wait(60)
        done.set()

    def interrupted() -> None:
        threading.Thread(target=threads.each, args=(call, [0])).start()
        begun.wait(10)
        raise KeyboardInterrupt

    threads = Threads(1)
    with pytest.raises(KeyboardInterrupt), threads:
        interrupted()
    assert not done.is_set()
    go.set()

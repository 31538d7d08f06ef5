"""The pool's threads: begun when needed, never too many, and none that hangs uses it up."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.support.fakes import Clock
from viafoura_mw.viafoura.pool import Pool

SOON = 10.0  # seconds within which what must happen happens, on any machine


class Gate:
    """A job that says when it has begun, and ends when it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._go = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        self._go.wait(SOON)

    def open(self) -> None:
        self._go.set()


@pytest.fixture
def gates() -> Iterator[list[Gate]]:
    """Gates that are open in the end."""
    gates = [Gate() for _ in range(6)]
    yield gates
    for gate in gates:
        gate.open()


def pool_of(workers: int, *, places: int = 10, clock: Clock | None = None, idle: float = SOON) -> Pool:
    return Pool(workers=workers, places=places, stuck=30.0, clock=clock or Clock(), idle=idle)


def threads() -> set[threading.Thread]:
    """Those of every pool: another test's may end at any time."""
    return {thread for thread in threading.enumerate() if thread.name == "viafoura_mw"}


def test_starts_no_thread_before_the_first_job() -> None:
    """What is made before a fork has no threads to lose."""
    before = threads()

    pool_of(4)

    assert threads() <= before


def test_does_jobs_side_by_side_up_to_its_workers(gates: list[Gate]) -> None:
    """Two workers begin two jobs; the third waits for a place."""
    pool = pool_of(2)
    for gate in gates[:3]:
        pool.submit(gate)
    assert gates[0].begun.wait(SOON)
    assert gates[1].begun.wait(SOON)
    assert not gates[2].begun.is_set()

    gates[0].open()

    assert gates[2].begun.wait(SOON)


def test_reuses_an_idle_thread() -> None:
    """One job after the other needs one thread."""
    pool, names = pool_of(4), set()
    for _ in range(5):
        pool.submit(lambda: names.add(threading.get_ident()))
        assert pool.join(SOON)

    assert len(names) == 1


def test_refuses_a_job_for_which_there_is_no_place(gates: list[Gate]) -> None:
    """The queue is bounded."""
    pool = pool_of(1, places=1)
    pool.submit(gates[0])
    assert gates[0].begun.wait(SOON)

    assert pool.submit(gates[1])
    assert not pool.submit(gates[2])


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, OSError])
def test_refuses_a_job_when_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """An interpreter that is ending, or a system at its limit, starts no thread; whoever asked is not told by force."""

    def refuse(thread: threading.Thread) -> None:
        raise error

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert not pool_of(1).submit(bool)


def refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_leaves_a_job_to_the_threads_there_are_when_no_more_can_be_had(
    monkeypatch: pytest.MonkeyPatch, gates: list[Gate]
) -> None:
    """One thread does the work of two, later."""
    pool = pool_of(2)
    pool.submit(gates[0])
    assert gates[0].begun.wait(SOON)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert pool.submit(gates[1])
    gates[0].open()

    assert gates[1].begun.wait(SOON)


def test_goes_on_after_a_job_that_raises() -> None:
    """A job tells its own outcome; its thread lives on."""
    pool = pool_of(1)

    def fail() -> None:
        raise SystemExit

    pool.submit(fail)
    assert pool.join(SOON)
    done = threading.Event()
    pool.submit(done.set)

    assert done.wait(SOON)


def test_whoever_helps_does_the_jobs_that_no_thread_has_begun(gates: list[Gate]) -> None:
    """In the calling thread, whatever they raise, until there are no more."""
    pool, done = pool_of(1), []
    pool.submit(gates[0])
    assert gates[0].begun.wait(SOON)

    def fail() -> None:
        done.append(threading.current_thread())
        raise SystemExit

    pool.submit(fail)
    pool.submit(fail)

    pool.help(SOON)

    assert done == [threading.current_thread()] * 2
    assert not pool.join(0.0)


def test_whoever_helps_begins_nothing_after_their_time(gates: list[Gate]) -> None:
    """The rest stays where it is."""
    clock = Clock()
    pool, done = pool_of(1, clock=clock), []
    pool.submit(gates[0])
    assert gates[0].begun.wait(SOON)
    for _ in range(3):
        pool.submit(lambda: (done.append(1), clock.pass_(1.5)))

    pool.help(2.0)

    assert done == [1, 1]


def test_expects_no_delay_while_a_worker_is_free(gates: list[Gate]) -> None:
    """A job that begins at once waits for nothing."""
    pool = pool_of(2)
    pool.submit(gates[0])

    assert pool.delay() == 0.0


def test_expects_a_delay_from_how_long_jobs_take(gates: list[Gate]) -> None:
    """Twice the queue is twice the wait; slower jobs are a longer one."""
    clock = Clock()
    pool = pool_of(1, clock=clock)
    pool.submit(gates[0])
    assert gates[0].begun.wait(SOON)
    first = pool.delay()
    pool.submit(gates[1])
    assert pool.delay() == pytest.approx(2 * first)

    clock.pass_(20.0)
    gates[0].open()
    assert gates[1].begun.wait(SOON)

    assert pool.delay() > 3.0


def test_replaces_a_thread_that_is_stuck(gates: list[Gate]) -> None:
    """Names that do not resolve hold their thread, and not the pool."""
    clock = Clock()
    pool = pool_of(1, clock=clock)
    pool.submit(gates[0])
    assert gates[0].begun.wait(SOON)

    clock.pass_(31.0)
    pool.submit(gates[1])

    assert gates[1].begun.wait(SOON)


def test_replaces_no_more_threads_than_it_has(gates: list[Gate]) -> None:
    """What hangs for ever costs a bounded number of threads."""
    clock = Clock()
    pool = pool_of(1, clock=clock)
    for gate in gates[:2]:
        pool.submit(gate)
        assert gate.begun.wait(SOON)
        clock.pass_(31.0)

    pool.submit(gates[2])

    assert not gates[2].begun.is_set()
    assert pool.delay() > 0.0


def test_lets_a_thread_go_that_has_been_replaced(gates: list[Gate]) -> None:
    """When what hung returns, there are as many threads as before."""
    clock, before = Clock(), threads()
    pool = pool_of(1, clock=clock)
    pool.submit(gates[0])
    assert gates[0].begun.wait(SOON)
    clock.pass_(31.0)
    pool.submit(gates[1])
    assert gates[1].begun.wait(SOON)

    gates[0].open()
    wait_for_threads(1, before)

    assert not pool.join(0.0)


def wait_for_threads(count: int, before: set[threading.Thread]) -> None:
    """Wait until there are so many threads that were not there before."""
    tick = threading.Event()
    for _ in range(int(SOON / 0.001)):
        if len(threads() - before) == count:
            return
        tick.wait(0.001)
    raise AssertionError(f"{len(threads() - before)} threads, not {count}")


def test_lets_idle_threads_go() -> None:
    """A site at night keeps no threads; the next job begins one."""
    before = threads()
    pool = pool_of(1, idle=0.0)
    pool.submit(bool)
    wait_for_threads(0, before)
    done = threading.Event()

    pool.submit(done.set)

    assert done.wait(SOON)


def test_joins_when_all_is_done(gates: list[Gate]) -> None:
    """``join`` tells an end from having waited long enough."""
    pool = pool_of(1)
    pool.submit(gates[0])
    assert not pool.join(0.0)

    gates[0].open()

    assert pool.join(SOON)


def test_never_holds_up_the_end_of_the_interpreter() -> None:
    """A program ends while a call hangs; its limit here is what a test run can wait, not the call's."""
    program = (
        "import threading; from viafoura_mw.viafoura.pool import Pool;"
        "begun = threading.Event(); p = Pool(workers=1, places=1, stuck=1e9);"
        "p.submit(lambda: (begun.set(), threading.Event().wait())); begun.wait()"
    )

    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=True, capture_output=True)

    assert not ended.stderr

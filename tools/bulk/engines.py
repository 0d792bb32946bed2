"""What classifies many shards at once: processes of this machine, or Ray on many machines."""

import multiprocessing
import os
import secrets
import signal
import socket
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import Any

from stages.common.errors import InputError
from tools.bulk.results import Job, Record, classify_shard
from tools.bulk.shards import Shard
from tools.bulk.storage import REQUIREMENTS

# A shard, and its record or why it failed; in the order in which they end.
Ended = tuple[Shard, Record | str]
Endings = Generator[Ended, None, None]
Engine = Callable[[Job, Sequence[Shard], int | None], Endings]
LOST = "its worker was lost {} times: killed, out of memory, or with its machine"
# Said where Ray's machine can't even begin.
STRANGE = (
    "a machine of the cluster can't run it: is the same project there, at the same path? (…{})"
)
# How often Ray starts a shard again whose worker, or machine, was lost.
RETRIES = 2


def run_local(job: Job, shards: Sequence[Shard], workers: int | None) -> Endings:
    """Classify shards by processes of this machine, one a core unless told otherwise.

    Where a worker is lost, the shards that were being classified are tried again, each alone.
    """
    workers = workers or len(os.sched_getaffinity(0))
    waiting = deque(shards)
    while waiting:
        suspects: list[Shard] = []
        yield from _run_pool(job, waiting, workers, suspects)
        for shard in suspects:
            again: list[Shard] = []
            yield from _run_pool(job, deque([shard]), 1, again)
            yield from ((lost, LOST.format("two")) for lost in again)


def _run_pool(job: Job, waiting: deque[Shard], workers: int, suspects: list[Shard]) -> Endings:
    """Classify what waits until none does, or a worker is lost: whose shard it was is unknown."""
    running: dict[Future[Record | str], Shard] = {}
    # A process that is made anew knows no thread, lock or file of this one.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(waiting)), context, _begin_worker)
    try:
        while running or (waiting and not suspects):
            while waiting and not suspects and len(running) < workers:
                shard = waiting.popleft()
                try:
                    running[pool.submit(classify_shard, job, shard)] = shard
                except BrokenProcessPool:
                    suspects.append(shard)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                shard = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(shard)
                else:
                    yield shard, future.result()
    except BaseException:
        for worker in multiprocessing.active_children():
            worker.kill()
        raise
    finally:
        pool.shutdown()


def _begin_worker() -> None:
    """End at once when interrupted, and when the process that started this one has ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has one"
    parent.join()
    os._exit(1)


def run_ray(job: Job, shards: Sequence[Shard], workers: int | None) -> Endings:
    """Classify shards by Ray, a task a shard, on the cluster at RAY_ADDRESS or on this machine.

    workers: how many shards at once, at most; by default as many as there are cores. Raises
    InputError where Ray isn't installed, or the cluster can't be reached.
    """
    ray = _connect(workers)
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(classify_shard)
    waiting, running = deque(shards), dict[Any, Shard]()
    try:
        while waiting or running:
            # One more than run at once: a core then need not wait for this process.
            most = workers or int(ray.cluster_resources().get("CPU", 0)) + 1
            while waiting and len(running) < most:
                shard = waiting.popleft()
                running[task.remote(job, shard)] = shard
            (ended,), _ = ray.wait(list(running))
            shard = running.pop(ended)
            try:
                yield shard, ray.get(ended)
            except ray.exceptions.RayTaskError as error:
                yield shard, STRANGE.format(" ".join(str(error).split())[-300:])
            except ray.exceptions.RayError as error:
                yield shard, f"{LOST.format(1 + RETRIES)} ({type(error).__name__})"
    finally:
        ray.shutdown()


def _connect(workers: int | None) -> Any:
    """Return Ray, connected."""
    # Ray, which reads these as it is imported, would report its use to its makers.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        # Nobody else on this machine may give it work.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError:
        raise InputError(
            f"Ray isn't installed: `python -m pip install -r {REQUIREMENTS}`, or --engine local"
        ) from None
    if not address:
        cores = workers or len(os.sched_getaffinity(0))
        # The least memory for what tasks hand on, which is next to nothing.
        small = {"include_dashboard": False, "object_store_memory": 80 * 2**20}
        ray.init(address="local", num_cpus=cores, logging_level="error", **small)
        return ray
    host, _, port = address.rpartition(":")
    try:
        if port.isdigit() and "://" not in host:
            # Ray itself would try for a quarter of an hour.
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, logging_level="error")
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"RAY_ADDRESS: no cluster at {address} takes this ({reason:.300}): start it, "
            "with the same RAY_AUTH_TOKEN as here"
        ) from None
    return ray


ENGINES: dict[str, Engine] = {"local": run_local, "ray": run_ray}

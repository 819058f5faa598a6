"""What `ups serve` stands: requests a second and their times, bad uploads, memory, the end, the cost of a frame.

python studies/service_load.py clients     # 1 to 64 clients on the loopback
python studies/service_load.py bad         # 1,000 damaged uploads, good ones between them
python studies/service_load.py memory      # resident memory over many requests
python studies/service_load.py end         # SIGTERM while requests are on their way
python studies/service_load.py streams     # frames a second that one process answers
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from ups.data.datasets import synthetic
from ups.data.formats.native import write_file
from ups.serving.client import Client


@contextmanager
def service(*options: str) -> Iterator[tuple[str, subprocess.Popen, Path]]:
    """(url, process, log) of `ups serve ups-small` on a free port."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "ups.cli", "serve", "ups-small", "--port", "0", "--threads", "1", *options]
        with log.open("wb") as target:
            process = subprocess.Popen(command, stderr=target)
        try:
            while '"listening"' not in log.read_text():
                if process.poll() is not None:
                    sys.exit(log.read_text())
                time.sleep(0.1)
            yield json.loads(log.read_text().splitlines()[-1])["url"], process, log
        finally:
            process.terminate()
            process.wait(300)  # a busy machine takes its time


def recording(folder: str) -> bytes:
    """A recording of 72 frames of one person, 3D."""
    write_file(next(synthetic.generate_3d(1))[0], Path(folder) / "clip.npz")
    return (Path(folder) / "clip.npz").read_bytes()


def post(http: httpx.Client, url: str, content: bytes, name: str = "clip.npz") -> httpx.Response:
    """One request."""
    return http.post(f"{url}/v1/predict", files={"file": (name, content)}, data={"force": "true"}, timeout=120)


def resident(pid: int) -> float:
    """Megabytes of a process and its children, what they share counted once (PSS)."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout.split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    own = {pid}
    for _ in range(3):  # children of children
        own |= {each for each, parent in parents.items() if parent in own}
    total = 0
    for each in own:
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def clients(seconds: float, content: bytes) -> None:
    """Closed loop: each client sends its next request when the last one is answered."""
    with service() as (url, process, _):
        for count in (1, 2, 4, 8, 16, 32, 64):
            cpu = processor_seconds(process.pid)
            took: list[float] = []
            statuses: list[int] = []
            until = time.monotonic() + seconds

            def work(until=until, took=took, statuses=statuses) -> None:
                with httpx.Client() as http:
                    while time.monotonic() < until:
                        begun = time.perf_counter()
                        statuses.append(post(http, url, content).status_code)
                        took.append(time.perf_counter() - begun)

            begun = time.monotonic()
            threads = [threading.Thread(target=work) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rate = len(took) / (time.monotonic() - begun)
            p50, p95, p99 = (1000 * np.percentile(took, p) for p in (50, 95, 99))
            print(
                f"{count:3} clients: {rate:6.1f} requests/s, p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms, "
                f"{statuses.count(200)}/{len(took)} answered, "
                f"{1000 * (processor_seconds(process.pid) - cpu) / len(took):.1f} ms of processor time a request"
            )


def bad(content: bytes, count: int = 1000) -> None:
    """Damaged uploads under every ending; every tenth request is a good one, which must be answered."""
    rng = random.Random(0)
    endings = ("npz", "json", "csv", "npy", "bvh", "trc", "c3d", "mat", "txt", "skeleton", "zip", "h5", "pkl", "exe")
    statuses: dict[int, int] = {}
    with service() as (url, process, _), httpx.Client() as http:
        before = resident(process.pid)
        good = 0
        for i in range(count):
            damaged = bytearray(content if i % 2 else rng.randbytes(rng.randrange(5000)))
            for _ in range(rng.randrange(1, 30)):
                if damaged:
                    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            status = post(http, url, bytes(damaged), f"bad.{endings[i % len(endings)]}").status_code
            statuses[status] = statuses.get(status, 0) + 1
            if i % 10 == 0:
                good += post(http, url, content).status_code == 200
        print(f"{count} bad uploads: {statuses}; {good}/{-(-count // 10)} good ones between them answered; "
              f"{before:.0f} -> {resident(process.pid):.0f} MB; alive: {process.poll() is None}")  # fmt: skip


def memory(content: bytes, count: int) -> None:
    """Resident memory after every tenth of the requests, eight clients."""
    with service() as (url, process, _):
        sizes = []
        for _ in range(10):

            def work() -> None:
                with httpx.Client() as http:
                    for _ in range(count // 80):
                        post(http, url, content)

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            sizes.append(resident(process.pid))
            print(f"{count // 10 * len(sizes)} requests: {sizes[-1]:.0f} MB", flush=True)


def end(content: bytes, rounds: int = 5) -> None:
    """SIGTERM while 16 clients ask: what the service accepted, by its log, beside what clients got."""
    for number in range(rounds):
        got, cut = [], []
        with service() as (url, process, log):

            def work(url=url, got=got, cut=cut) -> None:
                with httpx.Client() as http:
                    try:
                        while True:
                            status = post(http, url, content).status_code
                            got.append(status) if status == 200 else None
                    except httpx.ConnectError:
                        pass  # nobody listens any more
                    except httpx.TransportError as error:
                        cut.append(type(error).__name__)

            threads = [threading.Thread(target=work) for _ in range(16)]
            for thread in threads:
                thread.start()
            time.sleep(2 + 0.3 * number)
            process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            code = process.wait(60)
            lines = [json.loads(line) for line in log.read_text().splitlines()]
        accepted = sum(line["event"] == "request" and line["status"] == 200 for line in lines)
        print(f"accepted and answered by the log {accepted}, received {len(got)}, "
              f"connections ended before a request was accepted {len(cut)}, exit code {code}")  # fmt: skip


STREAMS = (
    ("action every frame", 1, {"tasks": ["anticipate"]}),
    ("action every frame", 4, {"tasks": ["anticipate"]}),
    ("action every 10th frame", 1, {"tasks": ["anticipate"], "every": 10}),
    ("action every 10th frame", 4, {"tasks": ["anticipate"], "every": 10}),
    ("action every 10th frame", 16, {"tasks": ["anticipate"], "every": 10}),
    ("pose every frame", 1, {"tasks": ["estimate_pose"]}),
)
"""What is told, of how many streams, and their settings."""


def streams(frames: int) -> None:
    """Frames a second of `STREAMS`. The first 60 frames of each stream are not counted: the computation is recorded then."""
    warm = 60
    walk = np.random.default_rng(0).uniform(300, 700, (17, 2))
    walk = (walk + np.cumsum(np.random.default_rng(1).normal(0, 2, (warm + frames, 17, 2)), 0)).round(1)
    with service() as (url, process, _):
        for text, count, settings in STREAMS:
            took: list[float] = []
            ready = threading.Barrier(count + 1)

            def work(settings=settings, took=took, ready=ready) -> None:
                with (
                    Client(url) as client,
                    client.stream(skeleton="coco-17", image_size=(1000, 1000), **settings) as stream,
                ):
                    for i, joints in enumerate(walk):
                        if i == warm:
                            ready.wait()
                        begun = time.perf_counter()
                        stream.push(joints)
                        if i >= warm:
                            took.append(time.perf_counter() - begun)

            threads = [threading.Thread(target=work) for _ in range(count)]
            for thread in threads:
                thread.start()
            ready.wait()
            cpu, begun = processor_seconds(process.pid), time.monotonic()
            for thread in threads:
                thread.join()
            rate = count * frames / (time.monotonic() - begun)
            cost = 1000 * (processor_seconds(process.pid) - cpu) / (count * frames)
            print(f"{count} streams, {text}: {rate:.0f} frames/s, p50 {1000 * statistics.median(took):.1f} ms, "
                  f"p95 {1000 * np.percentile(took, 95):.1f} ms, {cost:.2f} ms of processor time a frame, "
                  f"{resident(process.pid):.0f} MB", flush=True)  # fmt: skip


def processor_seconds(pid: int) -> float:
    """User and system time of a process and of the readers that it has (PPID = its forkserver's)."""
    total, parents = 0.0, {pid}
    stats = [path for path in Path("/proc").glob("[0-9]*/stat")]
    fields = {}
    for path in stats:
        try:
            fields[int(path.parent.name)] = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
    for _ in range(3):  # children of children
        parents |= {each for each, words in fields.items() if int(words[1]) in parents}
    for each in parents & set(fields):
        total += (int(fields[each][11]) + int(fields[each][12])) / os.sysconf("SC_CLK_TCK")
    return total


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("clients", "bad", "memory", "end", "streams"))
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--requests", type=int, default=3600, help="of `memory`: an hour's worth at one a second")
    parser.add_argument("--frames", type=int, default=200, help="of each stream, after the first 60")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        content = recording(folder)
    if arguments.what == "clients":
        clients(arguments.seconds, content)
    elif arguments.what == "bad":
        bad(content)
    elif arguments.what == "memory":
        memory(content, arguments.requests)
    elif arguments.what == "end":
        end(content)
    else:
        streams(arguments.frames)


if __name__ == "__main__":
    main()

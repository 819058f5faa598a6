"""What a service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        r = self.registry = CollectorRegistry()
        self.requests = Counter("ups_requests", "Requests, by path and status.", ["path", "status"], registry=r)
        self.seconds = Histogram(
            "ups_request_seconds", "From the first byte to the answer.", ["path"], buckets=_SECONDS, registry=r
        )
        self.refused = Counter("ups_refused", "Requests and streams that were too many.", ["kind"], registry=r)
        self.waiting = Gauge("ups_requests_in_flight", "Requests that are answered or wait.", registry=r)
        self.recordings = Counter("ups_recordings", "Recordings, by task and outcome.", ["task", "outcome"], registry=r)
        self.reading = Histogram("ups_read_seconds", "Reading one recording.", buckets=_SECONDS, registry=r)
        self.killed = Counter("ups_readers_ended", "Readers ended over a recording.", registry=r)
        self.batches = Histogram("ups_batch_size", "What was computed together.", buckets=_SIZES, registry=r)
        self.streams = Gauge("ups_streams", "Streams that are open.", registry=r)
        self.frames = Counter("ups_frames", "Frames of streams, by outcome.", ["outcome"], registry=r)

    def text(self) -> bytes:
        """All of them in Prometheus's format."""
        return generate_latest(self.registry)

"""What a service takes on, at most."""

from __future__ import annotations

from dataclasses import dataclass

from ups.errors import SettingError


@dataclass(frozen=True)
class Limits:
    """What a service takes on, at most; what is more is refused, and told so."""

    queue: int = 64
    """Requests that are answered or wait at the same time; one more gets 503 with Retry-After."""
    megabytes: int = 64
    """Size of a request."""
    recordings: int = 64
    """Recordings in one request."""
    frames: int = 20_000
    """Persons x frames of a recording."""
    seconds: float = 60.0
    """What a request may take from its first byte to its answer: 408 while it is still coming in, else 504."""
    read_seconds: float = 10.0
    """What reading one recording may take; then its reader is ended, and the answer is 422."""
    read_megabytes: int = 4096
    """Memory that a reader may map, the interpreter's own included."""
    streams: int = 64
    """Streams at the same time; one more is closed with code 1013, try again later."""
    idle_seconds: float = 60.0
    """What a stream may be silent."""
    drain_seconds: float = 30.0
    """After SIGTERM, what requests and streams that were accepted have to end in."""
    jobs: int = 0
    """Videos and fine-tunings that are worked on or wait; one more gets 503. 0: none are taken."""
    job_megabytes: int = 512
    """Size of a video, or of the clips to learn from."""
    job_seconds: float = 1800.0
    """What a video or a fine-tuning may take; then it is ended."""

    def check(self) -> None:
        """Raises SettingError where one leaves nothing; a method, so that a command's message names the setting only."""
        for name, value in vars(self).items():
            if not (value > 0 or name == "jobs" and value == 0):
                raise SettingError(f"{name.replace('_', '-')} {value}; more than 0 is needed")

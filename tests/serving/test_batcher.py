"""One thread computes for everybody: order, batches, failures, the end."""

import threading

import pytest

from ups.serving.batcher import Batcher


def doubled(items):
    return [2 * item for item in items]


def held(batcher: Batcher) -> threading.Event:
    """Keeps the thread busy until the event is set."""
    go, begun = threading.Event(), threading.Event()

    def wait(items):
        begun.set()
        assert go.wait(10)
        return items

    batcher.submit(None, wait, 0)
    assert begun.wait(10)
    return go


def test_what_waits_for_the_same_is_computed_together_at_most_so_many():
    sizes: list[int] = []
    batcher = Batcher(3, sizes.append)
    go = held(batcher)
    futures = [batcher.submit(key, doubled, i) for i, key in enumerate("aabaaab")]
    go.set()
    assert [future.result(10) for future in futures] == [0, 2, 4, 6, 8, 10, 12]
    batcher.close()
    assert sizes == [1, 3, 2, 2]  # held; a a a; b b; a a


def test_one_that_fails_does_not_harm_those_beside_it():
    def picky(items):
        if "bad" in items:
            raise ValueError("bad")
        return items

    batcher = Batcher(8)
    go = held(batcher)
    good, bad, other = (batcher.submit("k", picky, item) for item in ("good", "bad", "other"))
    go.set()
    assert good.result(10) == "good" and other.result(10) == "other"
    with pytest.raises(ValueError, match="bad"):
        bad.result(10)
    assert batcher.alive
    batcher.close()


def test_what_nobody_waits_for_is_not_computed_and_the_end_finishes_the_rest():
    done: list[int] = []

    def work(items):
        done.extend(items)
        return items

    batcher = Batcher(8)
    go = held(batcher)
    first, second = batcher.submit(None, work, 1), batcher.submit(None, work, 2)
    assert first.cancel()
    closing = threading.Thread(target=batcher.close)
    closing.start()
    go.set()
    closing.join(10)
    assert second.result(0) == 2 and done == [2] and not batcher.alive
    with pytest.raises(RuntimeError):
        batcher.submit(None, work, 3)

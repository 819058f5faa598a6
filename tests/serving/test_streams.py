"""Streams over WebSocket: the answers of `OnlinePredictor`, bad frames, limits, the end."""

import gc
import threading
import time

import numpy as np
import pytest
from helpers import random_clip

from ups import OnlinePredictor, Predictor
from ups.errors import DataError, IncompleteError
from ups.inference.as_json import or_null
from ups.serving.client import Client
from ups.skeletons import H36M_17

SETTINGS = {"skeleton": "h36m-17", "image_size": (1000, 500), "tasks": ["anticipate", "estimate_pose"], "top": 2}


def test_answers_are_those_of_the_online_predictor(served, small_model):
    clip = random_clip(H36M_17, frames=9, space="image")
    online = OnlinePredictor(
        Predictor.from_pretrained(small_model), "h36m-17", space="image", fps=30, image_size=(1000, 500)
    )
    with Client(served[0]) as client, client.stream(**SETTINGS) as stream:
        assert stream.delay == online.delay
        for i in range(clip.frames):
            told = stream.push(clip.joints[0, i])
            online.push(clip.joints[0, i])
            expected, pose = online.action(), online.pose()
            assert expected is not None and told["frame"] == i
            assert [a["class"] for a in told["action"]] == list(expected.classes[:2])
            if pose is not None:
                np.testing.assert_allclose(np.array(told["pose"]["joints"]), np.array(or_null(pose.joints)), atol=2e-4)
        assert told["pose"]["frame"] == clip.frames - 1 - stream.delay


def test_a_bad_frame_is_told_and_the_stream_goes_on(served):
    with Client(served[0]) as client, client.stream(**SETTINGS) as stream:
        with pytest.raises(DataError, match="shape"):
            stream.push(np.zeros((3, 2)))
        assert stream.push(random_clip(H36M_17, space="image").joints[0, 0])["frame"] == 0
        assert stream.push(None)["frame"] == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"skeleton": "nobody-1"}, "nobody-1"),
        ({"skeleton": "/etc/passwd.toml"}, "/etc/passwd.toml"),
        ({"persons": 9}, "persons"),
        ({"horizon": 10**9}, "horizon"),
        ({"tasks": ["dance"]}, "dance"),
        ({"colour": "red"}, "colour"),
        ({"stride": 0}, "stride"),
    ],
)
def test_settings_that_cannot_be(served, settings, told):
    with Client(served[0]) as client, pytest.raises(DataError, match=told):
        with client.stream(**SETTINGS | settings):
            pass


def test_streams_alike_share_what_is_computed_once_and_give_it_back(served):
    service = served[1]

    def shared(wanted: int) -> bool:
        limit = time.monotonic() + 30
        while len(service._captured) != wanted and time.monotonic() < limit:
            gc.collect()  # recordings hold themselves
            time.sleep(0.05)
        return len(service._captured) == wanted

    assert shared(0)
    with Client(served[0]) as client:
        with client.stream(**SETTINGS), client.stream(**SETTINGS), client.stream(**SETTINGS | {"persons": 2}):
            assert shared(2) and service.streams == 3
    assert shared(0) and service.streams == 0


def test_too_many_streams_silence_and_the_end(start, small_model):
    ended: list[Exception] = []
    with start(small_model, streams=1, idle_seconds=1.0) as (url, service), Client(url) as client:
        with client.stream(**SETTINGS) as stream:
            with pytest.raises(IncompleteError, match="too many"), client.stream(**SETTINGS):
                pass
            with pytest.raises(DataError, match="no frame for 1 s"):
                time.sleep(3)
                stream.push(None)
        with client.stream(**SETTINGS) as stream:

            def wait():
                try:
                    while True:
                        stream.push(None)
                except IncompleteError as error:
                    ended.append(error)

            thread = threading.Thread(target=wait)
            thread.start()
            service.ending = True
            thread.join(120)
    assert ended and "ending" in str(ended[0])

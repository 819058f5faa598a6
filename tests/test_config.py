"""Settings from plain values: what was written is read again, and what can't be meant is refused with its place."""

import json

import pytest

from ups.config import Config, ModelConfig, TaskMix, TrainConfig, from_dict, to_dict
from ups.errors import SettingError

MIX = TaskMix("recognize_3d", ("nw_ucla:xview", "sbu:fold1"), (0.25, 0.75), batch=8)


def test_settings_survive_json() -> None:
    config = Config("mine", ModelConfig(layers=2, routing="dense"), TrainConfig((MIX,), route_temperature=(4.0, 1.0)))
    assert from_dict(Config, json.loads(json.dumps(to_dict(config)))) == config
    assert from_dict(TaskMix, to_dict(MIX)) == MIX
    assert from_dict(Config, {}) == Config()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"modle": {}}, r"Config has no field \['modle'\]; it has \['model', 'name', 'train'\]"),
        ({"model": {"width": 3}}, r"ModelConfig has no field \['width'\]; it has \['bins'"),
        (
            {"train": {"tasks": [{"task": "a", "data": ["b"], "size": 1}]}},
            r"TaskMix has no field \['size'\]; it has \['bal",
        ),
        ({"train": {"tasks": [{"task": "a"}]}}, r'Config: missing value for field "train\.tasks\.data"'),
        ({"train": {"tasks": 5}}, "Config: .*not iterable"),
        ({"model": {"layers": "3"}}, r'field "model\.layers" - should be "int" instead of value "3"'),
        ({"model": {"routing": "thin"}}, r'field "model\.routing"'),
        ({"train": {"route_temperature": [5.0]}}, r'field "train\.route_temperature"'),
        ({"model": {"frame_heads": 7}}, "frame-width 192 with model.frame-heads 7: .* multiple of 14"),
        ({"model": {"decoder_heads": -1}}, "model.decoder-heads is -1; it can be 1 to 1,000"),
        ({"model": {"temporal_stride": 0}}, "model.temporal-stride is 0; it can be 1 to 16"),
        (
            {"train": {"tasks": [{"task": "a", "data": ["b"], "frames": 5999999}]}},
            "frames of a is 5999999; .* 1 to 2,000",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        from_dict(Config, values)

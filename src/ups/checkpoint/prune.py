"""A trained model cut to one task: the blocks of its route, in a smaller model without routing."""

from __future__ import annotations

import re
from dataclasses import replace

from ups.checkpoint.io import Trained
from ups.errors import SettingError
from ups.model.ups import UPS

_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.(\d+)\.(.+)")


def cut_to_route(trained: Trained, task: str) -> Trained:
    """A model that knows `task` alone and gives the same answers: one block a layer, the one that the task chose.

    It can be saved, asked and trained further like any other. The vocabulary stays whole.

    Raises:
        SettingError: a task that the model was not trained on, or a model that mixes all blocks (`routing` "dense").
    """
    model, config = trained.model, trained.config
    row = model.task_index(task)
    if config.model.routing == "dense":
        raise SettingError('the model mixes all blocks of every layer (routing "dense"): it has no route to be cut to')
    route = model.router.route(row)
    state = {}
    for name, weight in model.state_dict().items():
        if match := _BLOCK.fullmatch(name):
            layer, block, rest = match.groups()
            if int(block) == route[int(layer)]:
                state[f"encoder.layers.{layer}.0.{rest}"] = weight
        elif name in ("router.task", "start_embedding"):
            state[name] = weight[row : row + 1]
        elif name == "router.block":
            state[name] = weight[range(len(route)), route][:, None]
        else:
            state[name] = weight
    mixes = tuple(mix for mix in config.train.tasks if mix.task == task)
    config = replace(config, model=replace(config.model, blocks=1), train=replace(config.train, tasks=mixes))
    met = dict.fromkeys(name for mix in mixes for name in mix.stores)  # in the task's order
    data_sets = {name: trained.data_sets[name] for name in met if name in trained.data_sets}
    cut = UPS(config.model, (task,), model.vocabulary.features).to(model.output_scale.device)
    cut.load_state_dict({name: weight.clone() for name, weight in state.items()})
    calibration = {name: of for name, of in trained.calibration.items() if name == task}
    return replace(trained, model=cut.eval(), config=config, data_sets=data_sets, calibration=calibration)

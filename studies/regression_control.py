"""The control of the token decoder: the same encoder with a plain regression head, trained alike on pose estimation alone.

    python studies/regression_control.py small --stores data --share 0.2

Both models start from the same encoder weights and see the same batches in the same order, with the same optimiser,
schedule and running average of weights. One writes coordinate tokens and is trained as `ups train` does; the other's
head, two linear maps of a joint's memory token beside its frame token, gives x, y, z at once and is trained by the mean
distance to the true joint.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from ups.batch import Poses
from ups.checkpoint.create import new_model
from ups.checkpoint.io import Trained
from ups.config import Config
from ups.data.loader import prefetch
from ups.data.store.store import Store
from ups.evaluation.evaluate import evaluate
from ups.inference.predictor import Predictor
from ups.model.decoding import Decoded
from ups.model.ups import UPS
from ups.recipes import RECIPES, get_recipe, seeded, separate, shorter
from ups.runtime.precision import resolve_precision
from ups.tokens.layout import CLASS_POSITION, Layout
from ups.training.batches import open_stores, streams_of
from ups.training.loop import train
from ups.training.optimizer import Average, learning_rate, parameter_groups

TASK = "estimate_pose"
FIGURES = ("mpjpe_mm", "p_mpjpe_mm", "mpjpe_frames_mm", "p_mpjpe_frames_mm")


class Regressor(nn.Module):
    """UPS without its decoder: the memory of a frame, then a head."""

    def __init__(self, ups: UPS) -> None:
        super().__init__()
        self.ups, width = ups, ups.config.decoder_width
        self.head = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, 3))

    def forward(self, poses: Poses, layout: Layout, target_frames: Tensor) -> Tensor:
        """(Q, 3J) metres, in the layout's order."""
        memory, _ = self.ups.memory(TASK, poses, layout, target_frames)
        anchors = [a for a, p in zip(layout.anchors, layout.positions, strict=True) if p < CLASS_POSITION][::3]
        joints = memory[:, anchors]
        return self.head(torch.cat([joints, memory[:, -1:].expand_as(joints)], -1)).float().flatten(1)


class RegressionPredictor(Predictor):
    """Lifts with a `Regressor`."""

    def __init__(self, trained: Trained, regressor: Regressor) -> None:
        super().__init__(trained)
        self.regressor = regressor.eval()

    def decoded(
        self, task: str, poses: Poses, layout: Layout, target_frames: Tensor | None, greedy: bool = False
    ) -> Decoded:
        """What `Predictor` reads poses from; a regression has no tokens, and its spread is the same for all."""
        assert target_frames is not None
        answer = nn.functional.pad(self.regressor(poses, layout, target_frames), (0, 1))
        nothing = torch.zeros_like(answer)
        return Decoded(nothing.long(), nothing, answer, torch.ones_like(answer), nothing)


def train_regressor(trained: Trained, stores: dict[str, Store]) -> Regressor:
    """As `ups.training.loop.train` does, on the distance between joints."""
    config = trained.config.train
    torch.manual_seed(config.seed)
    model = Regressor(trained.model).train()
    groups = parameter_groups(model, config)  # pyright: ignore[reportArgumentType]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)
    bfloat16 = resolve_precision(config.precision, torch.device("cpu")) == "bf16-mixed"
    average = Average(model, config.ema)  # pyright: ignore[reportArgumentType]
    centres = torch.from_numpy(trained.vocabulary.bin_centres).tile(3)
    for step, batch in enumerate(prefetch(streams_of(trained, stores), 0, config.workers)):
        torch.manual_seed(config.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step / config.cycles) * group["rate"]
        assert batch.target_frames is not None
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            answer = model(batch.poses, batch.layout, batch.target_frames)
        target = centres[batch.tokens[:, :-1]].float()
        weight = batch.weights[:, :-1:3]
        distance = (answer - target).unflatten(1, (-1, 3)).norm(dim=-1)
        loss = 10 * (distance * weight).sum() / weight.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(model, step)  # pyright: ignore[reportArgumentType]
        if step % 100 == 0:
            print(f"regression: step {step} of {config.cycles}, mean distance {100 * loss.item():.1f} mm", flush=True)
    model.load_state_dict({**model.state_dict(), **average.values})
    return model


def main() -> None:
    """Train both, measure both, print one line for each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--stores", type=Path, default=Path("data"), help="folder of the prepared stores")
    parser.add_argument("--share", type=float, default=0.2, help="share of the recipe's training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--measure", nargs="*", help="STOREs:PROTOCOLs to measure on; all of the recipe's where not given"
    )
    parser.add_argument("--output", type=Path, help="JSON file of all figures")
    args = parser.parse_args()
    config: Config = seeded(shorter(separate(get_recipe(args.recipe), TASK), args.share), args.seed)
    config = replace(config, train=replace(config.train, explore=0.0))
    stores = open_stores(config.train, args.stores)
    data = tuple(f"{TASK}/{entry}" for entry in args.measure or ())
    regressor = train_regressor(trained := new_model(config, stores), stores)
    results = {"regression": evaluate(RegressionPredictor(trained, regressor), args.stores, data=data)}
    with TemporaryDirectory() as folder:
        tokens = train(new_model(config, stores), stores, Path(folder))
    results["tokens"] = evaluate(Predictor(tokens), args.stores, data=data)
    for name, found in results.items():
        for key, values in found.items():
            print(f"{name:<11}{key:<45}" + "".join(f"{f} {values[f]:7.1f}   " for f in FIGURES))
    if args.output:
        kept = {name: {key: {f: v[f] for f in FIGURES} for key, v in found.items()} for name, found in results.items()}
        args.output.write_text(
            json.dumps({"recipe": args.recipe, "share": args.share, "seed": args.seed} | kept, indent=1)
        )


if __name__ == "__main__":
    main()

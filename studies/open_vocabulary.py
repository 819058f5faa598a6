"""Open vocabulary: hold some classes out of training, add them by their names alone, and measure.

    python studies/open_vocabulary.py small --stores data --share 0.2

Trains 3D recognition of a recipe twice: without `--hold-out` classes of one data set, which no other set of the mixture
may have, and with them. Printed, on the test part of that data set: accuracy among the held-out classes alone, beside
chance and beside the model that was trained on them; and accuracy on all other clips before and after the new names
compete (the harm).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ups.checkpoint.create import new_model
from ups.checkpoint.io import Trained
from ups.checkpoint.open_vocabulary import add_classes
from ups.data.store.store import Store, StoreWriter
from ups.inference.predictor import Predictor
from ups.labels import canonical_text
from ups.recipes import RECIPES, get_recipe, seeded, separate, shorter
from ups.training.batches import open_stores
from ups.training.loop import train

TASK = "recognize_3d"


def without_classes(store: Store, protocol: str, names: tuple[str, ...], folder: Path) -> Store:
    """The training clips of the other classes, as a store that has never heard of `names`."""
    kept = tuple(c for c in store.classes if c not in names)
    with StoreWriter(folder, store.name, store.skeleton, store.space, kept, (protocol,)) as writer:
        for i in store.indices(protocol, "train"):
            clip = store[int(i)]
            if (name := store.classes[clip.label]) in kept:
                writer.add(replace(clip, label=kept.index(name)), {protocol: "train"})
    return Store.open(folder)


def accuracy(trained: Trained, store: Store, clips: np.ndarray, candidates: tuple[str, ...]) -> float:
    """Share of the clips whose own class is found the most probable of the candidates."""
    scores = Predictor(trained).class_scores(TASK, [store[int(i)] for i in clips], candidates)
    truth = [candidates.index(store.classes[label]) for label in store.labels[clips]]
    return float((scores.argmax(1) == truth).mean())


def main() -> None:
    """Train both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--stores", type=Path, default=Path("data"), help="folder of the prepared stores")
    parser.add_argument("--data", default="utd_mhad:xsub", help="STORE:PROTOCOL that loses classes")
    parser.add_argument("--hold-out", type=int, default=5, help="how many classes")
    parser.add_argument("--share", type=float, default=0.2, help="share of the recipe's training")
    parser.add_argument("--seed", type=int, default=0, help="of the run, and of the choice of classes")
    parser.add_argument("--output", type=Path, help="JSON file of the figures")
    args = parser.parse_args()
    name, _, protocol = args.data.partition(":")
    config = seeded(shorter(separate(get_recipe(args.recipe), TASK), args.share), args.seed)
    config = replace(config, train=replace(config.train, explore=0.0))
    stores = open_stores(config.train, args.stores)
    store = stores[name]
    elsewhere = {canonical_text(c) for key, other in stores.items() if key != name for c in other.classes}
    own = [c for c in store.classes if canonical_text(c) not in elsewhere]
    chosen = np.random.default_rng(args.seed).choice(len(own), args.hold_out, replace=False)
    new = tuple(own[i] for i in sorted(chosen))
    old = tuple(c for c in store.classes if c not in new)
    print(f"held out: {', '.join(new)}", flush=True)
    with TemporaryDirectory() as folder:
        fewer = {**stores, name: without_classes(store, protocol, new, Path(folder) / name)}
        without = add_classes(train(new_model(config, fewer), fewer, Path(folder) / "without"), list(new))
        all_classes = train(new_model(config, stores), stores, Path(folder) / "with")
    test = store.indices(protocol, "test")
    is_new = np.isin(store.labels[test], [store.classes.index(c) for c in new])
    found = {"held_out": new, "clips": int(is_new.sum()), "other_clips": int((~is_new).sum()), "chance": 1 / len(new)}
    for title, model in (("added by name", without), ("trained on them", all_classes)):
        found[title] = {
            "among themselves": accuracy(model, store, test[is_new], new),
            "among all": accuracy(model, store, test[is_new], store.classes),
            "other clips, other classes": accuracy(model, store, test[~is_new], old),
            "other clips, all classes": accuracy(model, store, test[~is_new], store.classes),
        }
        print(title + ": " + "; ".join(f"{k} {100 * v:.1f} %" for k, v in found[title].items()), flush=True)
    print(f"chance among themselves: {100 / len(new):.1f} %; {found['clips']} and {found['other_clips']} clips")
    if args.output:
        facts = {"recipe": args.recipe, "share": args.share, "seed": args.seed, "data": args.data}
        args.output.write_text(json.dumps(facts | found, indent=1))


if __name__ == "__main__":
    main()

"""`ups push`: a model to the Hugging Face hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ups.cli.show import say


@dataclass
class Push:
    """Send a model with its card to a repository of the Hugging Face hub, whence `owner/name` gets it everywhere that a
    model is asked for. The variable HF_TOKEN holds the right to write there.
    """

    model: Positional[Path]
    """Folder or name of the trained model."""
    repository: Positional[str]
    """owner/name; made where there is none."""
    license: str = "other"
    """Licence of the weights, by the hub's name for it: apache-2.0, cc-by-nc-4.0; other = TERMS.md in the folder."""
    private: bool = False
    """A new repository is seen by its owner alone."""

    def run(self) -> None:
        """Check, send, and print how to get it back."""
        from ups.checkpoint.hub import push
        from ups.checkpoint.io import load
        from ups.checkpoint.known_models import locate

        load(self.model)  # what is damaged is not spread
        commit = push(locate(self.model), self.repository, self.license, self.private)
        say(f"{self.repository}@{commit}")

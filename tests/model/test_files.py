"""The vocabulary of a model, from its files: below the tokenizer's size and below the embedding's."""

import json

import pytest

from ablation.model.files import read_config, tokenizer_size, vocabulary_of
from tests.build.models import downloaded
from tests.build.sites import write
from tests.model.test_planted import SERVER_PYTHON, run

# As transformers writes them: the texts of a BPE with their ids, tokens that were added with theirs.
QWEN = {
    "added_tokens": [
        {"id": 151643, "content": "<|endoftext|>"},
        {"id": 151668, "content": "</think>"},
    ],
    "model": {"type": "BPE", "vocab": {"!": 0, "Ã": 151642}},
}
LLAMA_2 = {
    "added_tokens": [{"id": 0, "content": "<unk>"}, {"id": 2, "content": "</s>"}],
    "model": {"type": "BPE", "vocab": {"<unk>": 0, "</s>": 2, "给": 31999}},
}
T5 = {"added_tokens": [], "model": {"type": "Unigram", "vocab": [["<pad>", 0.0]] * 32100}}


def vocabulary(folder, config, tokenizer=None) -> int | None:
    write(folder / "config.json", config if isinstance(config, str) else json.dumps(config))
    if tokenizer is not None:
        write(
            folder / "tokenizer.json",
            tokenizer if isinstance(tokenizer, str) else json.dumps(tokenizer),
        )
    return vocabulary_of(str(folder), {})


@pytest.mark.parametrize(
    ("config", "tokenizer", "size"),
    [
        ({"vocab_size": 128256}, None, 128256),
        ({"vocab_size": 151936}, QWEN, 151669),  # rows beyond the last token
        ({"vocab_size": 151643}, QWEN, 151643),  # tokens that the embedding has no row for
        ({"vocab_size": 32000}, LLAMA_2, 32000),  # the added tokens are not the last
        ({"vocab_size": 32128}, T5, 32100),
        ({"text_config": {"vocab_size": 163840}}, None, 163840),
        ({"vocab_size": 32064, "text_config": {"vocab_size": 32000}}, None, 32000),
        ({"llm_config": {"vocab_size": 92553}}, None, 92553),
        ({"language_config": {"vocab_size": 129280}}, None, 129280),
        ({"thinker_config": {"text_config": {"vocab_size": 152064}}}, None, 152064),
        ({"vision_config": {"vocab_size": 5}}, None, None),
        ({"text_config": None}, QWEN, None),  # nothing says how many rows there are
        ({"vocab_size": True}, None, None),
        ({"vocab_size": "128256"}, None, None),
        ({"vocab_size": 0}, None, None),
        ({"vocab_size": 128256}, "{", 128256),
        ({"vocab_size": 128256}, {"model": None}, 128256),
        ({"vocab_size": 128256}, {"model": {"vocab": {}}, "added_tokens": None}, 128256),
        ("[]", None, None),
        ("{", None, None),
        ("[" * 100_000, None, None),
    ],
)
def test_the_smaller_of_embedding_and_tokenizer(tmp_path, config, tokenizer, size):
    assert vocabulary(tmp_path, config, tokenizer) == size


def test_of_a_model_in_the_hubs_cache(tmp_path):
    environment = {"HF_HOME": str(tmp_path)}
    assert vocabulary_of("org/name", environment) is None
    for commit, rows in (("1" * 40, 1000), ("2" * 40, 2000)):
        write(tmp_path / commit / "config.json", json.dumps({"vocab_size": rows}))
        downloaded(tmp_path / "hub", "org/name", tmp_path / commit, commit)
    assert vocabulary_of("org/name", environment) == 2000
    assert vocabulary_of("org/name", environment, "1" * 40) == 1000


def test_a_tokenizer_that_changed_is_read_again(tmp_path):
    file = write(tmp_path / "tokenizer.json", json.dumps(LLAMA_2), 1000)
    assert tokenizer_size(file) == 32000
    write(file, json.dumps(QWEN), 2000)
    assert tokenizer_size(file) == 151669
    assert tokenizer_size(tmp_path / "none") is None


def test_a_file_that_is_no_config_is_not_read(tmp_path):
    file = write(tmp_path / "config.json", json.dumps({"x": "y" * 1_000_000}))
    assert read_config(file) is None
    assert read_config(file, 2_000_000) is not None


@pytest.mark.vllm
def test_a_tokenizer_as_the_library_writes_it(tmp_path):
    program = (
        "import sys; from tokenizers import Tokenizer, models\n"
        "vocabulary = {chr(256 + i): i for i in range(500)}\n"
        "t = Tokenizer(models.BPE(vocabulary, [])); t.add_special_tokens(['<s>', '</s>'])\n"
        "t.save(sys.argv[1]); print(t.get_vocab_size())"
    )
    done = run("-c", program, tmp_path / "tokenizer.json", python=SERVER_PYTHON)
    assert done.returncode == 0, done.stderr
    assert tokenizer_size(tmp_path / "tokenizer.json") == int(done.stdout) == 502

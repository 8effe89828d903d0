"""A file says what its author wrote, or is refused with the line."""

import pytest

from ablation.study.load import StudyError, as_written, read_yaml
from ablation.study.strict_yaml import parse


def refused(text: str) -> str:
    with pytest.raises(StudyError) as error:
        parse(text, "study.yaml")
    return str(error.value)


def test_a_key_that_stands_twice():
    text = 'factor:\n  arms:\n    "on": {a: 1}\n    "off":\n    "on": {b: 1}\n'
    message = refused(text)
    assert message.startswith(
        "study.yaml, line 5: factor.arms: the key on stands twice, in lines 3 and 5"
    )
    assert "args: the key x stands twice, in lines 1 and 1" in refused("args: {x: 1, x: 2}")
    assert "the key args stands twice, in lines 1 and 3" in refused(
        "args: {x: 1}\nenv: {}\nargs: {y: 1}"
    )
    assert "the key 'a' stands twice" in refused('{"a": 1, "b": {"a": 1}, "a": 2}').replace(
        "key a", "key 'a'"
    )


@pytest.mark.parametrize(
    "number", ["010", "0o10", "1_000", "1:30", "0x10", "0b1", "+5", "1:30.5", "1_0.5", "9" * 5000]
)
def test_a_number_that_yaml_reads_otherwise(number):
    if number == "0o10":  # text to YAML 1.1, and so to the server
        assert parse(f"args: {{x: {number}}}", "s") == {"args": {"x": "0o10"}}
        return
    message = refused(f"a: 1\nargs:\n  x: {number}\n")
    assert "study.yaml, line 3: args.x: " in message
    assert "quotes" in message
    assert len(message) < 400


@pytest.mark.parametrize(
    "text",
    [
        "010",
        "1_000",
        "1:30",
        "3.10",
        "0x10",
        "1e3",
        "+5",
        "2026-03-11",
        "0.0",
        "00",
        "1.50",
        "-7",
        "8",
    ],
)
def test_a_variable_has_the_text_that_was_written(text):
    assert parse(f"server:\n  env:\n    X: {text}\n", "s")["server"]["env"]["X"] == text
    assert parse(f"when:\n  env: {{X: [{text}, a]}}\n", "s")["when"]["env"]["X"] == [text, "a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("3.10", "3.10"), ("0.90", "0.90"), ("0.9", 0.9), ("1e3", "1e3"), ("8", 8), ("2026-03-11", "2026-03-11"),
     ("true", True), ("~", None), ("'010'", "010"), ("-1", -1), ("0", 0)],
)  # fmt: skip
def test_an_argument_keeps_its_digits(text, value):
    found = parse(f"args:\n  x: {text}\n", "s")["args"]["x"]
    assert found == value
    assert type(found) is type(value)


def test_elsewhere_a_number_is_a_number():
    assert parse("design: {margin: 2.50, levels: [1, 10]}\n1: x\n", "s") == {
        "design": {"margin": 2.5, "levels": [1, 10]},
        1: "x",
    }


def test_anchors_and_merge_keys_work():
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b\nthree:\n  <<: [*b, {x: 5, z: 6}]\n"
    assert parse(text, "s") == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 1, "y": 2},
        "three": {"x": 1, "y": 2, "z": 6},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a]", "too large"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{n}: &{n} [{','.join(['*' + b] * 10)}]\n" for b, n in zip("abcdef", "bcdefg", strict=True)), "too large"),
        ("[" * 3000, "nested too deeply"),
        ("a: !!binary aGVsbG8=", "line 1: a: the tag !!binary is not read"),
        ("a: !!python/object:os.system x", "the tag !!python/object:os.system is not read"),
        ("a: !x y", "the tag !x is not read"),
        ("? [a, b]\n: 1", "a key is a list or a mapping"),
        ("a: 1\n\tb: 2", "line 2: cannot be read as YAML"),
        ("a: [1", "cannot be read as YAML"),
        ("a: *b", "undefined alias"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: \x00", "cannot be read as YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(text, words):
    message = refused(text)
    assert words in message
    assert "<unicode string>" not in message


def test_a_syntax_error_does_not_show_the_line():
    assert "s3cret" not in refused("env:\n  HF_TOKEN: [s3cret\nx: 1")
    assert "0123456" not in refused("args: {hf-token: 0123456}")


def test_a_file_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path) == {"a": 1, "b": 2}


class Files:
    """Configuration files, and the `config` that Snakemake makes of them."""

    def __init__(self, folder, *texts: str) -> None:
        self.paths = [folder / f"{number}.yaml" for number, _ in enumerate(texts)]
        for path, text in zip(self.paths, texts, strict=True):
            path.write_text(text)

    def config(self, **overrides: object) -> dict:
        from snakemake.common.configfile import load_configfile
        from snakemake.utils import update_config

        config: dict = {}
        for path in self.paths:
            update_config(config, load_configfile(path))
        update_config(config, overrides)
        return config


LOWER = "study: s\nserver:\n  env: {X: 010, Y: 1}\n"


def test_what_snakemake_lost_is_read_again(tmp_path):
    files = Files(tmp_path, LOWER, "server: {env: {Y: 3.10}}\n")
    config = files.config(title="t")
    assert config["server"]["env"] == {"X": 8, "Y": 3.1}
    assert as_written(config, files.paths, {"title": "t"}) == {
        "study": "s",
        "title": "t",
        "server": {"env": {"X": "010", "Y": "3.10"}},
    }


def test_json_is_read_as_snakemake_reads_it(tmp_path):
    files = Files(tmp_path, '{"study": "s", "design": {"margin": 1e1}}')
    assert as_written(files.config(), files.paths, {})["design"] == {"margin": 10.0}


def test_a_doubled_key_is_refused_though_snakemake_takes_it(tmp_path):
    files = Files(tmp_path, LOWER + "study: t\n")
    assert files.config()["study"] == "t"
    with pytest.raises(StudyError, match="the key study stands twice, in lines 1 and 4"):
        as_written(files.config(), files.paths, {})


def test_an_option_that_the_workflow_took_out_is_not_put_back(tmp_path):
    files = Files(tmp_path, LOWER)
    config = files.config(audit="x.csv")
    del config["audit"]
    assert as_written(config, files.paths, {"audit": "x.csv"})["server"]["env"]["X"] == "010"


def test_files_that_do_not_stand_for_the_configuration_are_let_alone(tmp_path):
    """A module of another workflow has that workflow's files, and a configuration of its own."""
    files = Files(tmp_path, "x: 0x10\nx: 3\n")
    own = {"study": "s", "server": {"env": {"X": 8}}}
    assert as_written(own, files.paths, {}) == own
    assert as_written(own, [], {}) == own
    assert as_written(own, [tmp_path / "none.yaml"], {}) == own

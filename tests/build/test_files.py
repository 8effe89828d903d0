"""Digests of files, whole and in pieces; names and hashes in few characters."""

import pytest

from ablation.build.files import Unreadable, content, digest_of, pack, unpack, walk
from tests.build.sites import write

SMALL = {"whole_bytes": 1000, "pieces": 8, "piece_bytes": 100}


@pytest.mark.parametrize("size", [801, 1001, 5_000, 123_457])
def test_pieces_reach_both_ends_and_every_part(tmp_path, size):
    """Of whatever a file is made, a change to a quarter of it is noticed wherever it lies."""
    held = bytes(size)
    file = write(tmp_path / "f", held)
    before = content(str(file), size, **SMALL)
    part = size // 4
    for start in (0, size - 1, *range(0, size - part, part // 4)):
        end = min(size, start + part) if start not in (0, size - 1) else start + 1
        write(file, held[:start] + b"x" * (end - start) + held[end:])
        assert content(str(file), size, **SMALL) != before


def test_files_of_other_sizes_differ_even_where_the_pieces_agree(tmp_path):
    digests = {
        content(str(write(tmp_path / "f", bytes(n))), n, **SMALL) for n in (0, 1, 5000, 5001)
    }
    assert len(digests) == 4


def test_a_file_that_is_cut_while_it_is_read_is_no_error(tmp_path):
    assert content(str(write(tmp_path / "f", b"short")), 50_000, **SMALL)


def test_what_is_not_there_and_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        content(str(tmp_path / "none"), 1)
    with pytest.raises(Unreadable, match="Is a directory"):
        content(str(tmp_path), 1)
    with pytest.raises(Unreadable, match="top: No such file"):
        list(walk(str(tmp_path / "none"), "top"))


def test_a_folder_with_a_link_to_itself(tmp_path):
    write(tmp_path / "p" / "a.py", "")
    write(tmp_path / "beside" / "b.py", "")
    (tmp_path / "p" / "loop").symlink_to(tmp_path / "p")
    (tmp_path / "p" / "linked").symlink_to(tmp_path / "beside")
    (tmp_path / "p" / "gone").symlink_to(tmp_path / "nowhere")
    assert sorted(name for name, _ in walk(str(tmp_path / "p"), "p")) == ["p/a.py", "p/linked/b.py"]


def test_names_and_hashes_come_back():
    files = {"vllm/a b.py": "0" * 64, "vllm/ü.py": "1" * 64, "vllm/bad-\udce4.py": "missing"}
    assert unpack(pack(files)) == {name: held[:8] for name, held in files.items()}
    assert len(digest_of(files)) == 16
    for text in ("", "no tree", "ABCDE"):
        with pytest.raises(ValueError, match=r"pack|b85|base85|Base85"):
            unpack(text)

import sys

import pytest

from segmif.bench.cache import ScoreStore, code_version, digest, file_digest
from segmif.checks import InputError


def test_scores_survive(tmp_path):
    path = tmp_path / "deep" / "scores.jsonl"
    ScoreStore(path).put("a", {"EN": 1.5})
    store = ScoreStore(path)
    store.put("b", 0.25)
    store.put("a", {"EN": 2.5})
    again = ScoreStore(path)
    assert again.get("a") == {"EN": 2.5}
    assert again.get("b") == 0.25
    assert len(again) == 2


def test_a_half_written_line_spoils_only_itself(tmp_path):
    """As a kill leaves it: the next value starts on a new line."""
    path = tmp_path / "scores.jsonl"
    ScoreStore(path).put("a", 1)
    with path.open("ab") as file:
        file.write(b'["b", {"EN": 6.')
    store = ScoreStore(path)
    assert (store.get("a"), store.get("b")) == (1, None)
    store.put("c", 3)
    again = ScoreStore(path)
    assert (again.get("a"), again.get("b"), again.get("c")) == (1, None, 3)


def test_foreign_content_is_passed_over(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_bytes(b'{"not": "ours"}\n\xff\xfe\n[1, 2]\n["k", 5]\n')
    store = ScoreStore(path)
    assert len(store) == 1
    assert store.get("k") == 5


def test_where_it_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        ScoreStore(tmp_path / "file" / "scores.jsonl").put("a", 1)
    with pytest.raises(InputError, match="cannot be read"):
        ScoreStore(tmp_path)


def test_digests(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")
    assert digest("x") == digest(b"x")
    with pytest.raises(InputError, match="cannot be read"):
        file_digest(tmp_path / "none")


def test_the_code_version_follows_the_code(tmp_path, monkeypatch):
    package = tmp_path / "ours_for_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before, part = code_version("ours_for_a_test"), code_version("ours_for_a_test.part")
    (package / "part.py").write_text("x = 2\n")
    code_version.cache_clear()
    assert code_version("ours_for_a_test") != before
    assert code_version("ours_for_a_test.part") != part
    sys.modules.pop("ours_for_a_test", None)

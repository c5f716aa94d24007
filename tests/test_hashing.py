import hashlib
import os

from aimanga.hashing import file_key, seed_of, sha256_of


def test_the_digest_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_key_changes_with_the_file_and_with_what_else_counts(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    keys = [file_key(path), file_key(path, 1), file_key(path, 1, "x"), file_key(path, "1")]
    os.utime(path, ns=(0, 5))
    keys.append(file_key(path))
    path.write_bytes(b"abcd")
    os.utime(path, ns=(0, 5))
    keys.append(file_key(path))
    assert len(set(keys)) == len(keys)
    assert file_key(path) == keys[-1]


def test_seeds_stay_what_they_were():
    """Stored pairs and trainings can be made again only with the same seeds."""
    assert seed_of(0, "a_1.png", "sample") == int(hashlib.sha256(b"0/sample/a_1.png").hexdigest()[:16], 16) // 2
    assert len({seed_of(s, n, p) for s in (0, 1) for n in ("a", "b") for p in ("x", "y")}) == 8

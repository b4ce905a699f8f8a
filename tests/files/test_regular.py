"""Files named by files: regular ones only, of a bounded size, and never waited for."""

import os

import pytest

from seqcli.files.regular import NotRegularError, read_json, read_regular
from seqcli.schema import SchemaError


def test_a_regular_file_is_read_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", 3) == b"abc"
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_regular(tmp_path / "a", 2)


@pytest.mark.timeout(60)
def test_nothing_else_is_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("fifo", "link", "."):
        with pytest.raises(NotRegularError, match="is not a regular file"):
            read_regular(tmp_path / name, 10)


def test_json_is_checked(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    assert read_json(path, dict[str, int], 100) == {"a": 1}
    for content in (b'{"a": "b"}', b"\xff", b"{", b'{"a": 1, "a": 1}'):
        path.write_bytes(content)
        with pytest.raises(SchemaError):
            read_json(path, dict[str, int], 100)

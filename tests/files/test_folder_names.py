"""Names from files are single parts of paths, never paths."""

import pytest

from seqcli.errors import UsageError
from seqcli.files.regular import single_name


@pytest.mark.parametrize("name", ["gru-s0", "gru+lr=1e-3-s1", "Größe 1"])
def test_a_name_from_a_file_is_one_part_of_a_path(name):
    assert single_name(name, "plan.json") == name


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../victim", "/etc", "a/b", "a\\b", "C:x", ".x", "a\n", "x" * 151]
)
def test_a_name_from_a_file_is_never_a_path(name):
    with pytest.raises(UsageError, match=r"plan\.json: .* cannot be the name of a folder"):
        single_name(name, "plan.json")

"""What could run a stranger's code is called in one room only, and nothing else may."""

import ast

import pytest
from source import Module, modules

CHECKPOINTS_ONLY = {"torch.load", "torch.save", "pickle.load", "pickle.loads", "pickle.dump"}
NEVER = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.check_output",
    "marshal.loads",
    "numpy.load",
    "np.load",
}
IMPORT_MODULE = {
    "registry",
    "api",
    "exporters",
    "__init__",
}  # from tables, never from a file


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_nothing_runs_what_a_file_says(module: Module):
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        where = f"{module.name}, line {node.lineno}: {called}"
        assert called not in NEVER, where
        if called in CHECKPOINTS_ONLY:
            assert module.room == "checkpoints", where
        if called == "torch.load":
            wanted = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert wanted.get("weights_only") == "True", where
        if called.endswith("import_module"):
            assert module.room in IMPORT_MODULE, where


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_pickle_stays_with_the_checkpoints(module: Module):
    found = {name.split(".")[0] for _, name in module.imports()} & {"pickle", "marshal", "shelve"}
    assert not found or module.room == "checkpoints"

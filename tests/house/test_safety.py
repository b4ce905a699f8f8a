"""What could run a stranger's code is called in one room only, and nothing else may."""

import ast

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
# From tables of the package, never from a file that is read.
IMPORT_MODULE = {"plugins", "registry", "api", "cli", "exporters", "files", "__init__"}


def test_nothing_runs_what_a_file_says():
    for module in modules():
        check_calls(module)


def check_calls(module: Module):
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


def test_pickle_stays_with_the_checkpoints():
    unsafe = {"pickle", "marshal", "shelve"}
    importing = [
        module.name
        for module in modules()
        if unsafe & {name.split(".")[0] for _, name in module.imports()}
    ]
    assert [name for name in importing if not name.startswith("seqcli/checkpoints/")] == []

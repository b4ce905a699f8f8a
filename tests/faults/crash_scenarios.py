"""The commands whose points are enumerated, and the states in which each may leave the disk."""

from __future__ import annotations

import gc
import json
import pkgutil
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import typer
from crash_points import Scenario, run

import seqcli

NAMES = (
    "--task names --backend numpy --train-rows 40 --val-rows 8 --test-rows 8 --hidden 4 "
    "--epochs 2 --threads 1 --quiet"
)
PAIRS = (
    "--task copy --length 2:3 --vocab 4 --train-rows 16 --val-rows 4 --test-rows 4 --hidden 4 "
    "--embedding 4 --epochs 1 --threads 1 --quiet"
)
COMPARE = (
    "--task names --cells rnn --seeds 1 --train-rows 40 --val-rows 8 --test-rows 8 --epochs 1 "
    "--set train.backend=numpy --set model.hidden=4 --threads 1 --quiet"
)
DATA = "gen-data --task reverse --length 2:4 --train 30 --val 5 --test 5 --out data --quiet"
ROWS = "".join(f"{'abcdefghij'[n % 10] * (n % 4 + 1)}{n % 7}\tx{n % 5}\n" for n in range(80))

Make = Callable[[Path], Scenario]
MODELS: dict[str, Path] = {}


def warm(room: Path) -> None:
    """Import all that the commands need, and train what they use."""
    for module in pkgutil.walk_packages(seqcli.__path__, "seqcli."):
        if module.name != "seqcli.__main__":
            import_module(module.name)
    for name in ("rich.table", "rich.live", "safetensors.numpy", "matplotlib.backends.backend_agg"):
        import_module(name)
    import torch
    from matplotlib.figure import Figure

    from seqcli.cli import app
    from seqcli.data.files import loading

    typer.main.get_command(app)
    torch.set_num_threads(1)
    gc.freeze()
    loading.LARGE = 1  # small files are cached too
    Figure.savefig = lambda self, file, **_: file.write(b"picture")  # type: ignore
    for name, words in {"old": NAMES, "new": NAMES, "pairs": PAIRS, "others": PAIRS}.items():
        seed = "1" if name in ("new", "others") else "0"
        MODELS[name] = room / "models" / name
        _sure(room, ["train", *words.split(), "--seed", seed, "--out", str(MODELS[name])])


def gen_data(room: Path) -> Scenario:
    """`gen-data --force` over another data set."""

    def prepare(folder: Path) -> None:
        _sure(folder, [*DATA.split(), "--seed", "1"])

    return Scenario(
        [*DATA.split(), "--seed", "2", "--force"], prepare, _data_state, left=frozenset({"data"})
    )


def gen_data_fresh(room: Path) -> Scenario:
    """`gen-data` where there is nothing yet."""
    again = ([*DATA.split(), "--seed", "2", "--force"],)
    return Scenario(
        [*DATA.split(), "--seed", "2"], _nothing, _data_state, again, left=frozenset({"data"})
    )


def predict(room: Path) -> Scenario:
    """`predict --out --force` over older answers."""
    words = ["predict", "--ckpt", str(MODELS["pairs"]), "--quiet", "--input", "in.txt", "--out"]
    new = _product(room, [*words, "out.txt"], "out.txt", _sources)

    def prepare(folder: Path) -> None:
        _sources(folder)
        (folder / "out.txt").write_text("old\n")

    state = _file_state("out.txt", b"old\n", new)
    left = frozenset({"in.txt", "out.txt"})
    return Scenario([*words, "out.txt", "--force"], prepare, state, left=left)


def predict_fresh(room: Path) -> Scenario:
    """`predict --out FILE.gz` where there is nothing yet."""
    words = ["predict", "--ckpt", str(MODELS["pairs"]), "--quiet", "--input", "in.txt", "--out"]
    new = _product(room, [*words, "out.gz"], "out.gz", _sources)
    again = ([*words, "out.gz", "--force"],)
    left = frozenset({"in.txt", "out.gz"})
    state = _file_state("out.gz", None, new)
    return Scenario([*words, "out.gz"], _sources, state, again, left=left)


def export(room: Path) -> Scenario:
    """`export --to safetensors --force` over an older export."""
    words = ["--to", "safetensors", "--out", "m.safetensors"]
    old, new = (
        _product(room / name, ["export", str(MODELS[name]), *words], "m.safetensors", _nothing)
        for name in ("old", "new")
    )

    def prepare(folder: Path) -> None:
        (folder / "m.safetensors").write_bytes(old)

    argv = ["export", str(MODELS["new"]), *words, "--force", "--quiet"]
    state = _weights_state("m.safetensors", old, new)
    return Scenario(argv, prepare, state, left=frozenset({"m.safetensors"}))


def predictions(room: Path) -> Scenario:
    """`eval --predictions` over the predictions of another model."""
    words = ["--predictions", "p.tsv", "--quiet"]
    old, new = (
        _product(room / name, ["eval", "--ckpt", str(MODELS[name]), *words], "p.tsv", _nothing)
        for name in ("others", "pairs")
    )

    def prepare(folder: Path) -> None:
        (folder / "p.tsv").write_bytes(old)

    argv = ["eval", "--ckpt", str(MODELS["pairs"]), *words]
    return Scenario(argv, prepare, _file_state("p.tsv", old, new), left=frozenset({"p.tsv"}))


def cache(room: Path) -> Scenario:
    """The cache being written while `train --check` reads a file."""
    argv = ["train", "--data", "rows.tsv", "--check"]

    def prepare(folder: Path) -> None:
        (folder / "rows.tsv").write_text(ROWS)

    room.mkdir(parents=True)
    prepare(room)
    expected = run(room, argv)

    def state(folder: Path) -> str:
        entries = list((folder / "cache").glob("encoded/[0-9a-f]*"))
        seen = run(folder, argv)
        hidden = list((folder / "cache").glob("encoded/.*"))
        if hidden or (seen.code, seen.out) != (0, expected.out):
            return f"{hidden} {seen}"
        return "new" if entries else "old"

    left = frozenset({"rows.tsv", "cache"})
    return Scenario(argv, prepare, state, left=left, harmless=True)


def train(room: Path) -> Scenario:
    """`train --out` where there is nothing yet."""
    again = (["train", "--resume", "run", "--quiet"],)
    argv = ["train", *NAMES.split(), "--seed", "1", "--out", "run"]
    return Scenario(argv, _nothing, _run_state, again, left=frozenset({"run"}))


def train_force(room: Path) -> Scenario:
    """`train --out --force` over another run, with a file of the user's in its folder."""

    def prepare(folder: Path) -> None:
        shutil.copytree(MODELS["old"], folder / "run")
        (folder / "run" / "notes.txt").write_text("mine")

    def state(folder: Path) -> str:
        notes = folder / "run" / "notes.txt"
        if not (notes.exists() and notes.read_text() == "mine"):
            return "the notes are lost"
        return _run_state(folder)

    again = (["train", "--resume", "run", "--quiet"],)
    argv = ["train", *NAMES.split(), "--seed", "1", "--out", "run", "--force"]
    return Scenario(argv, prepare, state, again, left=frozenset({"run"}))


def compare(room: Path) -> Scenario:
    """`compare --out` where there is nothing yet: a run, its result, and the report."""
    argv = ["compare", *COMPARE.split(), "--out", "cmp"]
    _sure(room, argv)
    expected = _arms(room)

    def state(folder: Path) -> str:
        if not (folder / "cmp" / "compare.json").exists():
            return "old"
        page = folder / "cmp" / "report.html"
        if page.exists() and not page.read_text().rstrip().endswith("</html>"):
            return "the page is cut off"
        return "new" if _arms(folder) == expected else f"other scores: {_arms(folder)}"

    return Scenario(argv, _nothing, state, left=frozenset({"cmp"}))


def _arms(folder: Path) -> list[tuple[str, dict[str, float]]]:
    """Return the arms and scores of a comparison's report."""
    document = json.loads((folder / "cmp" / "compare.json").read_text())
    return [(arm["arm"], arm["scores"]) for arm in document["arms"]]


SCENARIOS: dict[str, Make] = {
    "gen-data --force": gen_data,
    "gen-data": gen_data_fresh,
    "predict --out --force": predict,
    "predict --out FILE.gz": predict_fresh,
    "export --force": export,
    "eval --predictions": predictions,
    "cache": cache,
    "train": train,
    "train --force": train_force,
    "compare": compare,
}


def _sure(folder: Path, argv: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = run(folder, argv)
    assert done.code == 0, (argv, done)


def _nothing(folder: Path) -> None:
    """Prepare nothing."""


def _sources(folder: Path) -> None:
    (folder / "in.txt").write_text("1 2\n2 1 3\n\n3 3\n")


def _product(room: Path, argv: list[str], name: str, prepare: Callable[[Path], None]) -> bytes:
    """Return the file that a command writes when nothing fails."""
    room.mkdir(parents=True)
    prepare(room)
    _sure(room, argv)
    return (room / name).read_bytes()


def _file_state(name: str, old: bytes | None, new: bytes) -> Callable[[Path], str]:
    def state(folder: Path) -> str:
        path = folder / name
        found = path.read_bytes() if path.exists() else None
        return "new" if found == new else "old" if found == old else f"{name} is {found!r}"

    return state


def _weights_state(name: str, old: bytes, new: bytes) -> Callable[[Path], str]:
    """Compare weights: the order of the header differs from process to process."""
    from safetensors.numpy import load

    def plain(raw: bytes) -> dict[str, bytes]:
        return {key: weight.tobytes() for key, weight in load(raw).items()}

    known = {"old": plain(old), "new": plain(new)}

    def state(folder: Path) -> str:
        found = plain((folder / name).read_bytes())
        return next((one for one, weights in known.items() if weights == found), "another")

    return state


def _data_state(folder: Path) -> str:
    """Name the data set by its seed, once `read_folder` has checked every digest."""
    from seqcli.data.dataset_folder import read_folder
    from seqcli.errors import SeqcliError

    if not (folder / "data").exists():
        return "old"
    try:
        return {1: "old", 2: "new"}[int(str(read_folder(folder / "data").provenance.seed))]
    except SeqcliError as error:
        return error.message


def _run_state(folder: Path) -> str:
    """Name a run by its seed, if `info` and `sample` can use its checkpoint."""
    path = folder / "run"
    if not path.exists() or not any(path.glob("*.pt")):
        return "old" if not (path / "best.pt").exists() else "no checkpoint"
    info = run(folder, ["info", "run", "--json"])
    drawn = run(folder, ["sample", "--ckpt", "run", "--n", "2", "--seed", "0", "--quiet"])
    if info.code or drawn.code:
        return f"{info.code} {info.err} {drawn.code} {drawn.err}"
    return "new" if json.loads(info.out)["settings"]["train.seed"]["value"] == 1 else "old"

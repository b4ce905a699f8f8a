"""Export to safetensors, without PyTorch: the weights by name, and everything else as metadata.

`load_exported` builds the PyTorch model again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqcli.config import ModelConfig
from seqcli.data.vocabulary import SPECIALS, Vocabulary
from seqcli.descriptions import Exported
from seqcli.errors import SeqcliError, UsageError
from seqcli.exporters.metadata import (
    CARD,
    METADATA,
    Card,
    ExportSource,
    example_source,
    import_packages,
    metadata,
    write_card,
)
from seqcli.files.atomic import check_output, write_atomically, writing
from seqcli.files.folder import replacing_folder

if TYPE_CHECKING:
    from seqcli.models.base import Model

SUFFIX, WEIGHTS = ".safetensors", "model.safetensors"


def export_safetensors(
    sources: Sequence[ExportSource], out: Path, rows: int, force: bool, card: Card | None = None
) -> Exported:
    """Write every weight under PyTorch's name, with the metadata.

    A file has the metadata as JSON under ``seqcli``. A folder has model.safetensors, the metadata
    in model.json, and a model card. The names of the weights of an ensemble start with
    ``member0.``, ``member1.`` and so on, and its metadata has those of each member under
    ``members``.

    Args:
        sources: the trained model, or the members of an ensemble.
        out: the file if it ends in .safetensors, else the folder.
        rows: ignored, because the weights themselves are compared bit for bit.
        force: replace an existing export.
        card: returns the model card of a folder.

    Raises:
        UsageError, SeqcliError: see `seqcli.api.exporting.export`.
    """
    (library,) = import_packages("safetensors", "safetensors.numpy")
    notes = ("every weight is equal bit for bit",)
    if out.suffix == SUFFIX:
        with writing(out):
            check_output(out, overwrite=force)
        raw = _serialized(library, sources)
        write_atomically(out, lambda file: file.write(raw), overwrite=force)
        return Exported("safetensors", (str(out),), 0, 0, 0.0, notes)
    with replacing_folder(out, (CARD, METADATA, WEIGHTS), force) as folder:
        (folder / WEIGHTS).write_bytes(_serialized(library, sources))
        text = json.dumps(_metadata(sources), ensure_ascii=False, indent=1)
        (folder / METADATA).write_text(text, "utf-8")
        write_card(folder, card, _usage(sources))
        files = tuple(str(out / path.name) for path in sorted(folder.iterdir()))
    return Exported("safetensors", files, 0, 0, 0.0, notes)


def _serialized(library: Any, sources: Sequence[ExportSource]) -> bytes:
    """Return the content of the file, after reading it back."""
    prefixes = [f"member{i}." for i in range(len(sources))] if len(sources) > 1 else [""]
    weights = {
        prefix + name: np.ascontiguousarray(array)
        for prefix, source in zip(prefixes, sources, strict=True)
        for name, array in source.checkpoint.weights.items()
    }
    description = json.dumps(_metadata(sources), ensure_ascii=False)
    raw: bytes = library.save(weights, metadata={"format": "pt", "seqcli": description})
    loaded = library.load(raw)
    same = all(np.array_equal(loaded[name], weight) for name, weight in weights.items())
    if set(loaded) != set(weights) or not same:
        message = f"{sources[0].path}: the weights read back from safetensors differ"
        raise SeqcliError(message, "nothing was written")
    return raw


def _metadata(sources: Sequence[ExportSource]) -> dict[str, Any]:
    """Return the metadata of a model, or those of each member of an ensemble."""
    if len(sources) == 1:
        return metadata(sources[0])
    members = [metadata(source) for source in sources]
    first = {key: members[0][key] for key in ("made_by", "kind", "special_ids")}
    return {**first, "model": f"ensemble of {len(members)} models", "members": members}


def load_exported(folder: str | Path) -> tuple[Model, dict[str, Any]]:
    """Build the model in the folder of an export, in evaluation mode, and return its metadata.

    Raises:
        OSError: a file of the export is missing.
        UsageError: the export is an ensemble, or safetensors is not installed.
    """
    from seqcli.models.build import build

    (library,) = import_packages("safetensors", "safetensors.torch")
    about = json.loads((Path(folder) / METADATA).read_text("utf-8"))
    if "members" in about:
        raise UsageError(f"{folder} is an ensemble", "load its weights with safetensors")
    target = _vocabulary(about["target"])
    source = _vocabulary(about["source"]) if "source" in about else None
    sizes = None if source is None else len(source), len(target)
    copy_ids = () if source is None else source.ids_in(target)
    model = build(ModelConfig(**about["config"]["model"]), *sizes, about["positions"], copy_ids)
    model.load_state_dict(library.load_file(Path(folder) / WEIGHTS))
    return model.eval(), about


def _vocabulary(side: dict[str, Any]) -> Vocabulary:
    return Vocabulary(tuple(side["tokens"][len(SPECIALS) :]))


def _usage(sources: Sequence[ExportSource]) -> str:
    """Return how to use the folder, in Markdown."""
    weights = [
        "```python",
        "from safetensors.numpy import load_file",
        "",
        f'weights = load_file("{WEIGHTS}")  # name -> array',
        "```",
    ]
    about = f"`{METADATA}` has the sizes, the vocabularies and the tokenization."
    if len(sources) > 1 or sources[0].config.train.backend != "torch":
        return "\n".join([*weights, "", about])
    codec = sources[0].codec
    start = ["source, lengths = torch.zeros(1, 0, dtype=torch.int64), torch.tensor([0])"]
    if codec.source is not None:
        start = [
            'known = {token: number for number, token in enumerate(about["source"]["tokens"])}',
            f"tokens = {example_source(codec)}  # of the source",
            "source = torch.tensor([[known.get(token, 3) for token in tokens]])  # 3: unknown",
            "lengths = torch.tensor([len(tokens)])",
        ]
    program = [
        "import torch",
        "",
        "from seqcli.exporters.safetensors import load_exported",
        "",
        'model, about = load_exported(".")',
        *start,
        "with torch.inference_mode():",
        "    state = model.start(source, lengths)",
        "    token, answer = torch.tensor([1]), []  # 1: <bos>",
        "    while token.item() != 2 and len(answer) < 100:  # 2: <eos>",
        "        logits, state = model.step(token, state)",
        '        logits[:, [0, 1, 3]] = float("-inf")  # <pad>, <bos> and <unk>',
        "        token = logits.argmax(-1)",
        '        answer.append(about["target"]["tokens"][token.item()])',
        "print(answer)",
    ]
    text = "With PyTorch and seqcli, greedily; without them, the weights alone:"
    return "\n".join([about, text, "", "```python", *program, "```", "", *weights])

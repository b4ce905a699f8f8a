"""Recognize files that are not data: binary formats, web pages, source code.

`check_text` refuses files that no supported format can read. `check_prose` refuses text of another
kind, such as a web page, unless ``--format`` is given.
"""

from __future__ import annotations

import codecs

from seqcli.errors import DataError

GZIP = b"\x1f\x8b"
_EXPORT = "export it as UTF-8 text, tab-separated"
_UNPACK = "unpack it first"
_CONVERT = "save it as UTF-8, for example with iconv -f UTF-16 -t UTF-8"
_NAME_ROWS = "name the file of rows"
_PACKED = "a packed archive"

# signatures of binary files: (first bytes, kind of file, hint)
_MAGIC = (
    (codecs.BOM_UTF32_LE, "UTF-32 text", "save it as UTF-8, for example with iconv -f UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32 text", "save it as UTF-8, for example with iconv -f UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16 text", _CONVERT),
    (codecs.BOM_UTF16_BE, "UTF-16 text", _CONVERT),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls or .doc)", _EXPORT),
    (b"{\\rtf", "an RTF document", _EXPORT),
    (b"%PDF", "a PDF", _EXPORT),
    (b"%!PS", "a PostScript file", _EXPORT),
    (b"PAR1", "a Parquet file", _EXPORT),
    (b"ARROW1", "an Arrow file", _EXPORT),
    (b"FEA1", "a Feather file", _EXPORT),
    (b"ORC", "an ORC file", _EXPORT),
    (b"Obj\x01", "an Avro file", _EXPORT),
    (b"SQLite format 3\x00", "an SQLite database", _EXPORT),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _EXPORT),
    (b"\x93NUMPY", "a NumPy array (.npy)", "write its rows as tab-separated text"),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (b"\x04\x22\x4d\x18", "packed with lz4", _UNPACK),
    (b"\x1f\x9d", "packed with compress", _UNPACK),
    (GZIP, "packed with gzip twice", "unpack it once"),
    (b"7z\xbc\xaf\x27\x1c", _PACKED, _UNPACK),
    (b"Rar!\x1a\x07", _PACKED, _UNPACK),
    (b"\x7fELF", "a program", _NAME_ROWS),
    (b"MZ\x90\x00", "a program", _NAME_ROWS),
    (b"\x89PNG\r\n", "a picture", _NAME_ROWS),
    (b"\xff\xd8\xff", "a picture", _NAME_ROWS),
    (b"GIF8", "a picture", _NAME_ROWS),
    (b"RIFF", "a sound or picture file", _NAME_ROWS),
    (b"ID3", "a sound file", _NAME_ROWS),
)
# pickles of protocol 2 to 5: the mark, the version, then the first opcode
_PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95")
# content of a zip archive, if it is visible in the first block
_ZIPPED = (
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"word/", "a Word document (.docx)"),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)"),
    (b"opendocument", "an OpenDocument file"),
    (b"data.pkl", "a PyTorch file"),
    (b".npy", "a NumPy archive (.npz)"),
)
# first characters of text that is neither a table nor a list of names
_PROSE = (
    (b"<!doctype html", "an HTML page", "download the file itself: use the link to the raw data"),
    (b"<html", "an HTML page", "download the file itself: use the link to the raw data"),
    (b"<?xml", "an XML file", _EXPORT),
    (b"<svg", "an SVG picture", _NAME_ROWS),
    (b"\\documentclass", "a LaTeX document", _NAME_ROWS),
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "run git lfs pull"),
    (b"#!", "a script", _NAME_ROWS),
    (b"-----begin ", "a key or a certificate", _NAME_ROWS),
    (b"404: not found", "a failed download", "download the file again"),
    (b"%yaml", "a YAML file", _EXPORT),
)
_SUFFIXES = {
    ".py": "Python source",
    ".ipynb": "a Jupyter notebook",
    ".html": "an HTML page",
    ".htm": "an HTML page",
    ".xml": "an XML file",
    ".yaml": "a YAML file",
    ".yml": "a YAML file",
    ".toml": "a TOML file",
}
_CODE = (b"def ", b"import ", b"from ", b"class ", b"    return", b"if __name__")
_CODE_SHARE = 0.25  # minimum fraction of the nonblank lines in Python source code
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\x0b\x0c\x1b")


def check_text(block: bytes, name: str) -> None:
    """Refuse a file that does not begin like UTF-8 text.

    Args:
        block: the first bytes of the file, decompressed.
        name: the name of the file, for the message.

    Raises:
        DataError: the file is not text; the message names its kind.
    """
    check_binary(block, name)
    if b"\n" not in block and b"\r" in block[:-1]:
        raise line_ending_error(name)


def check_binary(block: bytes, name: str) -> None:
    """Refuse a file that starts like a binary file or UTF-16 text; see `check_text`.

    Raises:
        DataError: the file is not text; the message names its kind.
    """
    what, hint = _binary_kind(block)
    if what:
        raise DataError(f"{name} is {what}", hint)


def line_ending_error(name: str) -> DataError:
    """Return the error for a file whose lines end in CR alone, as on old Macs."""
    hint = r"make them LF, for example with tr '\r' '\n'"
    return DataError(f"{name}, line 1: lines end in CR alone", hint)


def check_prose(block: bytes, name: str, suffix: str) -> None:
    """Refuse text that is neither a table nor a list: a web page, source code and the like.

    Args:
        block: the first bytes of the file, decompressed.
        name: the name of the file, for the message.
        suffix: the suffix of the name, in lower case.

    Raises:
        DataError: the file is of another kind; the hint says how to read it nevertheless.
    """
    begin = block[:64].lstrip().lower()
    what, hint = next(((w, h) for mark, w, h in _PROSE if begin.startswith(mark)), ("", _NAME_ROWS))
    what = what or _SUFFIXES.get(suffix, "") or ("Python source" if _is_code(block) else "")
    if what:
        hint += "; or --format names to read each line as one text"
        raise DataError(f"{name} looks like {what}", hint)


def _binary_kind(block: bytes) -> tuple[str, str]:
    """Return the kind of a binary file and a hint, or two empty strings."""
    if block.startswith(b"PK\x03\x04"):
        inside = (what for mark, what in _ZIPPED if mark in block)
        return next(inside, "a zip archive"), _EXPORT
    for begin, what, hint in _MAGIC:
        if block.startswith(begin) and not (begin.isalnum() and _is_text(block)):
            return what, hint
    if block.startswith(_PICKLE):
        return "a Python pickle", "write its rows as tab-separated text"
    if block[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    return _unnamed_kind(block)


def _is_text(block: bytes) -> bool:
    """Return whether a block is plain text: a word list may begin with RIFF or ORC."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return False
    return not any(character in _CONTROLS for character in text[:4096].encode())


def _unnamed_kind(block: bytes) -> tuple[str, str]:
    """Recognize binary files without a known signature from their bytes."""
    nuls = block.count(0)
    if nuls > len(block) // 4:
        is_wide = max(block[::2].count(0), block[1::2].count(0)) > nuls * 0.9
        return ("UTF-16 text", _CONVERT) if is_wide else ("binary", "save it as UTF-8 text")
    if len(block) < 64:
        return "", ""
    controls = len(block) - len(block.translate(None, _CONTROLS))
    beyond = block.decode(errors="replace").count("\N{REPLACEMENT CHARACTER}")
    if controls > len(block) * 0.02 and beyond > len(block) * 0.1:
        return "binary", "save it as UTF-8 text"
    return "", ""


def _is_code(block: bytes) -> bool:
    lines = [line for line in block.split(b"\n") if line.strip()]
    marked = sum(line.startswith(_CODE) for line in lines)
    ended = sum(line.rstrip().endswith((b":", b"(", b")", b"]")) for line in lines)
    return marked >= 2 and marked + ended > len(lines) * _CODE_SHARE and ended > 0

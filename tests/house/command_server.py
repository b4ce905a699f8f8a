"""Run ``seqcli`` commands without the start-up of an interpreter for each.

``python command_server.py FOLDER`` imports the program once, writes a program FOLDER/seqcli, and
forks a child for every call of it. The child has the working directory, the arguments and the
standard streams of the caller. Training is shortened: see `shortened`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import socket
import sys
from pathlib import Path

CALLER = """\
#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps({{"words": sys.argv[1:], "folder": os.getcwd()}}).encode()
socket.send_fds(server, [request], [0, 1, 2])
sys.exit(int(server.recv(16) or 70))
"""
SMALL = ("--epochs", "1", "--threads", "1")
WIDTHS = ("--set", "model.hidden=8", "--set", "model.embedding=8", "--set", "model.feedforward=8")
ROWS = ("--train-rows", "60", "--val-rows", "9", "--test-rows", "9")


def shortened(words: list[str]) -> list[str]:
    """Return a command with less training: one epoch, few rows, small models.

    A suite, whose file has all settings, is only planned.
    """
    given = {word.partition("=")[0] for word in words}
    if words[0] == "gen-data":
        return [*words, "--train", "60", "--val", "9", "--test", "9"]
    if words[0] not in ("train", "compare") or given & {"--check", "--collect", "--resume"}:
        return words
    if "--suite" in given:
        return words if "--plan" in given else [*words, "--plan"]
    rows = () if given & {"--data", "--train"} else ROWS
    more = ("--seeds", "1", "--jobs", "1") if words[0] == "compare" else ()
    widths = () if given & {"--init-from", "--seconds"} else WIDTHS
    if "--ensemble" in given:
        more = ("--ensemble", "2")
    return [*words, *SMALL, *rows, *more, *widths]


def answer(connection: socket.socket) -> int:
    """Run the command of a caller in this process; return its exit code."""
    from seqcli.cli import app, shell

    request, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    call = json.loads(request)
    os.chdir(call["folder"])
    return shell.run(app, shortened(call["words"]))


def import_everything() -> None:
    """Import what the commands would import one by one, and use one thread."""
    import torch
    import torch.utils.tensorboard

    import seqcli

    for module in pkgutil.walk_packages(seqcli.__path__, "seqcli."):
        if module.name != "seqcli.__main__":
            importlib.import_module(module.name)
    torch.set_num_threads(1)


def reap() -> None:
    """Remove the children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(folder: Path) -> None:
    """Answer callers until this process is killed."""
    import_everything()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket"))
    server.listen()
    caller = folder / "seqcli"
    caller.write_text(CALLER.format(python=sys.executable, address=str(folder / "socket")))
    caller.chmod(0o755)
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        reap()
        if os.fork() == 0:
            code = answer(connection)
            sys.stdout.flush()
            sys.stderr.flush()
            connection.send(str(code).encode())
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))

"""Run ``seqcli`` commands without the start-up of an interpreter for each.

``python command_server.py FOLDER`` imports the program once, writes a program FOLDER/seqcli, and
forks a child for every call of it. The child has the working directory, the arguments and the
standard streams of the caller. Training is shortened: see `shortened`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import tempfile
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
SMALL = ("--threads", "1")
WIDTHS = ("--set", "model.hidden=8", "--set", "model.embedding=8", "--set", "model.feedforward=8")
ROWS = ("--train-rows", "60", "--val-rows", "9", "--test-rows", "9")


def shortened(words: list[str]) -> list[str]:
    """Return a command with less training: one epoch, few rows, small models.

    Workers of a comparison take seconds to start: those with a preset are run, with one seed, and
    others are planned. So are suites, whose settings are in their files.
    """
    given = {word.partition("=")[0] for word in words}
    if words[0] == "gen-data":
        return [*words, "--train", "60", "--val", "9", "--test", "9"]
    resumed = "--resume" in given and "auto" not in given
    if words[0] not in ("train", "compare") or resumed or given & {"--check", "--collect"}:
        return words
    if "--suite" in given:
        return [*words, "--plan"]
    epochs = () if "--seconds" in given else ("--epochs", "1")
    rows = () if given & {"--data", "--train"} else ROWS
    more: tuple[str, ...] = ()
    if words[0] == "compare":
        more = ("--seeds", "1", "--jobs", "1", "--match", "none")
        more = more if "--config" in given else (*more, "--plan")
    widths = () if "--init-from" in given else WIDTHS
    if "--ensemble" in given:
        more = ("--ensemble", "1")
    return [*words, *SMALL, *epochs, *rows, *more, *widths]


def answer(connection: socket.socket) -> int:
    """Run the command of a caller in this process; return its exit code."""
    from seqcli.cli import app, shell

    request, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    call = json.loads(request)
    os.chdir(call["folder"])
    return shell.run(app, shortened(call["words"]))


def warm_up() -> None:
    """Train and score once, which imports what the commands would import one by one."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        run("train --task copy --cell transformer --out pairs --quiet")
        run("train --task names --cell gru --out names --quiet")
        run("eval pairs --backend torch --quiet")
        os.chdir("/")


def run(line: str) -> int:
    """Run a command in this process; return its exit code."""
    from seqcli.cli import app, shell

    return shell.run(app, shortened(line.split()))


def reap() -> None:
    """Remove the children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(folder: Path) -> None:
    """Answer callers until this process is killed."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warm_up()
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

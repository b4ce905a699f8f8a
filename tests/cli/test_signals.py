"""Real signals to real processes: exit code and silence, whenever they come."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from thorough import repeats

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
# the entry point, after a byte that says that it is next; until it is there, Python's own handler
# of Ctrl-C is in charge, which is none of ours
START = """
import os, sys
sys.unraisablehook = lambda unraisable: os._exit(130)  # Python's import of the entry point
try:
    os.write(int(sys.argv.pop(1)), b"x")
    from seqcli.__main__ import main
except KeyboardInterrupt:
    os._exit(130)
if __name__ == "__main__":
    main()
"""
ENDLESS = ["--epochs", "1000000", "--set", "train.target_accuracy=2", "--set", "train.patience=0"]
TINY = ["--backend", "numpy", "--hidden", "4", "--threads", "1", "--samples", "0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with names and a model of them, trained without PyTorch."""
    import seqcli

    folder = tmp_path_factory.mktemp("signals")
    (folder / "names.txt").write_text("".join(f"{a}{b}{a}\n" for a in "abcdef" for b in "ghijkl"))
    seqcli.train(
        data=str(folder / "names.txt"), out=folder / "run", backend="numpy", hidden=4, epochs=1,
        threads=1, samples=0,
    )  # fmt: skip
    return folder


def start(folder: Path, *words: str, ignored: tuple[int, ...] = ()) -> subprocess.Popen:
    """Start a command in a process group of its own and wait until its first line runs."""

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(write), *words],
        cwd=folder,
        pass_fds=[write],
        preexec_fn=prepare,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    os.read(read, 1)
    os.close(read)
    return process


def end(process: subprocess.Popen) -> tuple[int, str]:
    _, err = process.communicate(timeout=240)
    return process.returncode, err


def wait_for(process: subprocess.Popen, text: str) -> None:
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"{text} was not printed")


def interrupt_after(delay: float, folder: Path, *words: str) -> None:
    """Interrupt a command, its whole process group as a terminal does; check what is left."""
    process = start(folder, *words)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    code, err = end(process)
    if code == -signal.SIGINT and "seqcli" not in err.partition("Traceback")[2]:
        return  # Python itself had not reached the first line of seqcli
    assert code in (130, 0), (delay, words, code, err)  # 0: it was done already
    assert "Traceback" not in err, (delay, words, err)
    assert "KeyboardInterrupt" not in err
    assert "bug" not in err


LOST = """
import sys, weakref

class Lock:
    pass

class Finder:
    def find_spec(name, path, target=None):
        if name == "seqcli.interrupts":  # the first import of the entry point
            lock = Lock()
            finder.released = weakref.ref(lock, Finder.interrupt)

    def interrupt(released):
        raise KeyboardInterrupt

finder = Finder
sys.meta_path.insert(0, finder)
sys.argv[1:] = ["tasks"]
from seqcli.__main__ import main
main()
"""


def test_ctrl_c_that_an_import_discards_ends_the_command():
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


COMMANDS = {
    "tasks": ["tasks"],
    "eval": ["eval", "--ckpt", "run"],
    "sample": ["sample", "--ckpt", "run", "--n", "100000"],
    "info": ["info", "run"],
    "gen-data": ["gen-data", "--task", "copy", "--out", "copy", "--train", "200000", "--force"],
    "train": ["train", "--data", "names.txt", "--out", "new", "--force", *TINY, *ENDLESS],
    "torch": ["train", "--task", "copy", "--out", "torch", "--force", "--threads", "1", *ENDLESS],
    "compare": ["compare", "--data", "names.txt", "--cells", "rnn,gru", "--seeds", "1", "--out",
                "cmp", "--jobs", "2", "--epochs", "100000", "--force"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "delay"),
    [
        ("tasks", 0.0),
        ("eval", 0.05),
        ("sample", 0.1),
        ("train", 0.2),
        ("torch", 0.4),
        pytest.param("torch", 1.5, marks=pytest.mark.slow),
        ("gen-data", 0.8),
        pytest.param("compare", 3.0, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_ends_in_silence(folder, name, delay):
    interrupt_after(delay, folder, *COMMANDS[name])


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_ends_in_silence_at_every_moment(folder, name):
    for step in range(0, 40, repeats(1, 3)):
        interrupt_after(0.004 * 1.17**step, folder, *COMMANDS[name])  # to 1.8 s


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ctrl_c_ends_a_comparison_in_silence(folder):
    for step in range(0, 20, repeats(1, 3)):
        interrupt_after(0.5 * step, folder, *COMMANDS["compare"])


@pytest.mark.slow
def test_a_hangup_saves_and_an_ignored_ctrl_c_stays_ignored(folder):
    words = ["train", "--data", "names.txt", "--out", "hung", *TINY, *ENDLESS]
    process = start(folder, *words, ignored=(signal.SIGINT,))
    wait_for(process, "epoch 1/")
    os.killpg(process.pid, signal.SIGINT)
    wait_for(process, "epoch 20/")  # it goes on
    os.killpg(process.pid, signal.SIGHUP)
    code, err = end(process)
    assert code == 129
    assert "stopped by SIGHUP; the run is saved" in err
    assert (folder / "hung" / "last.pt").exists()


@pytest.mark.slow
def test_an_ignored_hangup_stays_ignored_and_ctrl_c_saves(folder):
    words = ["train", "--data", "names.txt", "--out", "nohup", *TINY, *ENDLESS]
    process = start(folder, *words, ignored=(signal.SIGHUP,))
    wait_for(process, "epoch 1/")
    os.killpg(process.pid, signal.SIGHUP)
    wait_for(process, "epoch 20/")
    os.killpg(process.pid, signal.SIGINT)
    code, err = end(process)
    assert code == 130
    assert "stopped by SIGINT" in err


def test_two_signals_at_once_leave_at_once():
    script = (
        "import signal, sys, time\n"
        "from seqcli.interrupts import stop_on_signals\n"
        "with stop_on_signals() as stop:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    assert stop\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('still here')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGINT
    assert done.stdout + done.stderr == ""

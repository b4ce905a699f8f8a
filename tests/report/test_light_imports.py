import subprocess
import sys

LIGHT = """
import pkgutil, sys
import seqcli.report as package
for module in pkgutil.iter_modules(package.__path__):
    if module.name != "notebook":  # shows results, which hold arrays
        __import__(f"seqcli.report.{module.name}")
heavy = {"torch", "numpy", "matplotlib", "tensorboard", "tensorflow", "typer"}
print(sorted(heavy & set(sys.modules)))
"""

TENSORBOARD = """
import sys
from pathlib import Path
from seqcli.events import EpochEnded
from seqcli.report.tensorboard_log import TensorBoardLog
TensorBoardLog(Path(sys.argv[1]))(EpochEnded(1, 1, 1, {"train_loss": 1.0}, True))
print(sorted({"torch", "tensorflow"} & set(sys.modules)))
"""


def output(script, *arguments):
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_report_module_loads_anything_heavy():
    assert output(LIGHT) == "[]\n"


def test_tensorboard_events_need_no_torch(tmp_path):
    assert output(TENSORBOARD, str(tmp_path)) == "[]\n"

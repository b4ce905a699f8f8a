"""One thread each, as tests run side by side; the same draws each time; Ctrl-C as in a terminal."""

import os
import signal

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A shell without job control starts background jobs with Ctrl-C ignored, and children inherit it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from hypothesis import settings  # noqa: E402 - the environment comes first
from thorough import repeats  # noqa: E402

# The same examples each time, so that a third of the usual number loses little.
settings.register_profile(
    "seqcli", deadline=None, derandomize=True, database=None, max_examples=repeats(100, 30)
)
settings.load_profile("seqcli")

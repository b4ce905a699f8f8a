"""One thread each, as tests run side by side; and the same draws each time."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from hypothesis import settings  # noqa: E402 - the threads come first

settings.register_profile("seqcli", deadline=None, derandomize=True, database=None)
settings.load_profile("seqcli")

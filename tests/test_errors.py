"""Which exceptions are faults of the machine, of the command line, or bugs."""

import errno

import pytest

from seqcli.errors import CheckpointError, DataError, Exit, MachineError, blamed, expected


def wrapped(error: BaseException) -> BaseException:
    try:
        try:
            raise error
        except BaseException as inner:
            raise RuntimeError("a library's own words") from inner
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "best.pt"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.EAGAIN, "Resource temporarily unavailable"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("can't start new thread"),
    ],
    ids=repr,
)
def test_faults_of_the_machine_have_their_own_exit_code(error):
    for one in (error, wrapped(error)):
        found = expected(one)
        assert isinstance(found, MachineError)
        assert found.exit_code == Exit.MACHINE
        assert found.hint
        assert "\n" not in found.message


def test_memory_of_a_gpu_is_not_that_of_the_machine():
    torch = pytest.importorskip("torch")
    found = expected(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"))
    assert found.message == "out of GPU memory"
    assert "--batch-size" in found.hint


def test_an_array_too_large_is_out_of_memory():
    numpy = pytest.importorskip("numpy")
    with pytest.raises(MemoryError) as caught:
        numpy.empty(1 << 60, numpy.uint8)
    assert isinstance(expected(caught.value), MachineError)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP])
def test_any_other_refusal_of_the_system_is_about_a_path(number):
    found = expected(OSError(number, "Reason", "some/path"))
    assert found.exit_code == Exit.USAGE
    assert found.message == "some/path: reason"


def test_a_bug_stays_a_bug():
    assert expected(ZeroDivisionError()) is None
    assert expected(RuntimeError("shapes do not fit")) is None


@pytest.mark.parametrize("kind", [DataError, CheckpointError])
def test_a_path_that_cannot_be_read_is_blamed_on_what_it_is(kind):
    with pytest.raises(kind, match=r"^x\.tsv: permission denied$"), blamed(kind):
        raise PermissionError(errno.EACCES, "Permission denied", "x.tsv")
    with pytest.raises(MachineError), blamed(kind):
        raise OSError(errno.EIO, "Input/output error", "x.tsv")
    with pytest.raises(ValueError, match="a bug"), blamed(kind):
        raise ValueError("a bug")

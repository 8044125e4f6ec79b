"""A save that fails at any point leaves the old file, no other file, and an error that says which file and why."""

import builtins
import errno
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from dovetail import load, save
from dovetail.errors import SaveError

KILLS = Path(__file__).parents[3] / "scripts" / "kill_while_saving.py"
OLD = {"epoch": 1, "weight": np.arange(40_000.0), "bias": np.arange(10.0)}
NEW = {"epoch": 2, "weight": np.arange(50_000.0) + 0.5, "bias": np.arange(10.0) + 0.5}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best.safetensors"


def same(loaded, saved):
    return loaded["epoch"] == saved["epoch"] and all((loaded[k] == saved[k]).all() for k in ("weight", "bias"))


class Faults:
    """Counts the calls of the system that can fail while a file is written, and makes one of them fail."""

    def __init__(self, fail_at=None, error=OSError):
        self.fail_at = fail_at
        self.error = error
        self.calls = []

    def happens(self, kind):
        self.calls.append(kind)
        return len(self.calls) - 1 == self.fail_at

    def call(self, kind):
        if self.happens(kind):
            raise self.error

    def written(self, data):
        """Return what the disk takes of the data."""
        self.call("write")
        return data

    def counting(self, kind, function):
        def call(*args, **kwargs):
            self.call(kind)
            return function(*args, **kwargs)

        return call

    def __enter__(self):
        faults, self.patch = self, pytest.MonkeyPatch()
        os_write = os.write

        class Raw(io.FileIO):
            def write(self, data):
                return super().write(faults.written(memoryview(data).cast("B")))

            def close(self):
                first = not self.closed
                super().close()
                if first and faults.raised_for is None:
                    faults.call("close")

        def opened(file, mode="r", buffering=-1, *args, **kwargs):
            if set(mode).isdisjoint("wxa+"):
                return plain_open(file, mode, buffering, *args, **kwargs)
            assert "b" in mode, "a checkpoint is no text"
            faults.call("open")
            raw = Raw(file, mode.replace("b", ""), kwargs.get("closefd", True), kwargs.get("opener"))
            return raw if buffering == 0 else io.BufferedWriter(raw)

        plain_open = builtins.open
        self.patch.setattr(builtins, "open", opened)
        self.patch.setattr(io, "open", opened)
        self.patch.setattr(os, "write", lambda descriptor, data: os_write(descriptor, faults.written(memoryview(data))))
        for name in ("open", "fsync", "fdatasync", "replace", "rename"):
            self.patch.setattr(os, name, self.counting(name, getattr(os, name)))
        return self

    def __exit__(self, *caught):
        self.patch.undo()

    @property
    def raised_for(self):
        """The kind of the call that failed; None before that."""
        return self.calls[self.fail_at] if self.fail_at is not None and len(self.calls) > self.fail_at else None


def calls_of_a_save(path):
    with Faults() as faults:
        save(NEW, path)
    return faults.calls


def test_the_faults_see_every_step_of_a_save(path):
    """Where saving takes another way to the disk, these tests must learn it."""
    save(OLD, path)
    calls = calls_of_a_save(path)
    renamed = calls.index("replace") if "replace" in calls else calls.index("rename")
    assert "open" in calls[:renamed]
    assert calls[:renamed].count("write") >= 3
    assert "fsync" in calls[:renamed], "the content reaches the disk before the name does"
    assert "fsync" in calls[renamed:], "so does the folder"


def each_fault(path, error):
    """For each call of a save: save the old content, then fail in saving the new one; give the fault and the error."""
    for number in range(len(calls_of_a_save(path))):
        save(OLD, path)
        with Faults(number, error) as faults, pytest.raises(type(error)) as caught:
            save(NEW, path)
        yield faults, caught.value


def check_what_is_left(path, faults):
    """The old content, or the new one if the name had been changed before the fault; no other file."""
    before = faults.calls[: faults.fail_at]
    there = NEW if {"replace", "rename"} & set(before) else OLD
    assert same(load(path), there), faults.calls
    assert os.listdir(path.parent) == [path.name], faults.calls


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_an_error_in_any_call_leaves_the_old_file_and_is_told_with_the_name(code, path):
    for faults, error in each_fault(path, OSError(code, os.strerror(code))):
        assert error.errno == code, faults.calls
        assert os.strerror(code) in str(error), faults.calls
        assert str(path) in str(error), faults.calls
        check_what_is_left(path, faults)


def test_an_error_after_the_renaming_does_not_speak_of_the_old_file(path):
    """The new file is there then; what is not known is whether its name has reached the disk."""
    after = 0
    for faults, error in each_fault(path, OSError(errno.EIO, os.strerror(errno.EIO))):
        if {"replace", "rename"} & set(faults.calls[: faults.fail_at]):
            assert "as it was" not in str(error)
            after += 1
    assert after


def test_an_error_in_any_call_leaves_nothing_where_nothing_was(path):
    for number in range(len(calls_of_a_save(path))):
        path.unlink()
        with Faults(number, OSError(errno.EIO, "broken")) as faults, pytest.raises(OSError, match=re.escape(str(path))):
            save(NEW, path)
        renamed = {"replace", "rename"} & set(faults.calls[:number])
        assert os.listdir(path.parent) == ([path.name] if renamed else [])
        save(NEW, path)


def test_ctrl_c_in_any_call_leaves_the_old_file(path):
    for faults, _ in each_fault(path, KeyboardInterrupt()):
        check_what_is_left(path, faults)


class ShortWrites(Faults):
    """The disk takes only a part of what it is given, once or always, which is no error."""

    def written(self, data):
        short = self.happens("write") or self.fail_at == -1
        return data[: max(1, len(data) // 2)] if short else data


def test_what_the_disk_does_not_take_at_once_is_written_after(path):
    save(OLD, path)
    calls = calls_of_a_save(path)
    for number in [-1, *(number for number, kind in enumerate(calls) if kind == "write")]:
        save(OLD, path)
        with ShortWrites(number) as faults:
            save(NEW, path)
        assert len(faults.calls) > (len(calls) if number == -1 else number)
        assert same(load(path), NEW)


def test_a_limit_of_the_files_size_leaves_the_old_file(path):
    """Real short writes: the system takes the bytes up to the limit, then none."""
    resource = pytest.importorskip("resource")
    save(NEW, path)
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    save(OLD, path)
    for limit in [0, 1, 7, 8, 9, 100, 4096, 8192, 8193, size // 2, size - 100, size - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(OSError, match=re.escape(str(path))) as caught:
                save(NEW, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.errno == errno.EFBIG
        assert same(load(path), OLD)
        assert os.listdir(path.parent) == [path.name]


FULL_DISK = """
import os, sys
import numpy as np
from dovetail import load, save
from dovetail.errors import SaveError

folder = sys.argv[1]
path, filler = folder + "/best.safetensors", folder + "/filler"
new = np.arange(50_000.0)
save("old", path)
fits = 0
for pages in range(0, 120, 7):
    with open(filler, "wb") as file:
        disk = os.statvfs(folder)
        file.write(bytes((disk.f_bavail - pages) * disk.f_frsize))
    try:
        save(new, path)
    except OSError as error:
        assert path in str(error) and "No space left on device" in str(error), error
        assert load(path) == "old"
    else:
        fits += 1
        assert (load(path) == new).all()
    os.remove(filler)
    assert os.listdir(folder) == ["best.safetensors"]
    save("old", path)
print("failed", 18 - fits, "fits", fits)
"""


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A real one, of 1 MB, with room for more and more pages."""
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'
    try:
        subprocess.run([*mount, script, "sh", tmp_path, "true"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only Linux lets a user mount a file system of his own, and not everywhere")
    command = [*mount, script, "sh", tmp_path, sys.executable, "-c", FULL_DISK, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "failed 14 fits 4\n"


READ_ONLY = """
import os, sys
from dovetail import load, save
save("old", sys.argv[1])
os.chmod(os.path.dirname(sys.argv[1]), 0o555)
if os.geteuid() == 0:  # who may do everything is not hindered by the folder's mode
    os.setuid(65534)
try:
    save("new", sys.argv[1])
except PermissionError as error:
    print(error)
assert load(sys.argv[1]) == "old"
assert os.listdir(os.path.dirname(sys.argv[1])) == ["best.safetensors"]
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders have no modes here")
def test_a_folder_that_cannot_be_written_to_is_told_by_name():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        file = os.path.join(folder, "best.safetensors")
        done = subprocess.run([sys.executable, "-c", READ_ONLY, file], capture_output=True, text=True, check=False)
        os.chmod(folder, 0o755)
    assert done.returncode == 0, done.stderr
    assert "Permission denied" in done.stdout
    assert file in done.stdout


def test_a_missing_folder_and_a_folder_of_that_name_are_told_by_name(path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(path.parent / "nowhere" / "best.safetensors"))):
        save(NEW, path.parent / "nowhere" / "best.safetensors")
    path.mkdir()
    with pytest.raises(IsADirectoryError, match=re.escape(str(path))):
        save(NEW, path)
    assert os.listdir(path.parent) == [path.name]


def test_what_cannot_be_saved_leaves_the_old_file(path):
    save(OLD, path)
    with pytest.raises(SaveError, match=r"cannot save obj\['late'\], a builtins.object"):
        save({**NEW, "late": object()}, path)
    assert same(load(path), OLD)


def kills(*words):
    command = [sys.executable, KILLS, "--megabytes", "2", "--kills", "20", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as only POSIX does")
def test_a_process_killed_while_it_saves_leaves_one_of_both_files():
    done = kills()
    assert done.returncode == 0, done.stderr
    assert re.search(r"20 kills .* 0 times neither", done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as only POSIX does")
def test_the_kills_find_a_save_that_is_not_safe():
    done = kills("--in-place")
    assert done.returncode == 1
    assert "lost: " in done.stderr

"""Unpacking archives that come from somewhere: whole or not at all, and nothing outside of the folder."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from dovetail.data.download import alone
from dovetail.errors import LoadError

_CHUNK = 1 << 18
# Real data seldom packs better than this; what claims to is taken for a bomb.
_GROWTH, _SMALL = 100, 1 << 26
_PADDING = 1 << 20  # the most zeros that tar programs write behind the last file


@dataclass(frozen=True)
class _Member:
    """One thing in an archive: ``kind`` is "file", "folder", or what it is otherwise, which is refused."""

    name: str
    kind: str
    open: Callable[[], Any]


def unpack(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str], *, inside: str = "", limit: int | None = None
) -> Path:
    """Unpack an archive into a new folder, which appears when it is whole.

    Everything is written to a folder beside it first, which then takes the name: a process that is killed leaves
    nothing that looks done. When the folder is there already, nothing happens. Only plain files and folders come out,
    with their content and no permissions or times.

    Args:
        archive: a tar (packed by gzip, bzip2 or xz, or not) or zip file, or a .gz of one file, which gets the
            archive's name without its end.
        folder: what to make.
        inside: take only what is in this folder of the archive.
        limit: the most bytes that it may unpack to; if None, 64 MiB or 100 times its own size, whichever is more.

    Raises:
        LoadError: it is damaged or no archive, it would write outside of the folder, it holds a link or a device, or
            it unpacks to more than the limit.
        OSError: it cannot be read, or the folder cannot be written.

    Example::

        >>> import pathlib, tempfile, zipfile
        >>> here = pathlib.Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(here / "a.zip", "w") as file:
        ...     file.writestr("data/one.txt", "1")
        >>> (unpack(here / "a.zip", here / "a", inside="data") / "one.txt").read_text()
        '1'
    """
    archive, folder = Path(archive), Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        if folder.exists():
            return folder
        if limit is None:
            limit = max(_SMALL, _GROWTH * archive.stat().st_size)
        unfinished = folder.with_name(f".{folder.name}.unpacking")
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir()
        try:
            with _readable(archive), _members(archive) as members:
                _write_all(archive, members, unfinished, inside.strip("/"), limit)
            os.replace(unfinished, folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return folder


@contextlib.contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Turn what the readers of archives raise on a damaged one into an error that names it."""
    import gzip
    import lzma
    import tarfile
    import zipfile
    import zlib

    damage = (
        EOFError,
        NotImplementedError,
        ValueError,
        gzip.BadGzipFile,
        lzma.LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    )
    try:
        yield
    except (*damage, OSError) as error:
        if not isinstance(error, damage) and error.errno != errno.EINVAL:
            raise  # of the disk; the other is what zipfile gets when it seeks to where a damaged directory tells it to
        raise LoadError(
            f"{archive}: the archive is damaged or cut off, or packed in a way that Python does not know "
            f"({type(error).__name__}: {error}); remove it and get it again"
        ) from error


def _write_all(archive: Path, members: Iterator[_Member], folder: Path, inside: str, limit: int) -> None:
    """Write the members to a folder, after a look at each; the sizes that an archive states are not believed."""
    written = 0
    for member in members:
        place = _place(archive, member, inside)
        if place is None:
            continue
        target = folder / place
        try:
            (target if member.kind == "folder" else target.parent).mkdir(parents=True, exist_ok=True)
            if member.kind == "file":
                written = _write(archive, member, target, written, limit)
        except (FileExistsError, NotADirectoryError):
            raise LoadError(f"{archive}: it holds {member.name!r} twice; get it again") from None
    if not any(folder.iterdir()):
        raise LoadError(f"{archive}: there is nothing in it" + (f" in a folder {inside!r}" if inside else ""))


def _write(archive: Path, member: _Member, target: Path, written: int, limit: int) -> int:
    """Write one file and return how much has been written by now."""
    with open(target, "xb") as file, member.open() as source:
        while piece := source.read(_CHUNK):
            written += len(piece)
            if written > limit:
                raise LoadError(
                    f"{archive}: it unpacks to more than {limit:,} bytes; if you trust it, unpack it by hand or set a "
                    "larger limit"
                )
            file.write(piece)
    return written


def _place(archive: Path, member: _Member, inside: str) -> PurePosixPath | None:
    """Return where below the folder a member belongs, or None for what is not asked for."""
    name = member.name
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or PureWindowsPath(name).drive:
        raise LoadError(f"{archive}: it would write {name!r}, outside of its folder; do not trust it")
    if member.kind not in ("file", "folder"):
        raise LoadError(f"{archive}: {name!r} is a {member.kind}; only plain files and folders are unpacked")
    if inside and not path.is_relative_to(inside):
        return None
    return path.relative_to(inside) if inside else path


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    """Give the members of an archive of any of the kinds."""
    import tarfile
    import zipfile

    with contextlib.ExitStack() as stack:
        if archive.suffix == ".gz" and not archive.name.endswith(".tar.gz"):
            yield iter([_gzip_member(archive)])
        elif zipfile.is_zipfile(archive):
            yield _zip_members(stack.enter_context(zipfile.ZipFile(archive)))
        elif tarfile.is_tarfile(archive):
            yield _tar_members(stack.enter_context(tarfile.open(archive)))
        else:
            with open(archive, "rb") as file:
                start = file.read(8)
            raise LoadError(
                f"{archive}: it is no .tar, .zip or .gz archive, or a damaged one: it begins with {start!r}; "
                "remove it and get it again"
            )


def _zip_members(file: Any) -> Iterator[_Member]:
    for info in file.infolist():
        link = (info.external_attr >> 28) == 0o12  # Unix's kind of file, S_IFLNK
        kind = "link" if link else "folder" if info.is_dir() else "file"
        if info.flag_bits & 1:
            kind = "file with a password"
        yield _Member(info.orig_filename, kind, partial(file.open, info))


def _tar_members(file: Any) -> Iterator[_Member]:
    for info in file:
        link = "link" if info.issym() or info.islnk() else "device"
        kind = "file" if info.isreg() else "folder" if info.isdir() else link
        yield _Member(info.name, kind, partial(file.extractfile, info))
    file.fileobj.read(_PADDING)  # up to the checksum of gzip, which is compared when everything has been read


def _gzip_member(archive: Path) -> _Member:
    import gzip

    def opened() -> BinaryIO:
        return gzip.open(archive)  # type: ignore[return-value]

    return _Member(archive.stem, "file", opened)

"""Fetching published files: mirrors, checksums, going on where it stopped, and what to do by hand."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dovetail.errors import DownloadError

#: The environment variable with base addresses that are tried before a publisher's own, separated by spaces.
MIRRORS = "DOVETAIL_MIRRORS"
CHUNK = 1 << 18
SLOWEST = 100  # bytes in a second; what comes slower than that for a whole timeout counts as stuck
TRIES = 3  # at one address, as long as each brings something
_AGENT = "dovetail-data"


class _AddressError(Exception):
    """One address did not give the file, for the reason in the text."""


def addresses(name: str, publishers: Sequence[str]) -> list[str]:
    """Return where to look for a file: at the mirrors of ``DOVETAIL_MIRRORS``, then at the publishers' addresses.

    Args:
        name: the file's path below a mirror's base address, such as ``"MNIST/t10k-labels-idx1-ubyte.gz"``.
        publishers: whole addresses.

    Example::

        >>> addresses("MNIST/a.gz", ["https://example.org/a.gz"])
        ['https://example.org/a.gz']
    """
    return [f"{base.rstrip('/')}/{name}" for base in os.environ.get(MIRRORS, "").split()] + list(publishers)


def fetch(
    urls: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    size: int | None = None,
    timeout: float = 30.0,
    progress: bool | None = None,
) -> Path:
    """Fetch a file that is published at one or more addresses, unless it is there already.

    What has come stands in ``path`` with ``.part`` behind it until it is whole and its checksum is right: then it
    takes the name. With a checksum, a download that was cut off goes on where it stopped. Where the system has file
    locks, a second process that wants the same file waits for the first and uses what it got.

    Args:
        urls: addresses (http, https, ftp or file), tried in turn.
        path: where to put the file; folders are made.
        md5: its checksum as its publisher gives it, in hexadecimal digits.
        sha256: likewise.
        size: its size in bytes.
        timeout: seconds to wait for a connection and for each piece of data.
        progress: draw a bar on standard error; if None, only where that is a terminal.

    Raises:
        DownloadError: no address gave the file; the text says why for each of them, and what to do by hand.
        OSError: it cannot be written.
        ValueError: there is no address at all.

    Example::

        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "there.txt").write_text("hello")
        >>> fetch((folder / "there.txt").as_uri(), folder / "here.txt", size=5).read_text()
        'hello'
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    if not urls:
        raise ValueError(f"fetch needs at least one address for {path}, got none")
    path = Path(path).expanduser()
    wanted = _Wanted(md5, sha256, size)
    if wanted.is_there(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    with alone(path):
        if not wanted.is_there(path):  # it may have come while this process waited
            part = path.with_name(path.name + ".part")
            _fetch_from_any(urls, part, path, wanted, timeout, Bar(path.name) if progress else None)
            with open(part, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
    return path


class _Wanted:
    """What a file must be: its size and its checksums, where they are known."""

    def __init__(self, md5: str | None = None, sha256: str | None = None, size: int | None = None) -> None:
        self.size = size
        given = (("md5", md5), ("sha256", sha256))
        self.checksums = {kind: digits.lower() for kind, digits in given if digits}

    def is_there(self, path: Path) -> bool:
        """Return whether the file is there, and right as far as that can be told."""
        if not path.is_file():
            return False
        hashes = self.hashes()
        return not self.problem(_hash_file(path, hashes), hashes)

    def hashes(self) -> dict[str, Any]:
        return {kind: hashlib.new(kind, usedforsecurity=kind != "md5") for kind in self.checksums}

    def problem(self, size: int, hashes: dict[str, Any]) -> str:
        """Return what is wrong with a file of this size and these checksums, or ""."""
        if self.size is not None and size != self.size:
            return f"it has {size:,} bytes, and should have {self.size:,}"
        for kind, right in self.checksums.items():
            if (found := hashes[kind].hexdigest()) != right:
                return f"its {kind} is {found}, and should be {right}"
        return ""


def _hash_file(path: Path, hashes: dict[str, Any]) -> int:
    """Feed a file to the hashes and return its size."""
    size = 0
    with open(path, "rb") as file:
        while piece := file.read(CHUNK):
            size += len(piece)
            for digest in hashes.values():
                digest.update(piece)
    return size


def _fetch_from_any(urls: list[str], part: Path, path: Path, wanted: _Wanted, timeout: float, bar: Bar | None) -> None:
    """Have the whole file in ``part``, from the first address that gives it."""
    failures = []
    for url in urls:
        try:
            return _fetch_from(url, part, wanted, timeout, bar)
        except _AddressError as failed:
            failures.append(f"  {url}: {failed}")
        finally:
            if bar:
                bar.end()
    raise DownloadError(_by_hand(path, part, wanted, failures))


def _fetch_from(url: str, part: Path, wanted: _Wanted, timeout: float, bar: Bar | None) -> None:
    """Have the whole file in ``part``, from one address, or raise _AddressError."""
    if not wanted.checksums:
        part.unlink(missing_ok=True)  # nothing would tell whether the two halves belong together
    problem = ""
    for _ in range(TRIES):
        before = _size(part)
        hashes = wanted.hashes()
        try:
            problem = wanted.problem(_receive(url, part, wanted, hashes, timeout, bar), hashes)
        except _AddressError as failed:
            if not wanted.checksums or _size(part) <= before:
                raise
            problem = str(failed)  # it brought something: once more, for the rest
            continue
        if not problem:
            return
        part.unlink()
        if not before:
            break
        # the half that was there before may have been of another file: once more, from the start
    raise _AddressError(problem)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _receive(url: str, part: Path, wanted: _Wanted, hashes: dict[str, Any], timeout: float, bar: Bar | None) -> int:
    """Append to ``part`` what is missing of the file, feed all of it to the hashes, and return its size."""
    have = _hash_file(part, hashes) if part.is_file() else 0
    if have and not wanted.problem(have, hashes):
        return have
    with _Answer(url, have, timeout) as answer:
        if have and not answer.goes_on:
            part.unlink()
            have = 0
            hashes.update(wanted.hashes())
        with open(part, "ab") as file:
            for piece in answer.pieces():
                _write(file, piece)
                have += len(piece)
                for digest in hashes.values():
                    digest.update(piece)
                if wanted.size is not None and have > wanted.size:
                    return have
                if bar:
                    bar.show(have, answer.total)
    if answer.total is not None and have < answer.total:
        raise _AddressError(f"the connection ended after {have:,} of {answer.total:,} bytes")
    return have


def _write(file: Any, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:  # a full disk, mostly, of which the system does not say where
        raise OSError(error.errno, f"{error.strerror}; run it again when there is space", file.name) from error


class _Answer:
    """A server's answer to the wish for a file from byte ``start`` on; network trouble comes out as _AddressError."""

    def __init__(self, url: str, start: int, timeout: float) -> None:
        self.url, self.timeout = url, timeout
        self.response = self._ask(start)
        length = self.response.headers.get("Content-Length", "")
        self.goes_on = False
        if start and getattr(self.response, "status", None) == 206:
            first, _, length = self.response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            self.goes_on = first.partition("-")[0] == str(start)
            if not self.goes_on:  # another part than the one that was asked for: all of it anew
                self.response.close()
                self.response = self._ask(0)
                length = self.response.headers.get("Content-Length", "")
        self.total = int(length) if length.isdecimal() else None

    def _ask(self, start: int) -> Any:
        from urllib.request import Request, urlopen

        headers = {"User-Agent": _AGENT, **({"Range": f"bytes={start}-"} if start else {})}
        with _network(self.timeout):
            try:
                return urlopen(Request(self.url, headers=headers), timeout=self.timeout)
            except OSError as error:
                if not start or getattr(error, "code", None) != 416:
                    raise
                error.close()  # type: ignore[attr-defined]
        return self._ask(0)  # it has no more than what is here, and that is not right: all of it anew

    def pieces(self) -> Iterator[bytes]:
        """Give what comes, until it ends; a trickle that would take for ever is an end, too."""
        since, gained = time.monotonic(), 0
        while True:
            with _network(self.timeout):
                piece = self.response.read1(CHUNK)
            if not piece:
                return
            yield piece
            gained += len(piece)
            passed = time.monotonic() - since
            if passed >= self.timeout:
                if gained < SLOWEST * passed:
                    raise _AddressError(f"it sent {gained:,} bytes in {passed:.0f} s, which is too slow")
                since, gained = time.monotonic(), 0

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.response.close()


@contextlib.contextmanager
def _network(timeout: float) -> Iterator[None]:
    """Turn what a network raises into _AddressError with a reason in words."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    try:
        yield
    except HTTPError as error:
        error.close()
        raise _AddressError(f"HTTP {error.code} {error.reason}") from None
    except TimeoutError:
        raise _AddressError(f"nothing came for {timeout:g} s") from None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _AddressError(f"no connection within {timeout:g} s") from None
        raise _AddressError(str(error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:  # ValueError: no address at all
        raise _AddressError(f"{type(error).__name__}: {error}") from None


def _by_hand(path: Path, part: Path, wanted: _Wanted, failures: list[str]) -> str:
    """Return the text for a file that no address gave."""
    lines = [f"could not fetch {path.name}:", *failures]
    if wanted.checksums and _size(part):
        lines.append(f"What has come, {_size(part):,} bytes, is in {part}; the next run goes on from there.")
    check = " and ".join(f"{kind} {digits}" for kind, digits in wanted.checksums.items())
    lines += [
        "To do it by hand: get it from one of these addresses where there is a network"
        + (f", check that it has {check}" if check else "")
        + f", put it into {path.parent} as {path.name}, and run this again.",
        f'To have it fetched from a place of your own: {MIRRORS}="https://host/folder" (several with spaces between).',
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time work on ``path``; the lock of one that is killed ends with it.

    Where there are no such locks (Windows, some network file systems) nobody waits.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    name = path.with_name(f".{path.name}.lock")
    while True:
        file = open(name, "wb")  # noqa: SIM115
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        # who had it before has removed the file: a lock on what has no name any more keeps nobody out
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(name)):
                break
        file.close()
    try:
        yield
    finally:
        name.unlink(missing_ok=True)
        file.close()


class Bar:
    r"""A bar of plain text that shows how far a download is.

    Example::

        >>> import io
        >>> written = io.StringIO()
        >>> bar = Bar("a.gz", written, clock=iter([0.0, 2.0]).__next__)
        >>> bar.show(1_000_000, 4_000_000)
        >>> bar.show(3_000_000, 4_000_000)
        >>> written.getvalue().split("\r")[-1]
        'a.gz [###############     ]  75%  3.0 of 4.0 MB  1.0 MB/s'
    """

    WIDTH = 20

    def __init__(self, name: str, file: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.file, self.clock = name, file or sys.stderr, clock
        self.first: tuple[float, int] | None = None
        self.last = 0.0

    def show(self, have: int, total: int | None) -> None:
        """Draw the bar for ``have`` bytes of ``total``, ten times a second at most."""
        now = self.clock()
        if self.first is None:
            self.first = now, have
        elif now < self.last + 0.1 and have != total:
            return
        self.last = now
        began, had = self.first
        speed = (have - had) / max(now - began, 0.1) / 1e6
        if total:
            done = self.WIDTH * have // total
            drawn = f"[{'#' * done:{self.WIDTH}}] {100 * have // total:3}%  {have / 1e6:.1f} of {total / 1e6:.1f} MB"
        else:
            drawn = f"{have / 1e6:.1f} MB"
        self.file.write(f"\r{self.name} {drawn}  {speed:.1f} MB/s")
        self.file.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if self.first is not None:
            self.file.write("\n")
            self.file.flush()
        self.first = None

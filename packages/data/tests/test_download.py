"""Fetching files: checksums, mirrors, going on after a cut, two at once, what the errors say; from a local server."""

import hashlib
import http.server
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dovetail.data.download import MIRRORS, Bar, addresses, alone, fetch
from dovetail.errors import DownloadError

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, well or badly, as the path says, and keeps what it was asked for."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        getattr(self, "serve_" + self.path.strip("/"))()

    def whole(self, content=CONTENT):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def start(self):
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))

    def part(self, said=None, content=CONTENT, until=None):
        start = self.start()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", said or f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:until])

    def serve_good(self):
        self.part()

    def serve_no_ranges(self):
        self.whole()

    def serve_wrong(self):
        self.part(content=CONTENT[:-1] + b"x")

    def serve_short(self):  # says the whole length, sends 100,000 bytes more than there are and ends
        self.part(until=self.start() + 100_000)

    def serve_ends(self):
        self.part(until=1000 if not self.start() else self.start())

    def serve_elsewhere(self):
        self.part(said=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")

    def serve_full(self):
        if self.start():
            self.send_error(416)
        else:
            self.whole()

    def serve_missing(self):
        self.send_error(404)

    def serve_broken(self):
        self.send_error(500)

    def serve_moved(self):
        self.send_response(302)
        self.send_header("Location", "/good")
        self.end_headers()

    def serve_endless(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(CONTENT)

    def serve_silent(self):
        self.server.released.wait(20)

    def serve_trickle(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        while not self.server.released.wait(0.05):
            self.wfile.write(b".")

    def serve_half(self):  # 100,000 bytes, and then nothing for a long time
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:100_000])
        self.wfile.flush()
        self.server.released.wait(20)

    def serve_slow(self):
        time.sleep(0.3)
        self.whole()

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # a client that went away is part of the tests
            super().handle_error(request, client_address)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv(MIRRORS, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.asked, server.released = [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def failure(*urls, path, **options):
    """The text of the error that fetching must end in."""
    with pytest.raises(DownloadError) as caught:
        fetch(urls, path, **options)
    assert not path.exists()
    return str(caught.value)


@pytest.mark.parametrize("check", [{"md5": MD5}, {"sha256": SHA256.upper()}, {"size": len(CONTENT)}, {}])
@pytest.mark.parametrize("way", ["good", "moved", "no_ranges"])
def test_a_file_comes_whole_and_alone(server, tmp_path, way, check):
    path = tmp_path / "new" / "a.bin"
    assert fetch(f"{server.url}/{way}", path, **check) == path
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["a.bin"]


def test_what_is_there_and_right_is_not_fetched(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    fetch(f"{server.url}/good", tmp_path / "a.bin", md5=MD5)
    assert server.asked == []


def test_what_is_there_and_wrong_is_fetched_anew(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"an old version")
    fetch(f"{server.url}/good", tmp_path / "a.bin", sha256=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_file_addresses_work(tmp_path):
    (tmp_path / "from.bin").write_bytes(CONTENT)
    assert fetch((tmp_path / "from.bin").as_uri(), tmp_path / "to.bin", md5=MD5).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("way", "ranges"),
    [
        ("good", ["bytes=1000-"]),
        ("no_ranges", ["bytes=1000-"]),  # it answers 200 with everything
        ("full", ["bytes=1000-", None]),  # it answers 416
        ("elsewhere", ["bytes=1000-", None]),  # it answers 206 with another part
        ("short", [f"bytes={start}-" for start in (1000, 101_000, 201_000)]),
    ],
)
def test_a_half_download_goes_on(server, tmp_path, way, ranges):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1000])
    if way == "short":
        assert "after 301,000 of 512,000 bytes" in failure(f"{server.url}/short", path=tmp_path / "a.bin", md5=MD5)
        assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:301_000]
    else:
        assert fetch(f"{server.url}/{way}", tmp_path / "a.bin", md5=MD5).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ranges


def test_a_cut_connection_is_taken_up_again(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:300_000])
    assert fetch(f"{server.url}/short", tmp_path / "a.bin", md5=MD5).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=300000-", "bytes=400000-", "bytes=500000-"]


def test_a_half_of_another_file_is_thrown_away(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    assert fetch(f"{server.url}/good", tmp_path / "a.bin", md5=MD5).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None]


def test_a_half_that_is_whole_is_not_fetched(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    assert fetch(f"{server.url}/good", tmp_path / "a.bin", md5=MD5).read_bytes() == CONTENT
    assert server.asked == []


def test_without_a_checksum_nothing_is_pieced_together(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    assert fetch(f"{server.url}/good", tmp_path / "a.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None]


def test_a_wrong_checksum_names_both_and_leaves_nothing(server, tmp_path):
    found = hashlib.md5(CONTENT[:-1] + b"x", usedforsecurity=False).hexdigest()
    text = failure(f"{server.url}/wrong", path=tmp_path / "a.bin", md5=MD5)
    assert f"{server.url}/wrong: its md5 is {found}, and should be {MD5}" in text
    assert os.listdir(tmp_path) == []


def test_a_wrong_checksum_after_going_on_is_found_too(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1000])
    assert "its md5 is" in failure(f"{server.url}/wrong", path=tmp_path / "a.bin", md5=MD5)
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None]


def test_a_wrong_size_is_named_and_what_never_ends_is_cut(server, tmp_path):
    text = failure(f"{server.url}/good", path=tmp_path / "a.bin", size=7)
    assert "bytes, and should have 7" in text
    text = failure(f"{server.url}/endless", path=tmp_path / "a.bin", size=600_000)
    assert "and should have 600,000" in text
    assert int(text.split("it has ")[1].split(" bytes")[0].replace(",", "")) < 600_000 + (1 << 19)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("missing", "HTTP 404 Not Found"),
        ("broken", "HTTP 500 Internal Server Error"),
        ("ends", "the connection ended after 1,000 of 512,000 bytes"),
        ("silent", "nothing came for 0.2 s"),
        ("trickle", "which is too slow"),
    ],
)
def test_what_an_address_does_wrong_is_said(server, tmp_path, way, reason):
    assert f"{server.url}/{way}: " in (text := failure(f"{server.url}/{way}", path=tmp_path / "a.bin", timeout=0.2))
    assert reason in text


def test_addresses_are_tried_in_turn(server, tmp_path):
    urls = [f"{server.url}/{way}" for way in ("missing", "wrong", "good", "broken")]
    assert fetch(urls, tmp_path / "a.bin", md5=MD5).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/missing", "/wrong", "/good"]


def test_a_closed_network_says_what_to_do_by_hand(tmp_path):
    """Nothing listens on port 1."""
    url = "http://127.0.0.1:1/a.bin"
    text = failure(url, "nonsense", path=tmp_path / "a.bin", md5=MD5, sha256=SHA256)
    first, second, third = text.splitlines()[:3]
    assert first == "could not fetch a.bin:"
    assert second.startswith(f"  {url}: ")
    assert "refused" in second
    assert third == "  nonsense: ValueError: unknown url type: 'nonsense'"
    assert f"check that it has md5 {MD5} and sha256 {SHA256}, put it into {tmp_path} as a.bin, and run this" in text
    assert f'{MIRRORS}="https://host/folder"' in text


def test_no_address_is_an_error_too(tmp_path):
    with pytest.raises(ValueError, match=r"fetch needs at least one address for .*a\.bin, got none"):
        fetch([], tmp_path / "a.bin")


def test_what_has_come_is_told(server, tmp_path):
    text = failure(f"{server.url}/ends", path=tmp_path / "a.bin", md5=MD5)
    assert f"What has come, 1,000 bytes, is in {tmp_path / 'a.bin.part'}; the next run goes on from there." in text


def test_mirrors_come_first(monkeypatch):
    monkeypatch.setenv(MIRRORS, "https://one/ http://two/sets")
    assert addresses("MNIST/a.gz", ["https://own/a.gz"]) == [
        "https://one/MNIST/a.gz",
        "http://two/sets/MNIST/a.gz",
        "https://own/a.gz",
    ]


def test_a_full_disk_names_the_file(server, tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    os.symlink("/dev/full", tmp_path / "a.bin.part")
    with pytest.raises(OSError, match="No space left on device; run it again when there is space") as caught:
        fetch(f"{server.url}/good", tmp_path / "a.bin", size=len(CONTENT), md5=MD5)
    assert caught.value.filename == str(tmp_path / "a.bin.part")


def test_two_threads_and_processes_fetch_once(server, tmp_path):
    path, url = tmp_path / "a.bin", f"{server.url}/slow"
    process = multiprocessing.get_context("spawn").Process(target=fetch, args=(url, path), kwargs={"md5": MD5})
    process.start()
    threads = [threading.Thread(target=fetch, args=(url, path), kwargs={"md5": MD5}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    process.join(30)
    assert process.exitcode == 0
    assert len(server.asked) == 1
    assert path.read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_lock_goes_from_one_to_the_next(tmp_path):
    inside, most = [], []

    def work():
        with alone(tmp_path / "a"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 20


def test_a_killed_download_goes_on(server, tmp_path):
    """The process dies by SIGKILL in the middle; what it left has no lock, and is taken up where it ended."""
    path = tmp_path / "a.bin"
    code = f"from dovetail.data.download import fetch; fetch({server.url + '/half'!r}, {str(path)!r}, md5={MD5!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    part = Path(f"{path}.part")
    for _ in range(3000):
        if part.exists() and part.stat().st_size >= 50_000:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    had = part.stat().st_size
    assert 0 < had <= 100_000
    assert not path.exists()
    assert fetch(f"{server.url}/good", path, md5=MD5).read_bytes() == CONTENT
    assert server.asked[-1] == ("/good", f"bytes={had}-")
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_bar_is_for_terminals_only(server, tmp_path, monkeypatch, capsys):
    fetch(f"{server.url}/good", tmp_path / "a.bin")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", terminal := io.StringIO())
    terminal.isatty = lambda: True
    fetch(f"{server.url}/good", tmp_path / "b.bin")
    assert "\rb.bin [####################] 100%  0.5 of 0.5 MB  " in terminal.getvalue()
    assert terminal.getvalue().endswith(" MB/s\n")
    (silent := io.StringIO()).isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", silent)
    fetch(f"{server.url}/good", tmp_path / "c.bin", progress=False)
    assert silent.getvalue() == ""


def test_a_bar_without_a_total_counts():
    bar = Bar("a", written := io.StringIO(), clock=iter([0.0, 0.05, 4.0]).__next__)
    for have in (0, 1_000_000, 2_000_000):
        bar.show(have, None)
    bar.end()
    assert written.getvalue() == "\ra 0.0 MB  0.0 MB/s\ra 2.0 MB  0.5 MB/s\n"

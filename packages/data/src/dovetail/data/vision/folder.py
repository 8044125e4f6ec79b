"""Data sets whose classes are folders, on the disk or in a .zip archive."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from dovetail.atomic import opened
from dovetail.data.vision.base import Transform, VisionDataset, pillow
from dovetail.data.vision.zipped import ZipFiles, split_path
from dovetail.errors import LoadError, MissingPackageError

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
_MAC = "__MACOSX"  # what macOS puts into archives beside the files


def load_image(file: str | os.PathLike[str] | BinaryIO) -> Any:
    """Return the image in a file, a path or one that is open, as a Pillow image of mode RGB.

    Raises:
        MissingPackageError: Pillow is not installed.
        LoadError: it is no image in a format that Pillow knows.
        OSError: it cannot be read, or is damaged.

    Example::

        >>> load_image(io.BytesIO(b"P5 1 1 255 x")).getpixel((0, 0))
        (120, 120, 120)
    """
    image_module = pillow()
    from PIL import UnidentifiedImageError

    with opened(file) as source:
        try:
            image = image_module.open(source)
        except UnidentifiedImageError:
            source.seek(0)
            raise LoadError(
                f"it begins with {source.read(8)!r}, which is no image that Pillow knows, or a damaged one"
            ) from None
        if image.mode != "RGB":
            return image.convert("RGB")
        image.load()
        return image


class DatasetFolder(VisionDataset):
    """Samples in files whose folder says their class: ``root/cat/1.dat``, ``root/dog/deeper/2.dat``.

    The root may lie in a .zip archive, ``photos.zip`` or ``photos.zip/train``: its files are read where they are, by
    several threads and worker processes at once.

    Args:
        root: the folder of the classes' folders.
        loader: turns a file into a sample. It is called with the file's path, or, where the root lies in an archive,
            with the content as a file that is open for reading bytes.
        extensions: take the files whose names end with one of these, in small or capital letters.
        transform: called with each sample.
        target_transform: called with each class's number.
        is_valid_file: take the files for whose paths this is true, in place of ``extensions``.
        allow_empty: a class without files is no error.

    Attributes:
        classes: the names of the classes, sorted.
        class_to_idx: the number of each class, by its name.
        samples: a list of ``(path, number of the class)``, sorted class by class.
        targets: the classes' numbers, a list.

    Raises:
        FileNotFoundError: there is no such folder, no class in it, or a class without files.
        LoadError: the archive, or a sample when it is asked for, cannot be read.
        ValueError: both or neither of ``extensions`` and ``is_valid_file``.

    Example::

        >>> import pathlib, tempfile
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("dog", "cat"):
        ...     (root / name).mkdir()
        ...     _ = (root / name / "1.txt").write_text(f"a {name}")
        >>> animals = DatasetFolder(root, lambda path: pathlib.Path(path).read_text(), extensions=(".txt",))
        >>> animals.classes, animals[1]
        (['cat', 'dog'], ('a dog', 1))
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[Any], Any],
        extensions: str | tuple[str, ...] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("which files are samples is told by extensions or by is_valid_file: give one of them")
        self.loader = loader
        self.extensions = extensions
        self._archive, self._inside = split_path(self.root)
        self._zip = ZipFiles(self._archive) if self._archive else None
        if self._archive:
            self.root = f"{self._archive}/{self._inside}".rstrip("/")
        self.classes, self.class_to_idx = self.find_classes(self.root)
        accept = is_valid_file or _ends_with(extensions)  # type: ignore[arg-type]
        self.samples = self._find_samples(accept, allow_empty)
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Return the classes' names and numbers; a subclass may choose others.

        Raises:
            FileNotFoundError: there is no class.
        """
        if self._zip is not None:
            found = {name.partition("/")[0] for name in self._below() if "/" in name} - {_MAC}
        else:
            with os.scandir(directory) as entries:
                found = {entry.name for entry in entries if entry.is_dir()}
        if not found:
            raise FileNotFoundError(f"{directory}: there is no folder in it; the samples of each class belong into one")
        return sorted(found), {name: number for number, name in enumerate(sorted(found))}

    def _below(self) -> Iterable[str]:
        """Return the names of the archive's files below the root, as seen from there."""
        start = f"{self._inside}/" if self._inside else ""
        return (name[len(start) :] for name in self._zip.names() if name.startswith(start))  # type: ignore[union-attr]

    def _find_samples(self, accept: Callable[[str], bool], allow_empty: bool) -> list[tuple[str, int]]:
        files = self._zipped_files() if self._zip is not None else None
        samples, empty = [], []
        for name in sorted(self.class_to_idx):
            listed = files[name] if files is not None else _files_below(os.path.join(self.root, name))
            taken = [(path, self.class_to_idx[name]) for path in listed if accept(path)]
            samples += taken
            if not taken:
                empty.append(name)
        if empty and not allow_empty:
            which = f"whose names end with {self.extensions}" if self.extensions else "that is_valid_file accepts"
            raise FileNotFoundError(
                f"{self.root}: no files {which} for the classes {', '.join(empty[:10])}{' ...' * (len(empty) > 10)}; "
                "put some there, remove the folders, or pass allow_empty=True"
            )
        return samples

    def _zipped_files(self) -> dict[str, list[str]]:
        """Return the paths of the archive's files, by class, in the order in which folders are walked."""
        files = defaultdict(list)
        for name in self._below():
            files[name.partition("/")[0]].append(os.path.split(name))
        ordered = {
            kind: [f"{self.root}/{folder}/{name}" for folder, name in sorted(found)] for kind, found in files.items()
        }
        return defaultdict(list, ordered)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        try:
            sample = self.loader(path if self._zip is None else self._unzipped(path))
        except MissingPackageError:
            raise
        except Exception as error:
            raise LoadError(
                f"sample {index}, {path}, cannot be read ({type(error).__name__}: {error}); replace the file or "
                "remove it"
            ) from error
        return self._sample(sample, target)

    def _unzipped(self, path: str) -> BinaryIO:
        return io.BytesIO(self._zip.read(path[len(self._archive) + 1 :]))  # type: ignore[union-attr]

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in files whose folder says their class: ``root/cat/1.jpg``; on the disk or in ``photos.zip/train``.

    Sample ``i`` is ``(image, number of the class)``, where the image is a Pillow image of mode RGB. Arguments,
    attributes and errors are those of DatasetFolder; ``loader`` reads images if it is not given, and the extensions are
    those of images.

    Example::

        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> (root / "red").mkdir()
        >>> Image.new("RGB", (8, 6), "red").save(root / "red" / "1.png")
        >>> image, label = ImageFolder(root)[0]
        >>> image.size, image.getpixel((0, 0)), label
        ((8, 6), (255, 0, 0), 0)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[Any], Any] = load_image,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)

    @property
    def imgs(self) -> list[tuple[str, int]]:
        """The samples, by torchvision's other name for them."""
        return self.samples


def _ends_with(extensions: str | tuple[str, ...]) -> Callable[[str], bool]:
    ends = extensions if isinstance(extensions, str) else tuple(extensions)
    return lambda path: path.lower().endswith(ends)


def _files_below(folder: str) -> list[str]:
    """Return the paths of all files in a folder and the folders in it, sorted folder by folder."""
    walked = sorted((here, names) for here, _, names in os.walk(folder, followlinks=True))
    return [os.path.join(here, name) for here, names in walked for name in sorted(names)]

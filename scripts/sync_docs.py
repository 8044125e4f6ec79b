"""Keep code in the documentation equal to files that tests run: `python scripts/sync_docs.py` copies it in.

A code block belongs to a file when the line before it is `<!-- code: path -->`, or to a part of the file with
`<!-- code: path#name -->`. The part stands in the file between `# region: name` and `# endregion`.
"""

import re
import sys
import textwrap
from pathlib import Path

from workspace import ROOT, tracked_files

BLOCK = re.compile(
    r"(<!-- code: (?P<source>[^ #]+)(?:#(?P<region>[\w-]+))? -->\n+```\w+\n)(?P<code>.*?)(?=^```$)", re.M | re.S
)
REGION = r"^[ \t]*# region: {name}\n(.*?)^[ \t]*# endregion"


def code_of(source: Path, region: str | None) -> str:
    """The text of a file, or of the named part of it, without its common indentation."""
    text = source.read_text(encoding="utf-8")
    if region is None:
        return text
    found = re.search(REGION.format(name=re.escape(region)), text, re.M | re.S)
    if found is None:
        raise LookupError(f"{source} has no part '# region: {region}' ... '# endregion'")
    return textwrap.dedent(found[1])


def synced(text: str, root: Path = ROOT) -> str:
    """The text of a page with each marked code block replaced by its source."""
    return BLOCK.sub(lambda block: block[1] + code_of(root / block["source"], block["region"]), text)


def blocks(text: str) -> list[tuple[str, str | None]]:
    """Source and part of each marked code block of a page."""
    return [(block["source"], block["region"]) for block in BLOCK.finditer(text)]


def main() -> int:
    """Rewrite every page that differs."""
    for page in tracked_files(".md"):
        old = page.read_text(encoding="utf-8")
        if (new := synced(old)) != old:
            page.write_text(new, encoding="utf-8")
            print("updated", page.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

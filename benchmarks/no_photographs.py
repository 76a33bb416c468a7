"""`python -m benchmarks.no_photographs NODE_MODULES OUT`: draw pictures that are no photographs.

They teach a detector what to decline; `forgery_lab.sources.no_photographs` says how they are drawn.
NODE_MODULES is what `npm install --ignore-scripts` makes beside a copy of that package's
package.json. With `--laid-out FOLDER`, where the pictures of the table of sorted pictures lie, some
pages show photographs whose terms are free; shown.txt lists them.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from pathlib import Path

from forgery_lab.progress import shown
from forgery_lab.sources.no_photographs import Material, draw
from forgery_lab.sources.photograph_table import TERMS, sorted_pictures

SHOWN = 60


def main() -> None:
    """Draw, and print how many there are of each kind."""
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    photographs = photographs_in(given.laid_out) if given.laid_out else ()
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "shown.txt").write_text("".join(f"{path.name}\n" for path in photographs))
    with shown("no photographs", "pictures") as progress:
        rows = draw(
            given.out, given.count, Material(given.packages, photographs), given.seed, progress
        )
    for sorting, count in Counter(row.sorting for row in rows).most_common():
        print(f"{count:5d} {sorting}")


def photographs_in(folder: Path) -> tuple[Path, ...]:
    """Return the photographs with the lowest SHA-256 of those whose terms ask for nothing."""
    free = [
        picture
        for picture in sorted_pictures()
        if picture.sorting == "photograph"
        and TERMS[picture.terms] == "free"
        and (folder / picture.laid_out_as).is_file()
    ]
    chosen = sorted(free, key=lambda picture: picture.sha256)[:SHOWN]
    return tuple(folder / picture.laid_out_as for picture in chosen)


def arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, metavar="NODE_MODULES")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--laid-out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()

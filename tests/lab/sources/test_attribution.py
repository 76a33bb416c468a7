"""The list of the photographs that a detector learnt from."""

import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab.evaluation import model_card
from forgery_lab.forgeries import scenes
from forgery_lab.sources import attribution


def found(folder):
    rng = np.random.default_rng(0)
    stated = Image.Exif()
    stated[0x013B], stated[0x8298] = "Ada | Lovelace", "(c) Ada\0\0"
    rows = []
    for number, (source, repository, terms, author) in enumerate(
        [
            ("cameras", "cameras", "free to use for any purpose", ""),
            ("food", "food", "CC BY 2.0", "Grace"),
            ("food", "food", "Pexels licence", ""),
            ("holidays", "", "CC0 1.0", "Me"),
            ("photos_web", "", "", ""),
        ]
    ):
        path = folder / f"{number}.jpg"
        exif = stated if number == 0 else Image.Exif()
        Image.fromarray(scenes.render("nat", rng, 96, 128)).save(path, exif=exif)
        rows.append(
            {"path": str(path), "sha256": str(number) * 64, "source": source, "author": author,
             "repository": repository, "terms": terms, "title": f"jpg/{number}.jpg"}
        )  # fmt: skip
    return pd.DataFrame(rows)


def test_each_photograph_is_listed_with_source_terms_title_and_author(tmp_path):
    text = attribution.render(found(tmp_path))
    holidays, cameras, food, others = text.split("\n## ")[1:]
    assert cameras.startswith("drewnoakes/metadata-extractor-images\n")
    assert "- Terms: free to use for any purpose\n- Photographs: 1\n" in cameras
    assert "- Authors: contributors to Drew Noakes' metadata-extractor" in cameras
    row = "| jpg/0.jpg | Ada / Lovelace; (c) Ada | free to use for any purpose |"
    assert f"{row} {'0' * 64} |" in cameras
    assert "/tree/cedc596c3c67957da9fee70d96e3c004b71e8240" in food
    assert "CC BY 2.0 (<https://creativecommons.org/licenses/by/2.0/>), Pexels licence (<" in food
    assert f"| jpg/1.jpg | Grace | CC BY 2.0 | {'1' * 64} |" in food
    assert f"| jpg/2.jpg | – | Pexels licence | {'2' * 64} |" in food
    assert holidays.startswith("holidays\n")
    assert "- Source" not in holidays
    assert others.startswith("Other photographs\n")
    assert "4" * 64 in others
    assert "4" * 64 not in holidays + cameras + food


def test_the_card_states_the_terms_where_all_are_known(tmp_path):
    photographs = found(tmp_path)
    assert model_card.of_release(photographs).licence is None
    said = model_card.of_release(photographs.iloc[:4])
    assert said.images == 4
    assert said.licence == (
        "further photographs: CC0 1.0; drewnoakes/metadata-extractor-images at 4beba6404878: free "
        "to use for any purpose; feedmejefferson/images at cedc596c3c67: CC BY 2.0, Pexels licence"
    )

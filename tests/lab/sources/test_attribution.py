"""The list of the photographs that a detector learnt from."""

import numpy as np
from PIL import Image

from forgery_lab.forgeries import scenes
from forgery_lab.sources import attribution, photographs


def test_each_photograph_is_listed_with_source_terms_title_and_author(tmp_path):
    rng = np.random.default_rng(0)
    stated = Image.Exif()
    stated[0x013B], stated[0x8298] = "Ada | Lovelace", "(c) Ada\0\0"
    for name, exif in (
        ("photos/0123456789abcdef_Camera_1.jpg", stated),
        ("photos/Camera_2.jpg", Image.Exif()),
        ("photos_web/w.jpg", Image.Exif()),
        ("photos_web/own.jpg", Image.Exif()),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(scenes.render("nat", rng, 96, 128)).save(tmp_path / name, exif=exif)
    found = photographs.find(tmp_path)
    digests = {row["path"].rpartition("/")[2]: row["sha256"] for row in found.to_dict("records")}
    text = attribution.render(found, set(digests.values()) - {digests["own.jpg"]})
    cameras, web, others = text.split("\n## ")[1:]
    assert cameras.startswith("drewnoakes/metadata-extractor-images\n")
    assert "- Terms: free to use for any purpose\n- Photographs: 2\n" in cameras
    digest = digests["0123456789abcdef_Camera_1.jpg"]
    assert f"| Camera_1 | Ada / Lovelace; (c) Ada | {digest} |" in cameras
    assert f"| Camera_2 | – | {digests['Camera_2.jpg']} |" in cameras
    assert "CC0 1.0 (<https://creativecommons.org/publicdomain/zero/1.0/>)" in web
    assert digests["w.jpg"] in web
    assert others.startswith("Other photographs\n")
    assert digests["own.jpg"] in others
    assert digests["own.jpg"] not in cameras + web

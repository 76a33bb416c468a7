"""Reports and cards: self-contained, and honest in words."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from forgery_lab.evaluation import model_card, report
from forgery_lab.evaluation.conditions import C
from forgery_lab.evaluation.mistakes import ShownImage, ShownImages
from forgery_lab.evaluation.results import Evaluation
from forgery_lab.export.detector_folder import Description, TrainingData
from forgery_pyfunc.calibration import Calibration
from tests.lab.evaluation.made import auc_of, evaluation, figures_of


def picture():
    return ShownImage(
        path="Tp/<script>.jpg",
        label=1,
        kind="splice",
        probability=0.9,
        verdict="forged",
        picture=np.zeros((64, 96, 3), np.uint8),
        heatmap=np.full((64, 96), 200, np.uint8),
        mask=np.eye(64, 96) > 0,
    )


def described():
    return Description(
        name="blocks",
        network="blocks",
        features=("residual",),
        calibration=Calibration(t_lo=0.2, t_hi=0.8, chosen_on="40 validation images"),
        training={"epochs": 3},
    )


@pytest.fixture(scope="module")
def page():
    return report.render(evaluation(), ShownImages(worst=[picture()]))


def test_the_page_asks_nothing_of_the_network(page):
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"url\((?!#)", page)
    assert "<script" not in page
    assert page.count("<svg") == 5


def test_names_from_files_are_escaped(page):
    assert "Tp/&lt;script&gt;.jpg" in page
    assert "&lt;b&gt;" in page


def test_light_and_dark_and_no_colour_of_the_plots_is_fixed_to_the_paper(page):
    assert "prefers-color-scheme: dark" in page
    assert "currentColor" in page
    assert "#010203" not in page


def test_ids_of_plots_do_not_collide(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_table_has_protocols_baselines_and_intervals(page):
    for text in ("Baselines under C", "to be beaten", "AUC", "Calibration error"):
        assert text in page
    auc = auc_of(evaluation())
    assert f"{auc.value:.2f}<small>{auc.low:.2f}–{auc.high:.2f}" in page


@pytest.mark.parametrize(
    ("gain", "words", "tone"),
    [
        ((0.1, 0.05, 0.15), "It beats boosted trees", "good"),
        ((0.02, -0.05, 0.09), "is not shown to beat the last baseline", "bad"),
        ((-0.1, -0.2, -0.05), "does not beat the last baseline", "bad"),
    ],
)
def test_the_words_say_whether_the_network_beats_the_last_baseline(gain, words, tone):
    said = report.in_words(evaluation(gain))
    match = [one for one in said if words in one.text]
    assert len(match) == 1
    assert match[0].tone == tone


def test_the_words_name_a_shortcut_in_the_background():
    good = " ".join(one.text for one in report.in_words(evaluation()))
    assert "no shortcut is visible" in good
    bad = " ".join(one.text for one in report.in_words(evaluation(control=2.0)))
    assert "something other than forged pixels" in bad
    low = " ".join(one.text for one in report.in_words(evaluation(control=-2.0)))
    assert "works against the headline" in low


def test_without_protocol_c_the_report_says_that_there_is_no_honest_figure():
    nothing = evaluation(protocols={}, baselines={}, where={}, elsewhere=[])
    assert "no honest image-level figure" in report.in_words(nothing)[0].text
    assert "no honest image-level figure" in report.render(nothing, ShownImages())


def test_writing_gives_page_json_and_curves(tmp_path):
    found = evaluation()
    report.write(tmp_path, found, ShownImages(worst=[picture()], best=[picture()]))
    assert (tmp_path / "finds.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "figures.json").read_text())["notes"] == found.notes
    assert (tmp_path / "C_roc.csv").read_text().startswith("fpr,tpr")
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    assert not list(tmp_path.glob("*.partial"))


def test_curves_of_an_evaluation_before_do_not_stay(tmp_path):
    report.write(tmp_path, evaluation())
    report.write(tmp_path, evaluation(protocols={"B": figures_of(3)}))
    assert not (tmp_path / "finds.png").exists()
    assert (tmp_path / "B_roc.csv").is_file()
    assert not list(tmp_path.glob("C_*.csv"))


def test_decisions_are_counted_in_the_page_and_in_the_metrics(page):
    counts = evaluation().protocols[C].confusion.to_dict()
    assert report.values(evaluation())["C"].items() >= counts.items()
    row = page[page.index("<h2>Decisions") :]
    row = row[row.index('<th scope="row">C</th>') :][:200]
    assert re.findall(r"<td>(\d+)</td>", row)[:2] == [
        str(counts["true_positives"]), str(counts["false_negatives"])
    ]  # fmt: skip


def test_both_decisions_are_named_in_page_card_words_and_metrics(page):
    found = evaluation()
    measured = found.protocols[C].metrics
    values = report.values(found)["C"]
    for name in ("accuracy", "precision", "recall", "f1"):
        assert values[f"{name}_at_half"] == measured[f"{name}_at_half"].value
        assert values[f"{name}_at_t_hi"] == values[name] == measured[name].value
    card = model_card.render(described(), found)
    said = " ".join(one.text for one in report.in_words(found))
    for title in ("Accuracy", "Precision", "Recall", "F1"):
        for where in ("at 0.5", "at t_hi"):
            assert f'<th scope="col">{title} {where}</th>' in page
            assert f"| {title} {where} |" in card
    assert f"F1 {measured['f1_at_half'].value:.2f} at 0.5" in said
    assert f"F1 {measured['f1'].value:.2f} at t_hi" in said


def test_figures_of_an_earlier_version_know_one_decision():
    values = evaluation().to_dict()
    for metrics in (one["metrics"] for one in values["protocols"].values()):
        for name in [name for name in metrics if name.endswith("_at_half")]:
            del metrics[name]
    earlier = Evaluation.from_dict(values)
    assert "Recall at t_hi" in report.render(earlier, ShownImages())
    assert "at 0.5," not in " ".join(one.text for one in report.in_words(earlier))
    assert "finds – of the forgeries" in report.learnt(earlier)


def test_what_was_learnt_is_one_sentence():
    measured = evaluation().protocols[C].metrics
    said = report.learnt(evaluation())
    assert said.count(". ") == 0
    assert f"an AUC of {measured['auc'].value:.2f}" in said
    assert f"{measured['recall_at_half'].value:.0%}".replace("%", " %") in said
    assert "no honest figure" in report.learnt(evaluation(protocols={}))


def test_only_the_demo_itself_has_the_terms_of_the_demo():
    assert "generated by this project" in model_card.licence_of("demo")
    assert model_card.licence_of("https://example.org/democracy-photos.zip") is None
    assert model_card.licence_of("/data/demo") is None


def test_the_card_has_the_reports_figures_and_its_limits():
    detector = described()
    terms = model_card.licence_of("../shared/data/casia1")
    card = model_card.render(detector, evaluation(), TrainingData("CASIA 1.0", None, terms))
    assert f"| {auc_of(evaluation()).value:.2f} (" in card
    for text in ("research and teaching only", "Intended use", "equal priors", "0.800", "Not for"):
        assert text in card
    assert "It beats boosted trees" in card
    assert "has not been evaluated" in model_card.render(detector, None)


def test_the_card_is_a_page_too_in_which_names_are_no_html():
    page = model_card.page("# Model card: <script>\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n")
    assert "<h1>Model card: &lt;script&gt;</h1>" in page
    assert page.count("<td>") == 2
    assert "<script" not in page


def test_a_table_has_a_row_per_condition_with_rounded_figures():
    table = report.table(evaluation()).set_index("condition")
    auc = auc_of(evaluation())
    assert table.loc["C", "auc"] == round(auc.value, 4)
    assert table.loc["C", "auc 95 %"] == f"{auc.low:.2f} to {auc.high:.2f}"


def test_the_terms_of_photographs_are_stated_only_where_they_are_known():
    found = pd.DataFrame(
        {"repository": ["clothes", "food", "food"], "terms": ["CC0 1.0", "CC BY 2.0", "CC0 1.0"]}
    )
    known = model_card.of_release(found)
    assert known.images == 3
    assert known.name.endswith("no CASIA")
    assert "alexeygrigorev/clothing-dataset at 7ed86a9cc567: CC0 1.0; " in known.licence
    assert known.licence.endswith(": CC BY 2.0, CC0 1.0")
    own = model_card.of_release(found.assign(repository=["clothes", "food", ""]))
    assert "further photographs: CC0 1.0" in own.licence
    assert "CASIA" not in own.name
    assert model_card.of_release(found.assign(terms=["CC0 1.0", "", "CC0 1.0"])).licence is None

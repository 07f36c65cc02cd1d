"""Tables in every format, and the numbers of the papers."""

import csv
import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from mixformer.errors import DataError
from mixformer.evaluation.report import papers
from mixformer.evaluation.report.build_tables import by_sequence, make_tables, overall
from mixformer.evaluation.report.papers import (
    PaperResult,
    ablation_table,
    paper_ablations,
    paper_results,
    paper_table,
)
from mixformer.evaluation.report.tables import Column, Table, to_csv, to_latex, to_markdown, to_terminal
from tests.helpers.report_maker import make_comparison, with_awkward_name

TABLE = Table(
    "toy: 3 trackers",
    (
        Column("tracker"),
        Column("AUC", "percent", "high"),
        Column("EAO", "fraction", "high"),
        Column("lost", "percent", "low"),
    ),
    (("a_b", 0.71234, 0.5, 0.1), ("c|d", 0.7126, None, 0.02), ("e & f", 0.3, float("nan"), 0.5)),
    ("Convention otb: 21 thresholds",),
)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return make_comparison(tmp_path_factory.mktemp("report"))


def printed(table, width=100):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False, color_system="standard")
    to_terminal(table, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_markdown():
    assert to_markdown(TABLE) == (
        "### toy: 3 trackers\n"
        "\n"
        "| tracker | AUC | EAO | lost |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| a\\_b | 71.2 | 0.500 | 10.0 |\n"
        "| c\\|d | **71.3** | - | **2.0** |\n"
        "| e & f | 30.0 | - | 50.0 |\n"
        "\n"
        "*Convention otb: 21 thresholds*\n"
    )


def test_csv_keeps_whole_numbers():
    text = to_csv(TABLE)
    assert text == (
        "tracker,AUC,EAO,lost\na_b,0.71234,0.5,0.1\nc|d,0.7126,,0.02\ne & f,0.3,,0.5\n# Convention otb: 21 thresholds\n"
    )
    assert next(csv.DictReader(io.StringIO(text)))["AUC"] == "0.71234"


def test_latex():
    assert to_latex(TABLE) == (
        "\\begin{table}\n\\centering\n\\caption{toy: 3 trackers. Convention otb: 21 thresholds}\n"
        "\\begin{tabular}{lrrr}\n\\toprule\n"
        "tracker & AUC & EAO & lost \\\\\n\\midrule\n"
        "a\\_b & 71.2 & 0.500 & 10.0 \\\\\n"
        "c|d & \\textbf{71.3} & - & \\textbf{2.0} \\\\\n"
        "e \\& f & 30.0 & - & 50.0 \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def test_terminal_shows_best_in_bold_and_the_convention():
    text = printed(TABLE)
    assert "\x1b[1m71.3\x1b[0m" in text
    assert "\x1b[1m71.2" not in text
    assert "Convention otb: 21 thresholds" in text
    assert "[x]" in printed(Table("t", (Column("a"),), (("[x]",),), ()))  # no markup


def test_equal_looking_numbers_are_both_best_and_one_alone_is_not():
    column = Column("AUC", "percent", "high")
    ties = Table("t", (column,), ((0.71234,), (0.71241,), (0.5,)))
    assert [best for ((_, best),) in ties.texts()] == [True, True, False]
    assert Table("t", (column,), ((0.7,),)).texts() == [[("70.0", False)]]
    assert Table("t", (column,), ()).texts() == []
    rows = Table("t", (Column("s"), column, column), (("a", 0.1, 0.2), ("b", 0.4, 0.3)), (), across=True)
    assert [[best for _, best in row] for row in rows.texts()] == [[False, False, True], [False, True, False]]


def test_every_table_names_its_convention(comparison):
    made = make_tables(comparison)
    assert list(made) == ["overall", "attributes", "sequences"]
    for table in made.values():
        for text in (to_markdown(table), to_csv(table), to_latex(table), printed(table, 400)):
            assert "a perfect tracker scores 0.952" in text.replace("\\", "")
    first = to_markdown(made["overall"]).splitlines()
    assert first[2] == "| tracker | AUC | OP50 | OP75 | P | P norm | FPS |"
    assert first[4] == "| ours | **95.2** | **100.0** | **100.0** | **100.0** | **100.0** | 100.0 |"
    assert "| bird | 10 | **95.2** |" in to_markdown(by_sequence(comparison))


def test_awkward_names_are_escaped(comparison):
    table = overall(with_awkward_name(comparison))
    assert "| a\\_b\\|c <50%> & [x] |" in to_markdown(table)
    assert "a\\_b|c \\textless{}50\\%\\textgreater{} \\& [x] &" in to_latex(table)
    assert "a_b|c <50%> & [x]" in printed(table, 200)


@pytest.mark.parametrize(
    ("tracker", "dataset", "metric", "value", "source", "note"),
    [
        ("MixViT-L (ConvMAE)", "lasot", "auc", 0.733, "journal table 10", ""),
        ("MixViT-L", "got10k", "ao", 0.757, "journal table 10", "trained on GOT-10k alone"),
        ("MixCvT", "trackingnet", "norm_precision", 0.881, "journal table 10", ""),
        ("MixCvT-1k", "uav123", "precision", 0.895, "journal table 10", ""),
        ("SiamFC", "got10k", "sr75", 0.098, "journal table 10", ""),
        ("OSTrack-384", "lasot", "precision", 0.776, "journal table 10", ""),
        ("MixViT-L", "vot2020", "eao", 0.584, "journal table 9", "masks"),
        ("MixFormerL", "vot2022", "robustness", 0.859, "journal table 11", "short-term boxes, public challenge"),
        ("MixFormerV2-B", "vot2022", "accuracy", 0.795, "MixFormerV2 table 4", "short-term boxes"),
        ("MixFormerV2-B", "tnl2k", "precision", 0.584, "MixFormerV2 table 5", ""),
        ("MixFormerV2-B*", "lasot", "auc", 0.695, "MixFormerV2 table 5", "taught by MixViT-B"),
        ("MixFormerV2-S", "speed", "fps_cpu", 30, "MixFormerV2 table 6", ""),
        ("MixFormerV2-S", "vot2020", "eao", 0.258, "MixFormerV2 table 7", "boxes"),
        ("MixFormerV2-S", "got10k", "ao", 0.621, "MixFormerV2 table 7", "trained on more than GOT-10k"),
        ("MixCvT", "lasot", "auc", 0.69, "mmtracking page", "tracker of mmtracking"),
        ("MixCvT", "got10k", "sr75", 0.656, "mmtracking page", "tracker of mmtracking; weights for GOT-10k"),
        ("MixViT-L (ConvMAE)", "speed", "fps_gpu", 10, "journal table 2", ""),
        ("MixCvT-L", "size", "macs", 127.81, "journal table 1", ""),
        ("MixForRGBD", "votrgbd2022", "robustness", 0.946, "journal table 12", ""),
        ("MixFormerD", "votd2022", "eao", 0.6, "journal table 13", ""),
    ],
)
def test_published_rows_equal_the_papers(tracker, dataset, metric, value, source, note):
    source = f"MixFormer {source}" if source.startswith("journal") else source
    assert PaperResult(tracker, dataset, metric, value, source, note) in paper_results()


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("MixFormer journal table 3", (0.598, 0.605, 0.669, 0.658, 0.662, 0.674, 0.681, 0.684, 0.660)),
        ("MixFormer journal table 5", (0.562, 0.588, 0.590)),
        ("MixFormer journal table 7", (0.590, 0.672, 0.681, 0.562, 0.651, 0.660, 0.665, 0.677, 0.680, 0.685)),
        ("MixFormer journal table 8", (0.681, 0.666, 0.692)),
        ("MixFormerV2 table 3d", (0.607, 0.624, 0.629)),
        ("MixFormerV2 supplement table 2a", (0.671, 0.673, 0.675)),
        ("MixFormerV2 supplement table 2c", (0.682, 0.677, 0.666, 0.610, 0.594)),
        ("MixFormerV2 supplement table 2d", (0.629, 0.644, 0.648)),
    ],
)
def test_ablations_are_whole_tables_in_the_order_of_their_rows(source, values):
    rows = [row for row in paper_ablations() if (row.source, row.dataset, row.metric) == (source, "lasot", "auc")]
    assert tuple(row.value for row in rows) == values
    assert [row.row for row in rows] == list(range(1, len(values) + 1))


def test_published_rows_are_whole_and_differ():
    rows, designs = paper_results(), paper_ablations()
    assert len(rows) == len({(row.tracker, row.dataset, row.metric, row.source, row.note) for row in rows}) > 600
    assert len(designs) == len({(row.dataset, row.metric, row.source, row.row) for row in designs}) > 100
    assert all(0 < row.value < 1 for row in (*rows, *designs) if row.dataset not in ("speed", "size"))
    assert all(row.row > 0 for row in designs)
    assert {row.row for row in rows} == {0}
    journal = {row.tracker for row in rows if row.source == "MixFormer journal table 10"}
    assert len(journal) == 47


def test_measured_rows_stand_above_those_of_the_papers():
    keys = ("auc", "op50", "norm_precision", "precision")
    table = paper_table("LaSOT", keys, [("mine", {"auc": 0.5, "op50": 0.6})], ("Convention x: y",))
    assert [column.heading for column in table.columns] == [
        *("tracker", "AUC", "P norm", "P", "GPU FPS", "CPU FPS", "source")
    ]
    assert table.rows[0] == ("mine", 0.5, None, None, None, None, "measured here")
    assert table.rows[1] == ("MixViT-L (ConvMAE)", 0.733, 0.828, 0.803, 10, None, "MixFormer journal table 10")
    assert ("MixCvT", 0.69, 0.796, 0.752, None, None, "mmtracking page; tracker of mmtracking") in table.rows
    assert table.notes[0] == "Convention x: y"
    assert "not measured here" in table.notes[1]
    assert paper_table("my_videos", keys, [], ()) is None
    assert paper_table("lasot", ("ao",), [], ()) is None
    assert paper_table("got10k_test", ("ao",), [], ()).rows[0][0] == "MixViT-L"


def test_each_paper_brings_its_own_speed():
    rows = paper_table("lasot", ("auc",), [("mine", {"auc": 0.5, "fps": 60.0})], ()).rows
    assert rows[0] == ("mine", 0.5, 60.0, None, None, "measured here")
    assert ("MixCvT", 0.692, None, 31, None, "MixFormer journal table 10") in rows
    assert ("MixCvT", 0.692, None, 25, None, "MixFormerV2 table 5") in rows
    assert ("MixFormerV2-S", 0.606, None, 325, 30, "MixFormerV2 table 6") in rows


def test_measured_rows_stand_above_the_ablations():
    table = ablation_table("lasot", ("auc", "op50"), [("mine", {"auc": 0.5})], ("Convention x: y",))
    assert [column.heading for column in table.columns] == [
        *("tracker", "AUC", "parameters [M]", "GMAC", "GPU FPS", "source")
    ]
    assert table.rows[0] == ("mine", 0.5, None, None, None, "measured here")
    place = "MixFormer journal table 3, row 3"
    assert ("SAM(21), ECA + CFA(4)", 0.669, 49.75, 27.81, None, place) in table.rows
    assert ("asymmetric", 0.681, None, None, 31, "MixFormer journal table 4, row 2") in table.rows
    assert not any("MixFormerV2 table 2," in row[-1] for row in table.rows)  # a speed alone
    assert not any(bold for row in table.texts() for _, bold in row)
    timed = ablation_table("lasot", ("auc",), [("mine", {"auc": 0.5, "fps": 60.0})], ())
    speed = ("MixViT-B of 4 layers, MLP ratio 1, 224 pixels", None, None, None, None, 280, 30)
    assert (*speed, "MixFormerV2 table 2, row 2") in timed.rows
    extension = ablation_table("lasot_ext", ("auc",), [], ())
    assert [row[1] for row in extension.rows] == [0.452, 0.461, 0.471]
    assert ablation_table("got10k", ("ao",), [], ()) is None


def test_a_metric_of_version_0_1_0_is_read_under_its_new_name(tmp_path, monkeypatch):
    head, row = "tracker,dataset,metric,value,unit,source,note", "a,lasot,normalised_precision,80,percent,s,"
    (tmp_path / "p.csv").write_text(f"{head}\n{row}\n")
    monkeypatch.setattr(papers, "_FILE", tmp_path / "p.csv")
    paper_results.cache_clear()
    try:
        assert paper_results() == (PaperResult("a", "lasot", "norm_precision", 0.8, "s", ""),)
    finally:
        paper_results.cache_clear()


def test_a_broken_data_file_names_its_line(tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text("tracker,dataset,metric,value,unit,source,note\na,lasot,auc,x,percent,s,\n")
    monkeypatch.setattr(papers, "_FILE", tmp_path / "p.csv")
    paper_results.cache_clear()
    try:
        with pytest.raises(DataError, match=r"p\.csv, line 2"):
            paper_results()
    finally:
        paper_results.cache_clear()


def wide_table():
    numbers = tuple(Column(f"a tracker with a long name {number}", "percent", "high") for number in range(5))
    rows = tuple((f"sequence {number}", *(number / 10 + k / 100 for k in range(5))) for number in range(3))
    return Table("Wide", (Column("sequence"), *numbers), rows, ("word " * 60 + "end.",), across=True)


def shown_at(table, width, monkeypatch, terminal=True):
    monkeypatch.delenv("COLUMNS", raising=False)
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system="standard", soft_wrap=True)
    to_terminal(table, console)
    return re.sub(r"\x1b\[[0-9;]*m", lambda code: "*" if code[0] == "\x1b[1m" else "", file.getvalue())


def test_a_wide_table_goes_on_below_on_a_terminal(monkeypatch):
    shown = shown_at(wide_table(), 80, monkeypatch)
    assert max(len(line.replace("*", "")) for line in shown.splitlines()) <= 80
    assert shown.count("continued") == 2
    assert shown.count("sequence 2") == 3
    for number in range(5):
        assert f"a tracker with a long name {number}" in shown
    assert re.findall(r"\*\s*(\d+\.\d)", shown) == ["4.0", "14.0", "24.0"]  # the best of rows, not of their parts
    assert re.sub(r"\s+", " ", shown).rstrip().endswith("word word end.")


def test_rows_stay_whole_in_a_pipe(monkeypatch):
    shown = shown_at(wide_table(), 80, monkeypatch, terminal=False)
    assert "continued" not in shown
    assert "...".join(["20.0", "24.0"]) in re.sub(r"20\.0.*24\.0", "20.0...24.0", shown)


def test_long_sources_become_numbers_with_a_note(monkeypatch):
    columns = Column("tracker"), Column("AUC", "percent"), Column("source")
    table = Table("T", columns, (("ours", 0.5, "here"), ("A", 0.6, "a paper " * 12), ("B", 0.7, "here")))
    shown = shown_at(table, 80, monkeypatch)
    assert re.search(r"A +60\.0 +\[2\]", shown)
    assert re.search(r"B +70\.0 +\[1\]", shown)
    assert "source: [1] here; [2] a paper" in shown
    assert shown_at(table, 200, monkeypatch).count("[") == 0


def test_numbers_on_a_part_of_a_set_are_not_those_of_the_papers(comparison):
    whole = make_tables(replace(comparison, dataset="lasot"))["paper_results"]
    part = make_tables(replace(comparison, dataset="lasot", absent=276))["paper_results"]
    told = "The papers measured all 280 sequences: do not compare numbers on 4 of them with theirs."
    assert told in part.notes
    assert not any("The papers measured" in note for note in whole.notes)

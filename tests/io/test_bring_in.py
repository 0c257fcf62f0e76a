from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.bring_in import (
    bring_in_categories,
    bring_in_embedding,
    bring_in_genes,
    bring_in_proportions,
    bring_in_scores,
)

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
BARE = ["".join(RNG.choice(list("ACGT"), 16)) for _ in range(40)]
NAMES = np.array([f"{b}-1" for b in BARE], dtype=object)
LABELS = [("Tumour", "Stroma", "Drüse")[i % 3] for i in range(40)]


def loupe(path: Path, names: list[str], labels: list[str], encoding: str = "utf-8") -> Path:
    lines = ["Barcode,Pathology", *(f"{n},{v}" for n, v in zip(names, labels, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_loupe_export(tmp_path: Path, encoding: str) -> None:
    labels = ["" if i == 4 else v for i, v in enumerate(LABELS)]
    path = loupe(tmp_path / "loupe.csv", list(NAMES[::-1]), labels[::-1], encoding)
    found = bring_in_categories(path, NAMES)
    values = found.values["Pathology"]
    assert list(found.values.index) == list(NAMES)
    assert list(values.cat.categories) == ["Drüse", "Stroma", "Tumour"]
    assert list(values.drop(NAMES[4])) == labels[:4] + labels[5:]
    assert pd.isna(values.iloc[4])
    assert found.report.complete
    assert found.report.barcode_column == "column 'Barcode'"
    assert "40 of 40 observations" in found.report.text()
    assert "as they are" in found.report.text()


@pytest.mark.parametrize(
    ("rewrite", "words"),
    [
        (lambda b: b, "last number"),
        (lambda b: f"{b}-1-0", "last number"),
        (lambda b: f"{b}-1_2_3", "numbers at the end"),
        (lambda b: f"{b}.1", "last number"),
        (lambda b: f"S1_{b}-1", "sample prefix"),
        (lambda b: f"patient_7#{b}-1", "sample prefix"),
        (lambda b: f"S1_{b}", "sample prefix"),
        (lambda b: f' "{b}-1" ', "as they are"),
    ],
)
def test_barcodes_written_differently(tmp_path: Path, rewrite, words: str) -> None:
    frame = pd.DataFrame({"id": [rewrite(b) for b in BARE], "class": LABELS})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = bring_in_categories(tmp_path / "t.csv", NAMES)
    assert list(found.values["class"]) == LABELS
    assert words in found.report.treatment


def test_visium_hd_names_keep_their_numbers(tmp_path: Path) -> None:
    names = np.array([f"s_008um_{i:05d}_{j:05d}-1" for i in range(6) for j in range(6)], object)
    bare = [n[:-2] for n in names]
    loupe(tmp_path / "a.csv", [f"P1_{n}" for n in names], [str(i) for i in range(36)])
    loupe(tmp_path / "b.csv", bare, [str(i) for i in range(36)])
    for file in ("a.csv", "b.csv"):
        found = bring_in_categories(tmp_path / file, names)
        assert list(found.values["Pathology"]) == [str(i) for i in range(36)]
        assert list(found.values["Pathology"].cat.categories) == [str(i) for i in range(36)]


def test_what_does_not_match_is_told(tmp_path: Path) -> None:
    names = [*NAMES[:30], "GGGGGGGGGGGGGGGG-1", NAMES[0], NAMES[1]]
    labels = [*LABELS[:30], "Stroma", LABELS[0], "another"]
    report = bring_in_categories(loupe(tmp_path / "t.csv", names, labels), NAMES).report
    assert (report.matched, report.unmatched_in_file, report.unmatched_in_section) == (29, 1, 11)
    assert report.duplicates == 1
    assert report.examples_in_file == ("GGGGGGGGGGGGGGGG-1",)
    assert NAMES[1] in report.examples_in_section
    assert not report.complete
    assert "GGGGGGGGGGGGGGGG-1" in report.text()
    values = bring_in_categories(tmp_path / "t.csv", NAMES).values["Pathology"]
    assert values.iloc[0] == LABELS[0]
    assert pd.isna(values.iloc[1])


def test_several_samples_in_one_file(tmp_path: Path) -> None:
    names = [f"{s}_{n}" for s in ("A", "B") for n in NAMES]
    labels = ["left"] * 40 + ["right"] * 40
    path = loupe(tmp_path / "t.csv", names, labels)
    with pytest.raises(StmlError, match="A, B"):
        bring_in_categories(path, NAMES)
    assert set(bring_in_categories(path, NAMES, sample="B").values["Pathology"]) == {"right"}
    with pytest.raises(StmlError, match="'C'"):
        bring_in_categories(path, NAMES, sample="C")


def test_a_pathologists_workbook(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame(
        {
            "Nr.": range(40),
            "Spot-ID": NAMES,
            "Befund": LABELS,
            "Kommentar": [f"Text {i}" for i in range(40)],
        }
    )
    with pd.ExcelWriter(tmp_path / "t.xlsx") as writer:
        pd.DataFrame({"Legend": ["T = Tumour"]}).to_excel(writer, sheet_name="Info", index=False)
        frame.to_excel(writer, sheet_name="Spots", startrow=3, index=False)
    found = bring_in_categories(tmp_path / "t.xlsx", NAMES, columns=["Befund"])
    assert list(found.values["Befund"]) == LABELS
    assert "Spots" in found.report.source
    assert found.report.barcode_column == "column 'Spot-ID'"
    with pytest.raises(CannotOpenError, match="no sheet"):
        bring_in_categories(tmp_path / "t.xlsx", NAMES, sheet="Blatt 9")
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(CannotOpenError):
        bring_in_categories(tmp_path / "broken.xlsx", NAMES)


def test_numeric_cell_ids_of_a_spreadsheet(tmp_path: Path) -> None:
    names = np.array([str(i) for i in range(100, 140)], dtype=object)
    loupe(tmp_path / "t.csv", [f"{n}.0" for n in names], LABELS)
    assert list(bring_in_categories(tmp_path / "t.csv", names).values["Pathology"]) == LABELS


def test_files_without_a_header_and_with_titles_above(tmp_path: Path) -> None:
    lines = [f"{n}\t{v}" for n, v in zip(NAMES, LABELS, strict=True)]
    (tmp_path / "bare.tsv").write_text("\n".join(lines), encoding="utf-8")
    assert list(bring_in_categories(tmp_path / "bare.tsv", NAMES).values["column 2"]) == LABELS
    rows = [f"{n};{v};x" for n, v in zip(NAMES, LABELS, strict=True)]
    text = "\n".join(["Annotation by the pathologist", "", "spot;class;note", *rows])
    (tmp_path / "titled.csv").write_text(text, encoding="latin-1")
    found = bring_in_categories(tmp_path / "titled.csv", NAMES)
    assert list(found.values["class"]) == LABELS
    assert found.report.barcode_column == "column 'spot'"


def test_scores_with_decimal_commas_and_words(tmp_path: Path) -> None:
    numbers = RNG.random(40).round(4)
    cells = [str(v).replace(".", ",") for v in numbers]
    cells[3] = "not done"
    rows = [f"{n};{c};{i}" for i, (n, c) in enumerate(zip(NAMES, cells, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(["id;score;x", *rows]))
    found = bring_in_scores(tmp_path / "t.csv", NAMES)
    assert list(found.values.columns) == ["score"]
    np.testing.assert_allclose(found.values["score"].drop(NAMES[3]), np.delete(numbers, 3))
    assert np.isnan(found.values["score"].iloc[3])
    assert "1 cells of 'score' are no numbers" in found.report.text()
    partly = bring_in_scores(tmp_path / "t.csv", np.array([*NAMES, "other"], dtype=object))
    assert np.isnan(partly.values["score"].iloc[-1])
    with pytest.raises(StmlError, match="no column 'nothing'"):
        bring_in_scores(tmp_path / "t.csv", NAMES, columns=["nothing"])


def test_text_is_no_score(tmp_path: Path) -> None:
    path = loupe(tmp_path / "t.csv", list(NAMES), LABELS)
    with pytest.raises(StmlError, match="does not hold numbers"):
        bring_in_scores(path, NAMES, columns=["Pathology"])
    with pytest.raises(StmlError, match="no column of numbers"):
        bring_in_scores(path, NAMES)


def test_r_row_names_and_gzip(tmp_path: Path) -> None:
    weights = RNG.dirichlet([1, 1, 1], 40)
    rows = [
        "\t".join([f'"{n}"', *(f"{v:.6f}" for v in w)]) for n, w in zip(NAMES, weights, strict=True)
    ]
    text = "\n".join(['"B"\t"T"\t"Mac"', *rows])
    with gzip.open(tmp_path / "rctd.tsv.gz", "wt") as file:
        file.write(text)
    found = bring_in_proportions(tmp_path / "rctd.tsv.gz", NAMES)
    assert list(found.values.columns) == ["B", "T", "Mac"]
    np.testing.assert_allclose(found.values, weights, atol=1e-6)
    assert found.report.notes == ()


def test_cell2location_csv(tmp_path: Path) -> None:
    values = RNG.gamma(2, 2, (40, 2))
    frame = pd.DataFrame(
        np.hstack([values, values + 1]),
        index=NAMES,
        columns=[f"{q}_cell_abundance_w_sf_{t}" for q in ("q05", "means") for t in ("B", "T")],
    )
    frame.to_csv(tmp_path / "c.csv")
    found = bring_in_proportions(tmp_path / "c.csv", NAMES)
    assert list(found.values.columns) == ["B", "T"]
    np.testing.assert_allclose(found.values, values)
    assert "do not sum to 1" in found.report.text()
    shares = bring_in_proportions(tmp_path / "c.csv", NAMES, normalise=True)
    np.testing.assert_allclose(shares.values, values / values.sum(1, keepdims=True))


def test_cell2location_h5ad(tmp_path: Path) -> None:
    values = RNG.gamma(2, 2, (40, 2))
    adata = ad.AnnData(obs=pd.DataFrame(index=pd.Index([f"S1_{n}" for n in NAMES], dtype=object)))
    adata.obsm["q05_cell_abundance_w_sf"] = pd.DataFrame(
        values,
        index=adata.obs_names,
        columns=["q05cell_abundance_w_sf_B", "q05cell_abundance_w_sf_T"],
    )
    adata.obsm["X_pca"] = RNG.random((40, 3))
    adata.write_h5ad(tmp_path / "c.h5ad")
    found = bring_in_proportions(tmp_path / "c.h5ad", NAMES)
    assert list(found.values.columns) == ["B", "T"]
    np.testing.assert_allclose(found.values, values)
    pca = bring_in_embedding(tmp_path / "c.h5ad", NAMES, key="X_pca")
    np.testing.assert_allclose(pca.values, adata.obsm["X_pca"])
    with pytest.raises(StmlError, match="X_pca"):
        bring_in_embedding(tmp_path / "c.h5ad", NAMES)


def test_negative_and_empty_proportions(tmp_path: Path) -> None:
    frame = pd.DataFrame({"B": [0.5] * 40, "T": [0.5] * 40}, index=NAMES)
    frame.iloc[0] = [-0.2, 1.2]
    frame.iloc[1] = 0.0
    frame.to_csv(tmp_path / "t.csv")
    text = bring_in_proportions(tmp_path / "t.csv", NAMES).report.text()
    assert "1 values are negative" in text
    assert "1 of 40 rows do not sum to 1" in text
    fixed = bring_in_proportions(tmp_path / "t.csv", NAMES, normalise=True)
    np.testing.assert_allclose(fixed.values.iloc[0], [0, 1])
    assert fixed.values.iloc[1].isna().all()


def test_embeddings(tmp_path: Path) -> None:
    values = RNG.normal(size=(40, 4)).astype(np.float32)
    np.save(tmp_path / "z.npy", values[::-1])
    with pytest.raises(StmlError, match="no names"):
        bring_in_embedding(tmp_path / "z.npy", NAMES)
    (tmp_path / "z_barcodes.txt").write_text("\n".join(NAMES[::-1]))
    np.testing.assert_array_equal(bring_in_embedding(tmp_path / "z.npy", NAMES).values, values)
    in_order = bring_in_embedding(tmp_path / "z.npy", NAMES, in_order=True)
    np.testing.assert_array_equal(in_order.values, values[::-1])
    pd.DataFrame(values, index=NAMES, columns=["x", "y", "z", "w"]).to_csv(tmp_path / "z.csv")
    np.testing.assert_allclose(
        bring_in_embedding(tmp_path / "z.csv", NAMES).values, values, rtol=1e-5
    )
    np.save(tmp_path / "flat.npy", np.zeros(40))
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object))
    for broken in ("flat.npy", "objects.npy"):
        with pytest.raises(CannotOpenError):
            bring_in_embedding(tmp_path / broken, NAMES, in_order=True)
    with pytest.raises(CannotOpenError, match="40 rows"):
        bring_in_embedding(tmp_path / "z.npy", NAMES[:5], in_order=True)


BROKEN = {
    "empty": b"",
    "blank": b"\n \n",
    "header only": b"Barcode,class\n",
    "one column": b"Barcode\n" + "\n".join(NAMES).encode(),
    "binary": b"\x00\x01\x02,\x03\n" * 9,
    "ragged": b"Barcode,class\nA-1,x\n"
    + b"\n".join(f"{n},a,b".encode() for n in NAMES[:1])
    + b"\n"
    + b"\n".join(f"{n},a".encode() for n in NAMES[1:]),
    "short row": b"Barcode,class,note\n"
    + b"\n".join(f"{n},a,b".encode() for n in NAMES)
    + b"\nlast,b\n",
    "other section": b"Barcode,class\n" + b"\n".join(b"spot%d,a" % i for i in range(9)),
    "not gzip": b"no gzip at all",
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("reader", [bring_in_categories, bring_in_scores, bring_in_proportions])
def test_broken_tables(tmp_path: Path, kind: str, reader) -> None:
    path = tmp_path / ("t.csv.gz" if kind == "not gzip" else "t.csv")
    path.write_bytes(BROKEN[kind])
    with pytest.raises(StmlError) as caught:
        reader(path, NAMES)
    assert "t.csv" in caught.value.where
    assert path.read_bytes() == BROKEN[kind]


def test_the_ragged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(BROKEN["ragged"])
    with pytest.raises(CannotOpenError, match="Line 3 has 3 cells"):
        bring_in_categories(tmp_path / "t.csv", NAMES)
    with pytest.raises(CannotOpenError, match="no such file"):
        bring_in_categories(tmp_path / "absent.csv", NAMES)


GENES = ["CD3E", "EPCAM", "Actb", "MS4A1", "HLA-A", "HLA.A"]


def test_gene_lists_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# markers\nCD3E\nepcam, ACTB\nXYZ1\nCD3E\n")
    found = bring_in_genes(tmp_path / "list.txt", GENES)
    assert found.lists == {"list": ("CD3E", "EPCAM", "Actb")}
    assert found.unknown == {"list": ("XYZ1",)}
    assert "3 of 4 genes" in found.text()
    assert "epcam was taken as EPCAM" in found.text()
    (tmp_path / "list.csv").write_text("rank,gene,p\n1,CD3E,0.1\n2,MS4A1,0.2\n")
    assert bring_in_genes(tmp_path / "list.csv", GENES).lists == {"gene": ("CD3E", "MS4A1")}
    (tmp_path / "sets.gmt").write_text("A\thttp://x\tCD3E\tEPCAM\nB\t\tMS4A1\tNO\n")
    sets = bring_in_genes(tmp_path / "sets.gmt", GENES)
    assert sets.lists == {"A": ("CD3E", "EPCAM"), "B": ("MS4A1",)}
    (tmp_path / "ids.txt").write_text("ENSG00000198851.12\n")
    by_id = bring_in_genes(tmp_path / "ids.txt", GENES, ids={"ENSG00000198851": "CD3E"})
    assert by_id.lists == {"ids": ("CD3E",)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.gmt", "A\thttp://x\n", "not a gene set"),
        ("a.gmt", "A\tx\tCD3E\nA\tx\tCD3E\n", "twice"),
        ("a.txt", "", "empty"),
        ("a.txt", "XX\nYY\n", "No gene"),
        ("a.txt", "a\0b", "text file"),
    ],
)
def test_broken_gene_lists(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CannotOpenError, match=message):
        bring_in_genes(tmp_path / name, GENES)


def test_real_gene_sets_and_published_scores(real_data: Path) -> None:
    table = pd.read_csv(real_data / "her2st" / "C2" / "spots.csv", index_col=0)
    names = table.index.to_numpy(dtype=object)
    found = bring_in_categories(real_data / "her2st" / "C2" / "spots.csv", names)
    assert found.report.complete
    assert "label_transferred" in found.values
    scores = real_data / "dlpfc_151507_gsmap" / "spots_gsmap_height.csv"
    barcodes = pd.read_csv(scores)["barcode"].to_numpy(dtype=object)
    brought = bring_in_scores(scores, barcodes, columns=["gsmap_height_neglog10p"])
    assert brought.report.matched == 4221
    layers = bring_in_categories(scores, barcodes, columns=["layer"])
    assert 6 <= layers.values["layer"].nunique() <= 8
    sets = bring_in_genes(real_data / "hallmark.gmt", ["TP53", "MYC", "CDK4", "VEGFA"])
    assert len(sets.lists) == 50

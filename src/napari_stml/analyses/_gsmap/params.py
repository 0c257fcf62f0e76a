"""What a trait map asks: the trait, the reference, and how scores are made."""

from __future__ import annotations

from typing import Literal

from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.params import LiveParams, param


class TraitMapParams(FromTable):
    sumstats: str = param(
        title="GWAS", source="file",
        help="Summary statistics: formatted ones (SNP, Z, N) or any with the usual headers, which "
        "are then formatted; or a .yaml list of several: one line TRAIT: FILE each.",
    )  # fmt: skip
    reference: Literal["resource", "panel"] = param(
        "resource", title="LD from",
        help="resource: gsMap's directory, quick mode; panel: PLINK files of your own population, "
        "from which LD is computed.",
    )  # fmt: skip
    resource: str = param(
        "", title="Resource directory", source="folder", when={"reference": "resource"},
        help="gsMap_resource as gsMap's authors give it, or one built from a panel.",
    )  # fmt: skip
    panel: str = param(
        "", title="Panel", source="file", when={"reference": "panel"},
        help="One of the PLINK files, or what their names begin with: <this>.1.bed, <this>.2.bed, "
        "...",
    )  # fmt: skip
    keep_snps: str = param(
        "", title="SNPs to keep", source="file", when={"reference": "panel"},
        help="One of the lists of HapMap3 SNPs, or what their names begin with: <this>.1.snp, ... "
        "Empty keeps all.",
    )  # fmt: skip
    gtf: str = param(
        "", title="Gene annotation", source="file", when={"reference": "panel"},
        help="GTF of the panel's genome build.",
    )  # fmt: skip
    annotation: str = param(
        "", title="Annotation", source="category",
        help="Domains, layers or clusters. Microdomains stay within them, and each gets a p of its "
        "own. May be left out.",
    )  # fmt: skip
    embedding: str = param(
        "", title="Likeness by", source="obsm",
        help="Spots of a microdomain are alike in this embedding. Empty trains gsMap's graph "
        "network on the expression.",
    )  # fmt: skip
    homologs: str = param(
        "", title="Homologs", source="file",
        help="For mouse or macaque: two columns, the species' gene and the human gene.",
    )  # fmt: skip
    regions: bool = param(
        False, title="Drawn regions", help="Also combine the p-values of each class drawn."
    )
    within_regions: bool = param(
        False, title="They are the domains", when={"annotation": False, "regions": True},
        help="The drawn classes serve as the annotation, what lies in none as one more label: "
        "microdomains stay within them.",
    )  # fmt: skip
    adjust_for: tuple[str, ...] = param(
        (), title="Adjust for", when={"annotation": True},
        help="Labels whose mean specificity enters the baseline: what is left is beyond them.",
    )  # fmt: skip
    least_spots: int = param(
        30, title="Smallest label", unit="spots", ge=1, le=10_000, rare=True,
        when={"annotation": True},
        help="Spots of rarer labels are not tested, as in gsMap.",
    )  # fmt: skip
    alike: int = param(
        21, title="Spots of a microdomain", unit="spots", ge=2, le=200, rare=True,
        help="The spot itself and those most like it (51 for large sections).",
    )  # fmt: skip
    near: int = param(
        101, title="Chosen among the nearest", unit="spots", ge=2, le=2000, rare=True,
        help="Only so many spots around are compared (201 for large sections).",
    )  # fmt: skip
    exact: bool = param(
        True, title="Round as gsMap", rare=True,
        help="Specificity in half precision, bit for bit as gsMap 1.73.8. Off: single precision, "
        "faster; values differ by less than 1 %.",
    )  # fmt: skip
    residuals: bool = param(
        False, title="Pearson residuals", rare=True,
        help="Rank genes by analytic Pearson residuals of the counts.",
    )  # fmt: skip
    fraction: bool = param(
        True, title="Only where more spots have it", rare=True,
        help="A gene counts in a microdomain only if more of its spots express it than of all.",
    )  # fmt: skip
    slice_mean: str = param(
        "", title="Mean over sections", source="file", rare=True,
        help="Parquet of gsmap create-slice-mean: makes sections comparable.",
    )  # fmt: skip
    window: int = param(
        50_000, title="Window about a gene", unit="bp", ge=0, le=2_000_000, rare=True,
        when={"reference": "panel"}, help="SNPs in it belong to the gene.",
    )  # fmt: skip
    enhancers: str = param(
        "", title="Enhancers", source="file", rare=True, when={"reference": "panel"},
        help="BED with chromosome, start, end and gene.",
    )  # fmt: skip
    priority: Literal["gene_window_first", "enhancer_first", "enhancer_only"] = param(
        "enhancer_only", title="Window or enhancer", rare=True, when={"enhancers": True},
        help="Which decides where both name a gene.",
    )  # fmt: skip
    blocks: int = param(
        200, title="Jackknife blocks", ge=10, le=1000, rare=True,
        help="Contiguous groups of SNPs; fewer for few SNPs.",
    )  # fmt: skip
    chisq_max: float = param(
        0.0, title="Largest chi-square", ge=0, rare=True,
        help="SNPs from here on are left out. 0 takes 80, or a thousandth of N where that is more.",
    )  # fmt: skip
    people: int = param(
        0, title="People (N)", ge=0, rare=True,
        help="Of the GWAS, where its file does not say. 0 takes the file's column.",
    )  # fmt: skip
    columns: tuple[tuple[str, str], ...] = param(
        (), title="Columns of the GWAS", rare=True,
        help="Where headers are unusual: one line WHAT: COLUMN each; WHAT is snp, a1, a2, p, beta, "
        "se, OR, z, n, frq, info, chr or pos.",
    )  # fmt: skip
    dbsnp: str = param(
        "", title="dbSNP", source="file", rare=True,
        help="Table or VCF that gives rs numbers to positions, of the GWAS's genome build.",
    )  # fmt: skip
    top_genes: int = param(
        50, title="Genes kept", unit="genes", ge=0, le=500, rare=True,
        help="Specificity maps of so many top genes are kept with the Run.",
    )  # fmt: skip


class TraitLiveParams(LiveParams):
    rule: Literal["nominal", "Bonferroni", "FDR"] = param(
        "Bonferroni", title="Significant by",
        help="nominal: p as it is; Bonferroni: level / number of spots; FDR: Benjamini-Hochberg.",
    )  # fmt: skip
    level: float = param(
        0.05, title="Level", help="Spots below it count as significant.", ge=0.000005, le=0.5,
        log=True,
    )  # fmt: skip
    show: Literal["significance", "-log10 p", "z", "specificity of a gene"] = param(
        "significance", title="Show", help="What the spots are coloured by."
    )
    trait: str = param(
        "", title="Trait", help="Which of the Run's traits.", source="part_column",
        holds="*_neg_log10_p",
    )  # fmt: skip
    gene: str = param(
        "", title="Gene", help="One of the top genes.", source="part_column", holds="specificity",
        when={"show": "specificity of a gene"},
    )  # fmt: skip

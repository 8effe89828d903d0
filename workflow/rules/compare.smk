from ablation.compare.folders import pair_digest


# Two finished studies side by side: snakemake --cores 1 results/compare/FIRST-vs-SECOND/report.html
# Whatever study is configured: both names are folders under results/. Their files are no inputs, or a comparison
# with the configured study could launch its servers; their digest is a parameter instead.
rule compare:
    output:
        html=report(
            "results/compare/{pair}/report.html",
            category="Comparison of studies",
            caption="../report/compare.rst",
            labels={"figure": "{pair}", "format": "html"},
        ),
        markdown="results/compare/{pair}/report.md",
        parquet="results/compare/{pair}/comparison.parquet",
    log:
        "logs/compare/{pair}.log",
    wildcard_constraints:
        pair="[^/]+-vs-[^/]+",
    conda:
        "../../envs/analysis.yaml"
    params:
        read=lambda wildcards: pair_digest(wildcards.pair, Path("results")),
    script:
        "../scripts/compare.py"

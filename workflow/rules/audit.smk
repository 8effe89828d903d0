from ablation.audit.places import TABLE, source_of, table_of, targets_of


# A published table, from the table alone: no study, no server, whatever study is configured.
#   snakemake --cores 1 results/audit/NAME/audit.html              of config/published/NAME.csv
#   snakemake --cores 1 audit --config audit=path/to/table.csv     of any file, into results/audit/table/
rule audit_table:
    input:
        table=lambda wildcards: table_of(wildcards.table, AUDITED),
    output:
        html=report(
            "results/audit/{table}/audit.html",
            category="Audit of a published table",
            caption="../report/audit.rst",
            labels={"figure": "{table}", "format": "html"},
        ),
        markdown="results/audit/{table}/audit.md",
    log:
        "logs/audit/{table}.log",
    wildcard_constraints:
        table=TABLE,
    conda:
        "../../envs/analysis.yaml"
    params:
        source=lambda wildcards: source_of(wildcards.table, AUDITED),
    script:
        "../scripts/audit.py"


rule audit:
    input:
        targets_of(AUDITED),

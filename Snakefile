# Does kernel A make this model faster than kernel B, and is the difference real?
#
#   preflight -> model -> sitting -> session -> run -> aggregate -> statistics -> figures -> report, and the plan beside them
#
# Targets: report (default), figures, statistics, plan, measure, probe. One stage has one rule file and one script of its name.
# Paths, under results/{study}/:
#   plan.json                                                      what will be launched, in which order
#   store/{run_hash}/                                              raw records: measured once, never deleted
#   sittings/{model}/block-{block}.json                            one execution of a block: what was measured together
#   sessions/{model}/{arm}/block-{block}.json                      evidence of a server launch
#   runs/{model}/{arm}/block-{block}/concurrency-{level}.parquet   one row a request
#   probes/{model}/{arm}.json                                      what happened when an impossible arm was tried
#   aggregate/ statistics/ figures/ report/                        derived from the runs
# And results/compare/{study}-vs-{study}/report.html, of any two finished studies, whatever study is configured.
# And results/audit/{table}/audit.html, of the published table config/published/{table}.csv: no study, no server (target: audit).
from snakemake.utils import min_version

min_version("9.14")


include: "workflow/rules/study.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/sitting.smk"
include: "workflow/rules/session.smk"
include: "workflow/rules/run.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/decide.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/accuracy.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/outcome.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/audit.smk"


report: "workflow/report/workflow.rst"


rule report:
    default_target: True
    input:
        "<results>/report/report.html",
        "<results>/report/report.md",
        "<results>/report/tidy.parquet",
        "<results>/report/tidy.csv",
        expand("<results>/figures/{figure}.png", figure=FIGURES),
        "<results>/report/complete",

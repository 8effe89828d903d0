# Tries an arm, one that the catalogue calls impossible above all: how far does its server come, and why no further?
# A server that fails is a result. A probe is never data: no run, no aggregate and no comparison reads it.
rule probe_arm:
    input:
        preflight="<results>/preflight.json",
        model=SCHEDULE.probe_model_files,
    output:
        record="<results>/probes/{model}/{arm}.json",
        text="<results>/probes/{model}/{arm}.txt",
    log:
        "<logs>/probe/{model}/{arm}.log",
    wildcard_constraints:
        # Any: the ones that cannot be scheduled are meant. What the study lacks is refused by name.
        model="[^/]+",
        arm="[^/]+",
    conda:
        "../../envs/analysis.yaml"
    threads: workflow.resource_settings.cores or 1
    resources:
        host=1,
    params:
        probe_hash=SCHEDULE.probe_hash,
    script:
        "../scripts/probe.py"


# Has no output, so that asking for it always prints.
rule probe:
    input:
        SCHEDULE.probe_texts(),
    log:
        "<logs>/print_probes.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        head=SCHEDULE.probe_head(),
    shell:
        "printf '%s\\n\\n' {params.head:q} | cat - {input} | tee {log}"

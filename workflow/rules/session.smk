# One server's life: launch, prove the treatment, drive every level that the store lacks, end.
rule session:
    input:
        # Never ancient(): when the job behind an ancient input has to run, Snakemake no longer looks whether
        # anything downstream has changed. A session that runs again measures only what the store lacks.
        preflight=SCHEDULE.preflight_files,
        model=SCHEDULE.model_files,
    output:
        "<results>/sessions/{model}/{arm}/block-{block}.json",
    log:
        "<logs>/session/{model}/{arm}/block-{block}.log",
    priority: SCHEDULE.priority
    conda:
        "../../envs/analysis.yaml"
    # All cores, so that no other job disturbs the measurement.
    threads: workflow.resource_settings.cores or 1
    resources:
        host=1,
    params:
        run_hashes=SCHEDULE.run_hashes,
        # Read from the servers' logs again when it changes: nothing is measured.
        proof=SCHEDULE.proof,
    script:
        "../scripts/session.py"


# Matches every session and run that cannot be, only to say why.
rule refused:
    input:
        SCHEDULE.refused_input,
    output:
        "<results>/{path}",
    log:
        "<logs>/refused/{path}.log",
    wildcard_constraints:
        path=SCHEDULE.refused_pattern(),
    conda:
        "../../envs/analysis.yaml"
    shell:
        "exit 1 > {log}"

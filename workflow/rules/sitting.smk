# One execution of a block: every arm of a model launched in the block's order, and what the store lacks of it measured.
rule sitting:
    input:
        # Never ancient(): when the job behind an ancient input has to run, Snakemake no longer looks whether
        # anything downstream has changed. A sitting that runs again measures only what the store lacks.
        preflight=SCHEDULE.preflight_files,
        model=SCHEDULE.model_files,
    output:
        "<results>/sittings/{model}/block-{block}.json",
    log:
        "<logs>/sitting/{model}/block-{block}.log",
    wildcard_constraints:
        model=SCHEDULE.sitting_pattern(),
    priority: SCHEDULE.priority
    conda:
        "../../envs/analysis.yaml"
    # All cores, so that no other job disturbs the measurement.
    threads: workflow.resource_settings.cores or 1
    resources:
        host=1,
    params:
        run_hashes=SCHEDULE.sitting_hashes,
        design=SCHEDULE.sitting_design,
        build=SCHEDULE.build,
        # One more where the last attempt left a failure: the same command tries again what failed, and only that.
        attempt=SCHEDULE.attempt,
    script:
        "../scripts/sitting.py"

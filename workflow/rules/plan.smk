rule write_plan:
    output:
        plan="<results>/plan.json",
        text="<results>/plan.txt",
    log:
        "<logs>/plan.log",
    # Before the first launch: a person wants to see it.
    priority: 1000000
    conda:
        "../../envs/analysis.yaml"
    params:
        config_hash=SCHEDULE.plan.config_hash,
        run_hashes=SCHEDULE.all_run_hashes(),
    script:
        "../scripts/plan.py"


# Has no output, so that asking for it always prints.
rule plan:
    input:
        "<results>/plan.txt",
    log:
        "<logs>/print_plan.log",
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/show_plan.py"

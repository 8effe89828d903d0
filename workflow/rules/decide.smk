# With design.sequential: look at a model's verdicts after so many blocks, and add no more once they are settled.
checkpoint decide:
    input:
        runs=SCHEDULE.runs_of_look,
    output:
        "<results>/decisions/{model}/after-{block}.json",
    log:
        "<logs>/decide/{model}/after-{block}.log",
    wildcard_constraints:
        model=SCHEDULE.looked_at(),
    conda:
        "../../envs/analysis.yaml"
    params:
        design=SCHEDULE.study.design.model_dump(),
        baseline=SCHEDULE.study.factor.baseline,
    script:
        "../scripts/decide.py"


def outcome(model, block):
    return checkpoints.decide.get(model=model, block=block).output[0]


def needed_runs(wildcards):
    return SCHEDULE.run_files(SCHEDULE.blocks_needed(outcome))


def needed_timeline_runs(wildcards):
    return SCHEDULE.timeline_files(SCHEDULE.blocks_needed(outcome))


def needed_sittings(wildcards):
    return SCHEDULE.sitting_files(SCHEDULE.blocks_needed(outcome))


def needed_sessions(wildcards):
    return SCHEDULE.session_files(SCHEDULE.blocks_needed(outcome))

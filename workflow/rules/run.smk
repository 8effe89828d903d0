# From a level's raw record to one row a request, and the verdict of its gates. Needs no server.
rule run:
    input:
        "<results>/sessions/{model}/{arm}/block-{block}.json",
    output:
        "<results>/runs/{model}/{arm}/block-{block}/concurrency-{level}.parquet",
    log:
        "<logs>/run/{model}/{arm}/block-{block}/concurrency-{level}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        run_hash=SCHEDULE.run_hash,
        gates=SCHEDULE.study.gates.model_dump(),
        slo=SCHEDULE.study.slo.model_dump(),
        gpus=SCHEDULE.gpus,
    script:
        "../scripts/run.py"

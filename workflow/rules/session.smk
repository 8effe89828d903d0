# The evidence of one launch of a sitting, from the store: commands, versions, what its log proves. Needs no server.
rule session:
    input:
        "<results>/sittings/{model}/block-{block}.json",
    output:
        "<results>/sessions/{model}/{arm}/block-{block}.json",
    log:
        "<logs>/session/{model}/{arm}/block-{block}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        # Read from the servers' logs again when it changes: nothing is measured.
        proof=SCHEDULE.proof,
    script:
        "../scripts/session.py"


# Matches every sitting, session and run that cannot be, only to say why.
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

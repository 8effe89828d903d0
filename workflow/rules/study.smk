# The study of this invocation: read and validated before any rule is looked at.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The package is used from where it lies, here and in the scripts' own processes.
PACKAGES = str(Path(workflow.basedir) / "workflow")
sys.path.insert(0, PACKAGES)
os.environ.update(PYTHONPATH=PACKAGES)

from ablation.audit.places import given_table
from ablation.errors import UserError
from ablation.plan.schedule import Schedule
from ablation.session.lock import folder_lock
from ablation.study.load import as_written

# A file given with --configfile stands alone when it names a study; otherwise it is laid over the default.
if "study" not in config:

    configfile: f"{workflow.basedir}/config/config.yaml"


# `--config audit=path.csv` names a published table (audit.smk) and is no part of a study.
AUDITED = config.pop("audit", None)

CONFIG_FILES = ", ".join(os.path.relpath(path) for path in workflow.configfiles)

# The files are read again by the workflow's own reader, and scripts get what it read. The workflow's file lies below
# those of the command line.
GIVEN = len(workflow.config_settings.configfiles)
LAYERS = workflow.configfiles[GIVEN:] + workflow.configfiles[:GIVEN]

try:
    AUDITED = given_table(AUDITED)
    WRITTEN = as_written(config, map(Path, LAYERS), workflow.config_settings.config)
    config.clear()
    config.update(WRITTEN)
    SCHEDULE = Schedule.from_config(config, CONFIG_FILES or "the study")
except UserError as error:
    raise WorkflowError(str(error)) from None


pathvars:
    results=str(SCHEDULE.results),
    logs=f"logs/{SCHEDULE.study.study}",


wildcard_constraints:
    model=SCHEDULE.model_pattern(),
    arm=SCHEDULE.arm_pattern(),
    block=SCHEDULE.block_pattern(),
    level=SCHEDULE.level_pattern(),


# Held until this process is gone, however it goes: there is never anything to unlock by hand.
onstart:
    try:
        folder_lock(Path.cwd())
    except UserError as error:
        raise WorkflowError(str(error)) from None

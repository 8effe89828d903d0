"""Print the plan against the store: what is measured, what is left, what will be measured again and why."""

from ablation.job import job
from ablation.plan.schedule import Schedule
from ablation.plan.text import plan_text
from ablation.session.store import Store
from ablation.sitting.choice import Here
from ablation.sitting.measure import here_of
from ablation.sitting.outlook import again_text, outlook

if __name__ == "__main__":
    with job(snakemake) as log:
        schedule = Schedule.from_config(snakemake.config)
        plan = schedule.plan
        store = Store(schedule.results / "store")
        blocks = outlook(
            plan, store, lambda s: Here() if schedule.stored else here_of(plan.study, s)
        )
        left = [launch for block in blocks for launch in block.launches]
        text = plan_text(plan, left, again_text(blocks))
        print(text, file=log)
        print(text, flush=True)

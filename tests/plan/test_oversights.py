"""What a study may say and hardly means is said by its plan."""

from ablation.plan.build import build_plan
from ablation.study.catalogue import Catalogue
from ablation.study.load import load_study
from tests.workflow.conftest import CATALOGUE, STUDY


def test_the_plan_warns_of_arms_that_come_to_the_same():
    arms = {
        name: {**arm, "args": {"slowdown": 1.0}} for name, arm in STUDY["factor"]["arms"].items()
    }
    study = {**STUDY, "factor": {**STUDY["factor"], "arms": arms}}
    catalogue = Catalogue.model_validate(CATALOGUE)
    (found,) = [
        w for w in build_plan(load_study(study, "test"), catalogue).warnings if "same settings" in w
    ]
    assert found.startswith("factor.arms: 'slow' and 'fast'")
    assert not [
        w for w in build_plan(load_study(STUDY, "test"), catalogue).warnings if "same settings" in w
    ]

"""Recipes on the command line: every field is an option, a misspelt one is an error with a suggestion."""

import json
from dataclasses import replace

import pytest

from segmif.checks import InputError
from segmif.train.config import Recipe, StageConfig, from_dict, option_of, plan, to_dict
from segmif.train.options import describe_options, describe_recipes, option_names, override
from segmif.train.recipes import RECIPES, recipe


def test_fields_at_any_depth_are_replaced() -> None:
    chosen = override(
        "joint",
        ["--joint.steps", "7", "--data.root", "/data", "--joint.augment.crop", "64", "--no-interaction",
         "--joint.freeze", "fusion.*", "--data.remap", "1", "2", "3", "4", "--data.sources.0.weight", "2.5",
         "--precision", "fp32", "--data.validation.split", "train", "--model.guide", "visible"],
    )  # fmt: skip
    assert (chosen.joint.steps, chosen.joint.augment.crop, chosen.joint.freeze) == (7, 64, ("fusion.*",))
    assert (chosen.data.root, chosen.data.remap) == ("/data", ((1, 2), (3, 4)))
    assert (chosen.data.sources[0].weight, chosen.interaction, chosen.precision) == (2.5, False, "fp32")
    assert chosen.data.validation is not None
    assert (chosen.data.validation.split, chosen.model.guide) == ("train", "visible")
    assert chosen.first_fusion == recipe("joint").first_fusion


def test_a_preset_replaces_the_model_and_keeps_the_classes() -> None:
    chosen = override("fast", ["--model", "mit_b1", "--model.growth", "8"])
    assert chosen.model.encoder is not None
    assert chosen.model.num_classes == 15
    assert (chosen.model.fusion_channels, chosen.model.growth) == (64, 8)


def test_a_label_set_replaces_the_classes() -> None:
    model = override("finetune", ["--label-set", "mfnet"]).model
    assert model.num_classes == 9
    assert model.label_set is not None
    assert model.label_set.name == "mfnet"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fusion.stpes", "3"], "unknown option '--fusion.stpes': did you mean '--fusion.steps'"),
        (["--fusion.steps", "many"], "--fusion.steps: invalid literal"),
        (["--precision", "bf17"], "invalid choice 'bf17'"),
        (["--fusion.steps"], "Missing value for argument '--fusion.steps'"),
        (["stray"], "Unrecognized options: stray"),
        (["--model", "mit_b9"], "unknown preset 'mit_b9': did you mean"),
        (["--model"], "--model needs a name"),
        (["--label-set", "mfnett"], "unknown label set 'mfnett': did you mean 'mfnet'"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        override("fast", arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_recipe_has_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'joint'"):
        override("joints", [])


def test_help_lists_every_option() -> None:
    text = describe_options("fast")
    assert "--segmentation.augment.night" in text
    assert "--loss.temperature" in text


def test_every_recipe_plans_describes_and_survives_json() -> None:
    described = describe_recipes()
    for name in RECIPES:
        made = recipe(name)
        assert made.name == name
        assert f"  {name} " in described
        assert plan(made)
        assert from_dict(json.loads(json.dumps(to_dict(made)))) == made
        assert override(name, []) == made


def test_reference_has_the_numbers_of_the_authors() -> None:
    reference = recipe("reference")
    phases = plan(reference)
    assert [phase.name for phase in phases[:4]] == ["fusion-1", "segmentation-1", "fusion-2", "segmentation-2"]
    assert len(phases) == 14
    assert [phase.stage.steps for phase in phases[:4]] == [6000, 10000, 4000, 10000]
    assert phases[13].schedule_offset == 60000
    assert (phases[2].stage.augment.crop, phases[3].stage.augment.crop, phases[2].stage.batch) == (320, 480, 2)
    assert (reference.loss.segmentation, reference.loss.round_factor, reference.loss.temperature) == (0.8, 0.4, 1000.0)


def test_a_judged_fusion_stage_may_come_after_everything() -> None:
    stage = StageConfig(steps=2)
    made = replace(recipe("smoke"), last_fusion=stage)
    phases = plan(made)
    last = [(phase.name, option_of(phase)) for phase in phases[-2:]]
    assert last == [("joint-3", "joint"), ("fusion-4", "last-fusion")]
    assert [option_of(phase) for phase in phases[:3]] == ["first-fusion", "segmentation", "fusion"]


def test_no_recipe_trains_on_a_test_set() -> None:
    for name in RECIPES:
        for source in recipe(name).data.sources:
            assert source.dataset not in ("msrs", "tno")
            assert not source.split.startswith("test")


def test_recipe_without_steps_says_so() -> None:
    with pytest.raises(InputError, match="has nothing to do"):
        plan(Recipe(name="empty", model=recipe("fast").model))


def test_option_names_reach_into_tuples() -> None:
    names = option_names(recipe("joint"))
    assert {"data.sources.1.weight", "joint.augment.crop", "first-fusion.head-factor"} <= names


@pytest.mark.parametrize(
    ("change", "message"),
    [({"sede": 1}, "unknown field of recipe 'sede': did you mean 'seed'"), ({"name": None}, "is incomplete")],
)
def test_recipe_files_with_mistakes(change: dict[str, object], message: str) -> None:
    values = {**to_dict(recipe("fast")), **change}
    if change.get("name", 1) is None:
        del values["name"]
    with pytest.raises(InputError, match=message):
        from_dict(values)

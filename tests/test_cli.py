import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import snnpd
from snnpd.cli import COMMANDS, main
from snnpd.cli import recipes as shelf
from snnpd.cli.options import make_parser, parse_train
from snnpd.cli.words import OPTIONS
from snnpd.datasets.table import DATASETS
from snnpd.models.table import MODELS
from snnpd.training.config import Config, flatten, to_yaml


def test_the_commands_and_options_are_frozen() -> None:
    assert list(COMMANDS) == [
        "train",
        "evaluate",
        "report",
        "compare",
        "models",
        "datasets",
        "recipes",
        "doctor",
    ]
    assert set(OPTIONS) == {*flatten(Config()), "help", "recipe", "resume", "print_config"}
    known = {option.removeprefix("--") for option in make_parser()._option_string_actions}
    assert set(OPTIONS) <= known


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["models", "x"], "snnpd models takes no options, got 'x'"),
        (["doctor", "--x"], "snnpd doctor takes no options, got '--x'"),
        (["evaluate"], "the following arguments are required: run"),
        (["evaluate", "nowhere"], "nowhere: no config.yaml in it"),
        (["report"], "the following arguments are required: target"),
        (["report", "nowhere"], "unknown run or network 'nowhere'"),
        (["report", "spikingformer_tyni"], "spikingformer_tiny"),
        (["report", "spikingformer_tiny", "--costs", "horowitz"], "horowitz45"),
        (
            ["report", "spikingformer_tiny", "--samples", "0"],
            "--samples 0; give a whole number from 1 upwards",
        ),
        (["report", "."], "no config.yaml in it"),
        (["train", "--recipe", "digits-bas"], "unknown recipe 'digits-bas'; did you mean 'digits-bsa'"),
        (["train", "--recipe", "no/such.yaml"], "recipe no/such.yaml: no such file"),
        (["train", "--recipe"], "--recipe stands without a value"),
        (["train", "--epoch", "3"], "unknown option '--epoch'; did you mean '--epochs'"),
        (["train", "--optim.lrr", "3"], "unknown option '--optim.lrr'; did you mean '--optim.lr'"),
        (["train", "--options", "{}"], "unknown option '--options'; did you mean"),
        (["train", "stray"], "stray word 'stray'"),
        (["train", "--seed", "1", "2"], "stray word '2'"),
        (["train", "--seed", "x"], "seed is 'x'; give a whole number"),
        (["train", "--threads", "x"], "runtime.threads is 'x'; give a whole number"),
        (["train", "--lr", "fast"], "optim.lr is 'fast'; give a number"),
        (["train", "--loss", "tt"], "unknown optim.loss 'tt'; did you mean 'tet'?"),
        (["train", "--encoding", "rat"], "unknown encoding 'rat'; did you mean 'rate'?"),
        (["train", "--time-steps", "0"], "time_steps is 0; give a whole number from 1 upwards"),
        (["train", "--time_steps"], "time_steps"),
        (["train", "--resume"], "no run 'digits-bsa-seed0' in"),
        (["train", "--resume", "nowhere"], "--resume nowhere: no config.yaml in it"),
        (["train", "--model", "spikingformer_tny"], "unknown model 'spikingformer_tny'; did you mean"),
        (["train", "--attention", "bas"], "attention 'bas'; did you mean 'bsa'"),
        (["train", "--neuron", "lfi"], "unknown neuron 'lfi'; did you mean 'lif'"),
        (["train", "--model.options.depht", "3"], "unknown option 'depht'; did you mean 'depth'"),
        (["train", "--model.options", "{num_heads: 3}"], "not divisible by 3 heads"),
        (
            ["train", "--model.options.pools", "[true, true, true, true]"],
            "not divisible into patches of 16 x 16",
        ),
        (["train", "--data", "digit"], "unknown data set 'digit'; did you mean 'digits'"),
        (["train", "--data.options.augmen", "true"], "unknown option 'augmen'; did you mean 'augment'"),
        (["train", "--data", "idx", "--root", "nowhere"], "nowhere"),
        (["train", "--recipe", "digits-softmax", "--neuron", "lif"], "unknown option 'neuron'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capfd.readouterr().err.strip()
    assert told.startswith("snnpd: error: ")
    assert message in told
    assert "\n" not in told
    assert not list(tmp_path.iterdir())  # no folder for a run that cannot begin


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("optim: {epoch: 3}", "unknown setting 'optim.epoch'; did you mean 'optim.epochs'"),
        ("sed: 3", "unknown setting 'sed'; did you mean 'seed'"),
        ("- 3", "holds no settings"),
        ("a: [", "is no YAML"),
        ("seed: x", "seed is 'x'; give a whole number"),
        ("model: vit", "model"),
    ],
)
def test_bad_recipes_are_one_line(
    content: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    assert main(["train", "--recipe", str(path)]) == 2
    told = capfd.readouterr().err.strip()
    assert message in told
    assert "\n" not in told


def recipe(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "seed: 5\nmodel: {attention: ssa, options: {depth: 1, dim: 16}}\noptim: {epochs: 7, lr: 2e-3}\n"
    )
    return str(path)


@pytest.mark.parametrize("recipe_first", [True, False])
def test_the_command_line_overrides_the_recipe(tmp_path: Path, recipe_first: bool) -> None:
    options = ["--attention", "bsa", "--optim.epochs=3", "--batch-size", "4", "--model.options.depth", "2"]
    named = ["--recipe", recipe(tmp_path)]
    config = parse_train([*named, *options] if recipe_first else [*options, *named]).config
    assert (config.seed, config.optim.lr, config.optim.epochs, config.optim.batch_size) == (5, 0.002, 3, 4)
    assert (config.model.attention, config.model.options) == ("bsa", {"depth": 2, "dim": 16})
    assert config.name == "mine-seed5"


def test_no_option_at_all_is_the_default_recipe() -> None:
    request = parse_train([])
    assert (request.recipe, request.config.model.attention) == ("digits-bsa", "bsa")


def test_short_names_and_whole_ones_are_the_same() -> None:
    short = "--devices 2 --strategy ddp --model vit_tiny_twin --dataset mnist --lr 1e-4 --name x --precision bf16-mixed"
    whole = (
        "--runtime.devices 2 --runtime.strategy ddp --model.name vit_tiny_twin --data.name mnist --optim.lr 0.0001 "
        "--name x --runtime.precision bf16-mixed"
    )
    assert parse_train(short.split()) == parse_train(whole.split())


def test_print_config_round_trip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--recipe", recipe(tmp_path), "--ema_decay", "0.5", "--threads", "2"]
    assert main(["train", *words, "--print_config"]) == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    again = parse_train(["--recipe", str(printed)]).config
    assert replace(again, name="mine-seed5") == parse_train(words).config
    printed.write_text(to_yaml(again))
    assert parse_train(["--recipe", str(printed)]).config == again


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["train", "--help"], ["evaluate", "-h"], ["report", "-h"], ["recipes", "-h"]]
)
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "usage: snnpd" in capsys.readouterr().out


def test_the_help_of_train_documents_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name in flatten(Config()):
        assert f"--{name} " in text
    assert "Passes over the train part." in text


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("models", [*MODELS, "bsa", "softmax", "ternary_lif"]),
        ("datasets", list(DATASETS)),
        ("recipes", ["digits-bsa", "digits-softmax"]),
        (
            "doctor",
            ["torch", "spikingjelly", "neuron ternary_lif", "TernaryLIF: cpu", "CUDA kernels", "ready"],
        ),
    ],
)
def test_listings(command: str, names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in names)
    assert "partial" not in told


@pytest.mark.parametrize("name", shelf.list_recipes())
def test_every_recipe_is_in_order(name: str) -> None:
    config = parse_train(["--recipe", name]).config
    assert config.name == f"{name}-seed0"
    assert config.model.name in snnpd.list_models()
    assert config.data.name in snnpd.list_datasets()


def test_shipped_results_name_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, result in shelf.shipped_results().items():
        assert name in shelf.list_recipes()
        assert len(result["seeds"]) == len(result["test_accuracy"])
        assert (result.get("twin") or name) in shelf.list_recipes()
    shipped: dict[str, Any] = {
        "digits-bsa": {"seeds": [0], "test_accuracy": [0.98], "twin": "digits-softmax"},
        "digits-softmax": {"seeds": [0, 1], "test_accuracy": [0.97, 0.99]},
    }
    (tmp_path / "results.json").write_text(json.dumps(shipped))
    monkeypatch.setattr(shelf, "RESULTS", tmp_path / "results.json")
    config = parse_train(["--recipe", "digits-bsa"]).config
    run = {"recipe": "digits-bsa", "data": "digits", "model": asdict(config.model)}
    assert shelf.twin_figure(run) == ("digits-softmax", pytest.approx(0.98), 2)
    model = run["model"] | {"options": config.model.options | {"dim": 32}}
    for other in ({"recipe": "digits-softmax"}, {"recipe": "mine"}, {"data": "mnist"}, {"model": model}):
        assert shelf.twin_figure(run | other) is None

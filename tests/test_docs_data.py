"""What docs/data.md shows works: its Python runs, its recipe's augmentations exist."""

import re
from pathlib import Path

import pytest
import yaml

from snnpd.datasets.augmentation.table import AUGMENTATIONS, OFFERED, choose_augmentations
from snnpd.datasets.representations.slicing import SLICINGS
from snnpd.datasets.representations.table import REPRESENTATIONS

TEXT = (Path(__file__).parents[1] / "docs/data.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    (code,) = blocks("python")
    exec(compile(code, "docs/data.md", "exec"), names)
    assert names["frames"].shape == (10, 2, 48, 64)
    assert names["frames"].sum() == 1000
    assert names["voxels"].shape == (10, 1, 48, 64)
    assert names["tokens"].features.shape == (256, 3)


def test_the_recipe_is_right() -> None:
    (text,) = blocks("yaml")
    chosen = choose_augmentations(yaml.safe_load(text)["data"]["options"]["augment"], "events")
    assert len(chosen.events) == 2


@pytest.mark.parametrize(
    "table", [AUGMENTATIONS, REPRESENTATIONS, SLICINGS], ids=["augmentations", "forms", "slicings"]
)
def test_every_name_is_told(table: dict) -> None:
    assert set(table) <= set(re.findall(r"`([a-z_0-9]+)`", TEXT))


def test_augmentations_stand_with_their_kind() -> None:
    found = dict(re.findall(r"Of ([a-z ]+): (.*?)\.(?: |\n)", TEXT.replace("\n`", " `")))
    assert set(re.findall(r"`(\w+)`", found["events"])) == set(OFFERED["tokens"])

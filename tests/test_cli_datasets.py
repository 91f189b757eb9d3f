"""`snnpd datasets`, and `snnpd datasets inspect`."""

import gzip
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from matplotlib.image import imread

import snnpd
from snnpd.cli import main
from snnpd.datasets.facts import FACTS


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_list_tells_of_every_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["datasets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, facts in FACTS.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert all(value in line for value in facts[1:])


@pytest.mark.parametrize("width", ["40", "80"])
def test_names_are_whole_in_a_narrow_terminal(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert main(["datasets"]) == 0
    assert set(FACTS) <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["digits"], ["digits: image, 10 classes", "1293", "144", "360", "1 × 8 × 8", "digits.png"]),
        (["event_digits"], ["6 × 2 × 20 × 20", "not zero, by step", "event_digits.png"]),
        (["basic_motions", "--samples", "3"], ["100 × 6", "3 samples of the train part"]),
        (["japanese_vowels"], ["tokens × 12", "9 classes"]),
        # One-hot tokens, which nothing standardises.
        (
            ["listops", "--set", "num_train=200", "num_test=60", "max_length=40", "min_length=10"],
            ["× 15", "listops.png"],
        ),
        (
            ["digits", "--set", "val_fraction=0", "augment=false", "--out", "it.png"],
            ["1437", "it.png"],
        ),
    ],
)
def test_inspect(words: list[str], told: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "inspect", *words]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in told), out
    (png,) = Path().rglob("*.png")
    assert imread(png).std() > 0.05


def test_statistics_are_those_of_the_samples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "inspect", "digits", "--set", "val_fraction=0"]) == 0
    rows = dict(
        line.strip().split("  ", 1) for line in capsys.readouterr().out.splitlines() if "  " in line.strip()
    )
    # Standardised with the train part's statistics: the test part is near them.
    mean, deviation = (float(word) for word in rows["mean, deviation"].split(","))
    assert abs(mean) < 0.2
    assert abs(deviation - 1) < 0.2
    assert rows["samples looked at"].strip() == "360"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["look"], "unknown word 'look'"),
        (["inspect", "digitz"], "unknown data set 'digitz'; did you mean 'digits'"),
        (["inspect", "digits", "--set", "augment"], "--set 'augment'; write OPTION=VALUE"),
        (["inspect", "digits", "--set", "augmnt=1"], "unknown option 'augmnt'; did you mean 'augment'"),
        (["inspect", "digits", "--set", "augment=[1"], "--set 'augment=[1'"),
        (["inspect", "digits", "--samples", "0"], "--samples is 0"),
        (["inspect", "digits", "--samples", "65"], "--samples is 65; give 1 to 64"),
        (["inspect", "digits", "--set", "a=1", "a.b=2"], "--set 'a.b=2': 'a' has a value already"),
        (["inspect", "digits", "--out", "it.jpg"], "--out is it.jpg; give a file that ends in .png"),
        (["inspect", "digits", "--out", "no/it.png"], "in a folder that is there"),
        (["inspect", "event_digits", "--set", "sensor=0"], "sensor is 0"),
        (["inspect", "event_digits", "--set", "sensor=40000"], "sensor is 40000"),
        (["inspect", "event_digits", "--set", "threshold=[1]"], "option 'threshold' is [1]; give a number"),
        (["inspect", "mnist", "--root", "~nobody-of-that-name/x"], "cannot be a folder"),
        (["inspect", "mnist", "--root", "x" * 300], "cannot be a folder"),
        (["inspect", "nmnist", "--root", "nowhere"], "nowhere"),
    ],
)
def test_requests_that_cannot_be_met(
    words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["datasets", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert error in told
    assert "\n" not in told
    assert not list(Path().rglob("*.png"))


def test_options_of_a_set_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "inspect", "event_digits", "--help"]) == 0
    told = capsys.readouterr().out
    assert "Source:" in told
    assert "  time_steps = 6\n" in told


def test_dotted_options_and_numbers_without_a_point(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["images=digits", "num=60", "sensor=12", "val_fraction=0", "cache=false", "camera.threshold=3e-1"]
    assert main(["datasets", "inspect", "event_images", "--set", *words]) == 0
    told = capsys.readouterr().out
    assert "6 × 2 × 12 × 12" in told


def test_a_reader_that_has_enough_is_no_error() -> None:
    command = f"{sys.executable} -m snnpd datasets | head -1; echo ${{PIPESTATUS[0]}}"
    env = os.environ | {"PYTHONPATH": str(Path(snnpd.__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
    found = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=True)
    assert found.stderr == ""
    assert found.stdout.splitlines()[0].startswith("data sets")


def test_unpack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile("good.zip", "w") as archive:
        archive.writestr("Train/0/1.bin", b"events")
    with tarfile.open("good.tar.gz", "w:gz") as archive:
        archive.add("good.zip")
    Path("one.h5.gz").write_bytes(gzip.compress(b"spikes"))
    for words in (["good.zip", "a"], ["good.tar.gz", "b"], ["one.h5.gz", "one.h5"]):
        assert main(["datasets", "unpack", *words]) == 0
    assert Path("a/Train/0/1.bin").read_bytes() == b"events"
    assert Path("b/good.zip").read_bytes() == Path("good.zip").read_bytes()
    assert Path("one.h5").read_bytes() == b"spikes"
    with zipfile.ZipFile("bad.zip", "w") as archive:
        archive.writestr("fine", b"")
        archive.writestr("../outside", b"")
    for words, error in (
        (["bad.zip", "c"], "bad.zip"),
        (["good.zip", "a"], "is there already"),
        (["one.h5", "c"], "not a .zip"),
        (["none.zip", "c"], "none.zip"),
        (["good.zip"], "give an archive and the folder"),
    ):
        capsys.readouterr()
        assert main(["datasets", "unpack", *words]) == 2
        assert error in capsys.readouterr().err
    assert not Path("c").exists()
    assert not (tmp_path.parent / "outside").exists()

"""What each set makes of files in its layout: classes, official and fixed splits, who is on which side, samples."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from snnpd.datasets.carve_groups import carve_groups
from snnpd.datasets.clips import Clip
from snnpd.datasets.events import EVENT_DTYPE, Sensor
from snnpd.datasets.loading import collate
from snnpd.datasets.neuromorphic.asl_dvs import asl_dvs
from snnpd.datasets.neuromorphic.cifar10_dvs import NUM_PER_CLASS, TEST_NUMBERS, cifar10_dvs
from snnpd.datasets.neuromorphic.cochlea import shd
from snnpd.datasets.neuromorphic.decode import Decoder
from snnpd.datasets.neuromorphic.dvs_gesture import CLASS_NAMES, dvs_gesture, labelled_cuts
from snnpd.datasets.neuromorphic.folders import fixed_test, natural
from snnpd.datasets.neuromorphic.ncaltech101 import ncaltech101
from snnpd.datasets.neuromorphic.nmnist import nmnist
from snnpd.datasets.neuromorphic.spike_bins import COCHLEA, ChannelBins
from snnpd.errors import UsageError
from tests.datasets.neuromorphic import generate
from tests.datasets.readers.files import bin40_bytes

PLAIN: dict[str, Any] = {"cache": False, "augment": False}


def clips(part: Any) -> list[Clip]:
    return [part.recordings.clips[number] for number in part.numbers]


def test_nmnist(tmp_path: Path) -> None:
    splits = nmnist(root=str(generate.write_nmnist(tmp_path, 2, 1)), partial=True, val_fraction=0, **PLAIN)
    for part, folder, labels in (
        (splits.train, "Train", np.repeat(range(10), 2)),
        (splits.test, "Test", np.arange(10)),
    ):
        assert part.labels.tolist() == labels.tolist()
        assert all(clip.path.parts[-3:-1] == (folder, str(clip.label)) for clip in clips(part))
    x, _ = splits.train[0]
    assert x.shape == (10, 2, 34, 34)
    # log(1 + count) before the scale: every event is in one of the frames.
    assert splits.train.standard.undo(x).expm1().sum() == pytest.approx(300, abs=0.01)


def test_the_split_of_cifar10_dvs_is_the_fields() -> None:
    in_text_order = sorted(f"cifar10_cat_{number}.npz" for number in range(NUM_PER_CLASS))
    last = {int(name[12:-4]) for name in in_text_order[900:]}
    assert {"last": last, "first": set(range(100))} == TEST_NUMBERS
    assert len(last) == 100


def test_cifar10_dvs_reads_both_layouts_alike(tmp_path: Path) -> None:
    numbers = [5, 17, 91, 908, 909]
    made = []
    for suffix in (".aedat", ".aedat4"):
        root = generate.write_cifar10_dvs(tmp_path / suffix, numbers, suffix)
        options = {"partial": True, "val_fraction": 0, "time_steps": 2, "size": 32}
        made.append(cifar10_dvs(root=str(root), **options, **PLAIN))
    for old, new in zip(made[0].test, made[1].test, strict=True):
        assert torch.equal(old[0], new[0])
        assert old[1] == new[1]
    assert [int(clip.path.stem.split("_")[-1]) for clip in clips(made[0].test)] == [91, 909] * 10
    assert [int(clip.path.stem.split("_")[-1]) for clip in clips(made[0].train)] == [5, 17, 908] * 10


def test_both_layouts_of_dvs_gesture_have_the_same_gestures(tmp_path: Path) -> None:
    options = {"time_steps": 2, "size": 16, "val_fraction": 0.4}
    ibm = dvs_gesture(root=str(generate.write_gesture(tmp_path / "a", 5, 2)), **options, **PLAIN)
    tonic = dvs_gesture(root=str(generate.write_tonic_gesture(tmp_path / "b", 5, 2)), **options, **PLAIN)
    for splits in (ibm, tonic):
        assert splits.class_names == CLASS_NAMES
        assert (CLASS_NAMES[0], CLASS_NAMES[7], CLASS_NAMES[10]) == (
            "hand_clapping",
            "arm_roll",
            "other_gestures",
        )
        assert splits.test.labels.tolist() == [*range(11)] * 2
        assert len(splits.train) == 33
        assert len(splits.val) == 22
        users = [{users_of(clip) for clip in clips(part)} for part in (splits.train, splits.val, splits.test)]
        assert [len(of_part) for of_part in users] == [3, 2, 2]
        assert not users[0] & users[1]
        assert users[2] == {"user24", "user25"}
    # Gesture 3 runs to the left, whatever the layout: the last frame's events lie there.
    for splits in (ibm, tonic):
        for label in (0, 5):
            last = splits.test[label][0][1].sum(0)
            middle = (last * torch.arange(16)).sum() / last.sum()
            assert (middle > 10) if label == 0 else (middle < 6)


def users_of(clip: Clip) -> str:
    return next(part for part in reversed(clip.path.parts) if part.startswith("user"))[:6]


def test_a_gesture_ends_where_the_next_begins(tmp_path: Path) -> None:
    labels = tmp_path / "user22_led_labels.csv"
    labels.write_text("class,startTime_usec,endTime_usec\n2,50,90\n1,10,60\n11,90,95\n")
    found = labelled_cuts(tmp_path / "user22_led.aedat", labels)
    assert [(clip.label, clip.cut) for clip in found] == [(0, (10, 50)), (1, (50, 90)), (10, (90, 95))]


def test_shd_by_hand(tmp_path: Path) -> None:
    generate.write_spike_h5(tmp_path / "shd_train.h5", [*range(20)] * 5)
    generate.write_spike_h5(tmp_path / "shd_test.h5", [19, 3, *range(20)])
    splits = shd(root=str(tmp_path), times=True, val_fraction=0.4, **PLAIN)
    assert splits.class_names[:11] == (
        *["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        "null",
    )
    assert splits.test.labels.tolist() == [19, 3, *range(20)]
    speakers = [{clip.entry // 20 for clip in clips(part)} for part in (splits.train, splits.val)]
    assert [len(of_part) for of_part in speakers] == [3, 2]
    assert not speakers[0] & speakers[1]
    with h5py.File(tmp_path / "shd_test.h5") as file:
        seconds, units = file["spikes/times"][1].astype(float), file["spikes/units"][1].astype(int)
    expected = np.zeros((int(seconds.max() / 0.01) + 1, 140))
    np.add.at(expected, ((seconds * 1e6).round().astype(int) // 10_000, units // 5), 1)
    x, _, times = splits.test[1]
    np.testing.assert_allclose(splits.test.standard.undo(x).expm1(), expected, atol=1e-4)
    np.testing.assert_allclose(times, 0.005 + 0.01 * np.arange(len(x)))


def test_bins_leave_out_what_comes_too_late() -> None:
    spikes = np.zeros(4, EVENT_DTYPE)
    spikes["t"], spikes["x"] = [0, 9_999, 10_000, 25_000], [0, 699, 350, 1]
    counts = ChannelBins(10.0, 2, 2)(spikes, COCHLEA)
    assert counts.tolist() == [[1, 1], [0, 1]]


def test_asl_dvs_stands_upright_and_its_test_files_are_fixed(tmp_path: Path) -> None:
    letters = "abcdefghiklmnopqrstuvwxy"
    root = generate.write_asl_dvs(tmp_path, letters, num=5)
    splits = asl_dvs(root=str(root), partial=True, time_steps=2, size=16, val_fraction=0, **PLAIN)
    assert splits.class_names == tuple(letters)
    again = asl_dvs(root=str(root), partial=True, time_steps=2, size=16, val_fraction=0, seed=3, **PLAIN)
    assert clips(splits.test) == clips(again.test)
    assert np.bincount(splits.test.labels).tolist() == [1] * 24
    # g, a quarter of the circle on, runs downwards.
    last = splits.test[6][0][1].sum((0, 2))
    assert (last * torch.arange(16)).sum() / last.sum() > 10


def test_ncaltech101_takes_names_of_folders_as_classes(tmp_path: Path) -> None:
    names = ["accordion", "BACKGROUND_Google", "yin_yang"]
    generate.write_ncaltech101(tmp_path, names, num=20)
    splits = ncaltech101(root=str(tmp_path), partial=True, size=[9, 12], time_steps=2, **PLAIN)
    assert splits.class_names == ("BACKGROUND_Google", "accordion", "yin_yang")
    assert np.bincount(splits.test.labels).tolist() == [2, 2, 2]
    found = clips(splits.train) + clips(splits.val) + clips(splits.test)
    assert all(splits.class_names[clip.label] == clip.path.parent.name for clip in found)
    assert len(set(found)) == 60


def test_the_fixed_test_files_do_not_depend_on_what_else_is_there() -> None:
    some = [Clip(Path(f"a/x_{number}.bin"), 0) for number in range(50)]
    assert fixed_test(some, 0.1)[1] == [clip for clip in some if clip in set(fixed_test(some[::-1], 0.1)[1])]
    assert set(fixed_test(some, 0.1)[1]) < set(fixed_test(some, 0.2)[1])
    assert sorted(["a_10", "a_9", "a_09"], key=natural) == ["a_09", "a_9", "a_10"]


@pytest.mark.parametrize("num_strays", [0, 2])
def test_a_coarser_grid_loses_nothing_but_strays(tmp_path: Path, num_strays: int) -> None:
    events = generate.ray(1, 10, np.random.default_rng(0), num=300)
    events["x"][:num_strays] = 60
    (tmp_path / "one.bin").write_bytes(bin40_bytes(events))
    found = Decoder(Sensor(34, 34), (10, 17))(Clip(tmp_path / "one.bin", 0))
    assert len(found) == 300 - num_strays
    assert found["t"][0] == 0
    assert np.array_equal(found["x"], events["x"][num_strays:] // 2)
    assert np.array_equal(found["y"], events["y"][num_strays:].astype(int) * 10 // 34)


def test_groups_stay_whole() -> None:
    groups = [f"user{number // 4}" for number in range(40)]
    labels = np.arange(40) % 2
    kept, held = carve_groups(groups, labels, 0.3, 0)
    assert held is not None
    assert sorted([*kept, *held]) == [*range(40)]
    assert len({groups[place] for place in held}) == 3
    assert not {groups[place] for place in held} & {groups[place] for place in kept}
    assert carve_groups(groups, labels, 0.0, 0)[1] is None
    assert any(not np.array_equal(held, carve_groups(groups, labels, 0.3, seed)[1]) for seed in range(1, 4))
    with pytest.raises(UsageError, match="class 7 is on one side only"):
        carve_groups(groups, np.where(np.arange(40) < 4, 7, labels), 0.3, 0)


@pytest.mark.parametrize(("name", "channels"), [("tokens", 3), ("token_groups", 6)])
def test_tokens_are_series_with_stamps(tmp_path: Path, name: str, channels: int) -> None:
    root = generate.write_nmnist(tmp_path, 2, 1)
    stored = {"augment": True, "cache": str(tmp_path / "cache")}
    for options in (PLAIN, stored):
        splits = nmnist(
            root=str(root), partial=True, val_fraction=0, representation=name, time_steps=40, **options
        )
        assert (splits.kind, splits.input_shape) == ("series", (40, channels))
        x, label, times = splits.train[3]
        assert (len(x), label) == (len(times), 1)
        assert 20 < len(x) <= 40
        # In seconds from the first event on, as the file has them.
        events = splits.train.recordings.events(3)
        assert 0 <= times[0] < times[-1] <= (events["t"][-1] - events["t"][0]) / 1e6
        assert (times.diff() >= 0).all()
        batch = collate([splits.train[0], splits.train[3]], pad_to=40)
        assert batch.times.shape == batch.mask.shape == (2, 40)


def test_a_subject_on_both_sides_of_gesture_is_refused(tmp_path: Path) -> None:
    root = generate.write_gesture(tmp_path, 3, 1)
    (listing,) = root.rglob("trials_to_test.txt")
    trial = (listing.parent / "trials_to_train.txt").read_text().split()[0]
    listing.write_text(listing.read_text() + trial + "\n")
    with pytest.raises(UsageError, match=f"{trial.partition('_')[0]} stand in the train and the test part"):
        dvs_gesture(root=str(root), **PLAIN)


def test_a_class_missing_from_the_test_part_is_named(tmp_path: Path) -> None:
    generate.write_spike_h5(tmp_path / "shd_train.h5", [*range(20)] * 2)
    generate.write_spike_h5(tmp_path / "shd_test.h5", [*range(19)])
    with pytest.raises(UsageError, match="shd, test: empty class: no sample of class 19"):
        shd(root=str(tmp_path), val_fraction=0, **PLAIN)


def test_a_part_of_a_set_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.write_spike_h5(tmp_path / "shd_train.h5", [*range(20)] * 2)
    generate.write_spike_h5(tmp_path / "shd_test.h5", [*range(20)])
    shd(root=str(tmp_path), val_fraction=0, **PLAIN)
    told = capsys.readouterr().err
    assert told == "snnpd: shd: found 40 and 20 to train and to test, the whole set has 8,156 and 2,264\n"


def test_values_of_surfaces_are_no_counts(tmp_path: Path) -> None:
    root = str(generate.write_nmnist(tmp_path, 2, 1))
    options = {"representation": "time_surface", "representation_options": {"tau_us": 50_000}}
    splits = nmnist(root=root, partial=True, val_fraction=0, **options, **PLAIN)
    x = splits.train.standard.undo(splits.train[0][0])
    assert 0 < x.max() <= 1
    assert x.max() == pytest.approx(1, abs=0.05)


def test_the_key_of_the_cache_knows_all_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("snnpd.datasets.cache.arrays.code_digest", lambda code: seen.extend(code) or "digest")
    root = str(generate.write_nmnist(tmp_path, 2, 1))
    nmnist(root=root, partial=True, val_fraction=0, size=12, cache=str(tmp_path / "cache"))
    names = {module.__name__ for module in seen}
    assert names >= {
        "snnpd.datasets.pipeline",
        "snnpd.datasets.representations",
        "snnpd.datasets.neuromorphic.decode",
    }

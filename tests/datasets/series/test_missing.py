"""Missing values of series."""

from pathlib import Path

import numpy as np
import pytest
import torch

from snnpd.datasets.loading import make_loader
from snnpd.datasets.series.ts import ts_folder
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.files import write_ts_text

# A gap in each channel, one spelt `?`; padding behind the second case; a token without any value in the third.
CASES = ["1,?,3:4,5,NaN:low", "7,8,nan:2,3,?:high", "5,?,1:6,nan,0:low", "2,2,2:1,2,3:high"]


def splits_of(folder: Path, cases: list[str] = CASES, **options: object) -> Splits:
    write_ts_text(folder / "Toy_TRAIN.ts", cases)
    write_ts_text(folder / "Toy_TEST.ts", ["1,2:3,4:low", "?,4:3,9:high"])
    return ts_folder(root=str(folder), problem="Toy", val_fraction=0, **options)


def test_by_default_they_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="Toy, train: case 1 has missing values; fill them in, or set missing='ind"
    ):
        splits_of(tmp_path)


def test_indicators_say_what_is_there(tmp_path: Path) -> None:
    splits = splits_of(tmp_path, missing="indicate")
    assert splits.input_shape == (3, 4)
    x = [splits.train[i][0] for i in range(4)]
    assert [len(one) for one in x] == [3, 2, 3, 3]
    there = [[[1, 1], [0, 1], [1, 0]], [[1, 1], [1, 1]], [[1, 1], [0, 0], [1, 1]], [[1, 1]] * 3]
    assert [one[:, 2:].tolist() for one in x] == there
    for one in x:
        assert not one[:, :2][one[:, 2:] == 0].any()
    channels = [[1, 3, 7, 8, 5, 1, 2, 2, 2], [4, 5, 2, 3, 6, 0, 1, 2, 3]]
    torch.testing.assert_close(
        splits.train.standard.mean, torch.tensor([np.mean(c) for c in channels]).float()
    )
    torch.testing.assert_close(splits.train.standard.std, torch.tensor([np.std(c) for c in channels]).float())
    assert x[0][0, 0] == pytest.approx((1 - np.mean(channels[0])) / np.std(channels[0]), rel=1e-5)
    batch = next(iter(make_loader(splits.train, 4, shuffle=False)))
    assert batch.mask.sum(1).tolist() == [3, 2, 3, 3]
    assert batch.x.isfinite().all()


def test_whole_series_are_the_same_either_way(tmp_path: Path) -> None:
    whole = ["1,2,3:4,5,6:low", "7,8:2,3:high"]
    write_ts_text(tmp_path / "Toy_TEST.ts", ["1,2:3,4:low"])
    write_ts_text(tmp_path / "Toy_TRAIN.ts", whole)
    plain, told = (
        ts_folder(root=str(tmp_path), problem="Toy", val_fraction=0, missing=missing).train[1][0]
        for missing in ("refuse", "indicate")
    )
    assert torch.equal(told[:, :2], plain)
    assert (told[:, 2:] == 1).all()


@pytest.mark.parametrize(
    ("cases", "missing", "message"),
    [
        (["1:2:low", "?:nan:high"], "indicate", "case 2 has no value at all"),
        (["1:?:low", "2:?:high"], "indicate", "channel 2 has no value in any series"),
        (["1:2:low", "inf:2:high"], "indicate", "case 2 has infinite values"),
        (["1:2:low", "1e60:2:high"], "refuse", "case 2 has infinite values"),
        (["1:2:low", "3:2:high"], "indicat", "did you mean 'indicate'"),
    ],
)
def test_what_no_choice_admits(tmp_path: Path, cases: list[str], missing: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        splits_of(tmp_path, cases, missing=missing)

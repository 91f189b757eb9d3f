"""The data sets by name."""

DATASETS: dict[str, str] = {
    "ts": "snnpd.datasets.series:ts_folder",
    "digits": "snnpd.datasets.digits:digits",
    "event_digits": "snnpd.datasets.event_digits:event_digits",
    "idx": "snnpd.datasets.idx:idx_folder",
    "mnist": "snnpd.datasets.idx:mnist",
    "fashion_mnist": "snnpd.datasets.idx:fashion_mnist",
    "cifar10": "snnpd.datasets.cifar:cifar10",
    "cifar100": "snnpd.datasets.cifar:cifar100",
    "japanese_vowels": "snnpd.datasets.series:japanese_vowels",
    "basic_motions": "snnpd.datasets.series:basic_motions",
}

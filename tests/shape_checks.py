"""The checker of signatures under pytest: every shape and type annotation of snnpd holds in every call."""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as in PEP 484

"""Installs the signature checks before anything of snnpd is imported."""

from jaxtyping import install_import_hook

import tests.shape_checks  # the hook below reaches it by its dotted name

install_import_hook("snnpd", f"{tests.shape_checks.__name__}.checker")

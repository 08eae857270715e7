"""How the documentation is built: `make docs` runs Sphinx with this file."""

import statustrack

project = "statustrack"
author = "statustrack contributors"
release = version = statustrack.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinxcontrib.mermaid"]

myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
add_module_names = False
maximum_signature_line_length = 88
# A link between two pages of ours that leads nowhere is a warning, and a warning is an error.
myst_ref_domains = ["std", "py"]

html_theme = "furo"
html_title = f"statustrack {release}"
html_copy_source = False

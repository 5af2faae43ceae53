"""The documentation as a site: `make docs`.

The source folder is the whole repository, so that links between Markdown files mean the same here and on a forge. What is
said of commands, evals and policies in the reference is generated.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "site"))

project = "releasegate"
author = "the releasegate authors"
root_doc = "docs/index"
extensions = ["myst_parser", "cards"]
source_suffix = {".md": "markdown"}
include_patterns = ["*.md", "docs/*.md", "docs/adr/*.md", "evals/*.md", "evals/*/README.md", "examples/*/*.md"]
exclude_patterns = ["**/.*", "runs", "build", "dist"]
suppress_warnings = ["myst.header"]  # an ADR's heading starts with its number

smartquotes = False
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_extra_path = ["site/start"]  # the first page of the site leads to docs/index.html
html_static_path = ["site/static"]
html_css_files = ["tables.css"]
html_title = "releasegate"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

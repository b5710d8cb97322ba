"""How the documentation is built: Sphinx, MyST and furo; warnings are errors (`./dev.sh docs`)."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from api_page import write_api_page  # noqa: E402  (found beside this file)
from environment_pages import write_environment_pages  # noqa: E402  (found beside this file)
from episode_fields import write_episode_fields  # noqa: E402  (found beside this file)
from layers_table import write_layers_table  # noqa: E402  (found beside this file)
from llm_tables import write_llm_tables  # noqa: E402  (found beside this file)

from wmil_envs._version import __version__  # noqa: E402  (below the path, with the others)

project = "WMIL"
author = "The WMIL authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "tables", "generated/layers.md", "generated/llm_*.md", "generated/episode_fields.md"]
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"WMIL {version}"
html_static_path = ["static"]
html_css_files = ["narrow.css"]
html_theme_options = {"navigation_with_keys": True}

write_environment_pages(HERE / "environments" / "generated")
write_layers_table(HERE / "generated" / "layers.md")
write_llm_tables(HERE / "generated")
write_api_page(HERE / "generated" / "api.md")
write_episode_fields(HERE / "generated" / "episode_fields.md")

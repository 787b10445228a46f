"""The site of the Python package: ``make docs``."""

import sys
import warnings
from pathlib import Path

import bilevel

# sphinx-gallery imports the reading order from here, wherever it is started.
sys.path.insert(0, str(Path(__file__).parent))

project = "bilevel"
author = "the bilevel developers"
copyright = author
release = version = bilevel.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "literal"
nitpicky = True
# Types in prose, as NumPy's style writes them, are no names of classes.
nitpick_ignore_regex = [("py:.*", ".*")]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = "bilevel"
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": ["sphinx-version"],
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    # What a newcomer reads first comes first.
    "within_subsection_order": "conf.reading_order",
    "min_reported_time": 1,
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "capture_repr": (),
    "abort_on_example_error": True,
    # An example may be as it was and the package not.
    "run_stale_examples": True,
}

ORDER = [
    "plot_lasso_in_one_line.py",
    "plot_choosing_a_criterion.py",
    "plot_certificate.py",
    "plot_path.py",
    "plot_million_weights.py",
    "plot_deblurring.py",
    "plot_tomography.py",
    "plot_heat_equation.py",
    "plot_own_problem.py",
    "plot_from_lassocv.py",
    "plot_from_glmnet.py",
    "plot_from_sparse_ho.py",
]


def reading_order(name):
    """The place of an example in the gallery; new ones go last."""
    return ORDER.index(name) if name in ORDER else len(ORDER)


# matplotlib warns that a figure cannot be shown where there is no screen.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

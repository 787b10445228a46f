"""Learn the regularization of models from data, by calculus."""

from bilevel._core import __version__

__all__ = ["__version__"]

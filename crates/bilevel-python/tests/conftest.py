"""Settings that must stand before SciPy is imported."""

import os

# Without it one of scikit-learn's estimator checks would be skipped.
os.environ["SCIPY_ARRAY_API"] = "1"

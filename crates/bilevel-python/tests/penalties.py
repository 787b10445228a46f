"""How scikit-learn is told its penalty: by ``l1_ratio`` alone since 1.8, by ``penalty`` before."""

import sklearn
from sklearn.utils.fixes import parse_version

IS_OLD = parse_version(sklearn.__version__) < parse_version("1.8")
L1 = {"penalty": "l1"} if IS_OLD else {"l1_ratio": 1.0}
ELASTIC_NET = {"penalty": "elasticnet"} if IS_OLD else {}

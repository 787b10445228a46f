"""
One million weights on text
===========================

A bag of words has a feature for each word of the language, most of them rare. One λ for all of them
shrinks the words that matter as strongly as those that do not. Here each of a million words has a λ
of its own, learned by descending on the validation loss: its derivative in all of them costs one
linear system of the size of the *support*, the few hundred words that the model uses.

The documents are generated: words have the frequencies of a language (the r-th most frequent has a
share proportional to 1/r), and sixty of them decide the class, with noise. So the truth is known.
"""

import os
import time
import warnings

import numpy as np
from bilevel import SparseClassifier, plot
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

# In tests: the same with less of everything.
SHORT = os.environ.get("BILEVEL_SHORT_EXAMPLES") == "1"
n_documents, n_words = (1_500, 5_000) if SHORT else (8_000, 1_000_000)
words_in_a_document = 100

rng = np.random.default_rng(0)
share = np.cumsum(1 / np.arange(1, n_words + 1))
drawn = np.searchsorted(share / share[-1], rng.random(n_documents * words_in_a_document))
row = np.repeat(np.arange(n_documents), words_in_a_document)
X = sparse.csc_matrix((np.ones(len(drawn)), (row, drawn)), shape=(n_documents, n_words))
X.data = np.log1p(X.data)

meaning = np.zeros(n_words)
telling = rng.choice(np.arange(20, 1000), 60, replace=False)
meaning[telling] = 2 * rng.standard_normal(60)
log_odds = 2 * (X @ meaning)
log_odds -= np.median(log_odds)
y = rng.random(n_documents) < 1 / (1 + np.exp(-log_odds))

train, test = np.arange(n_documents) < n_documents // 2, np.arange(n_documents) >= n_documents // 2
print(f"{n_documents:,} documents, {n_words:,} words, {X.nnz:,} entries")

# %%
# One knob, two knobs, a million knobs
# ------------------------------------
# The matrix is never made dense, and there is no loop over the words.
models = {}
for weights, n_knobs in [("scalar", 1), ("adaptive", 2), ("feature", n_words)]:
    started = time.perf_counter()
    model = SparseClassifier(weights=weights, criterion="holdout", max_outer=30, random_state=0)
    with warnings.catch_warnings():
        # A search that is cut short says so; thirty steps are enough to see where it goes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X[train], y[train])
    models[weights] = model
    kept = np.flatnonzero(model.coef_[0])
    print(
        f"{n_knobs:9,} knobs: {time.perf_counter() - started:6.1f} s, "
        f"validation loss {model.criterion_value_:.3f}, "
        f"right on new documents {model.score(X[test], y[test]):.1%}, "
        f"{len(kept)} words kept, {np.isin(kept, telling).sum()} of the 60 that matter among them"
    )
best = np.mean((log_odds[test] > 0) == y[test])
print(f"with the true log-odds one is right on {best:.1%}")

# %%
# The lesson is in the columns. More knobs always lower the validation loss, since it is what they
# were turned by; on new documents a million of them need not be better than two. The value that was
# optimized is not the error to expect. That is why ``weights="auto"`` does not begin at the top,
# and keeps a step up only if validation rows that did not choose the weights agree that it is
# better.
#
# The learned weights
# -------------------
# Ranked from the smallest λ to the largest: the search has lowered λ for a few words and left the
# rest.
plot.weights(models["feature"])

# %%
# And with two knobs, which penalize a word the less the larger its coefficient was at first.
plot.weights(models["adaptive"])

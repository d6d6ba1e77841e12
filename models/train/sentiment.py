"""Train the word weights of the sentiment model: `mien train sentiment`.

Data: "Sentiment Labelled Sentences" (Kotzias et al. 2015, CC BY 4.0), its amazon and imdb parts, as the JavaScript
package `sentiment` 5.0.2 carries them beside its tests. Its yelp part is kept for the benchmark.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.sentiment import words_of

PARTS = ("amazon", "imdb")


def read(folder: Path) -> tuple[list[str], list[int]]:
    """Sentences and labels (1 pleasant, 0 unpleasant) of amazon.json and imdb.json in `folder`."""
    rows = [row for part in PARTS for row in json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))]
    kept = [row for row in rows if row["class"] in (0, 1)]
    return [row["text"] for row in kept], [row["class"] for row in kept]


def train(texts: list[str], labels: list[int], out: Path) -> float:
    """Fit and write `out` (npz); the accuracy of a 5-fold cross-validation."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon = SentimentIntensityAnalyzer()
    scores = np.array([[lexicon.polarity_scores(text)["compound"]] for text in texts])
    tfidf = TfidfVectorizer(analyzer=words_of, min_df=2, sublinear_tf=True)
    inputs = hstack([tfidf.fit_transform(texts), csr_matrix(2 * scores)]).tocsr()
    # No intercept: reviews are no neutral talk, and a sentence without known words must say nothing.
    fitted = LogisticRegression(C=1.0, fit_intercept=False).fit(inputs, labels)
    coefficients = fitted.coef_[0]
    np.savez(
        out,
        words=tfidf.get_feature_names_out().astype(str),
        rarity=tfidf.idf_.astype(np.float32),
        weights=coefficients[:-1].astype(np.float32),
        lexicon=np.array([2 * coefficients[-1]], dtype=np.float32),
    )
    return float(cross_val_score(LogisticRegression(C=1.0, fit_intercept=False), inputs, labels, cv=5).mean())


def main(argv: Sequence[str]) -> int:
    """`mien train sentiment --data FOLDER [--out FILE]`."""
    parser = argparse.ArgumentParser(prog="mien train sentiment", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds amazon.json and imdb.json")
    default = Path(__file__).parent.parent / "weights" / "sentiment.npz"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args(argv)
    missing = [part for part in PARTS if not (args.data / f"{part}.json").is_file()]
    if missing:
        parser.error(f"{args.data} holds no {missing[0]}.json: take test/fixtures of the package sentiment 5.0.2")
    accuracy = train(*read(args.data), args.out)
    digest = hashlib.sha256(args.out.read_bytes()).hexdigest()
    print(f"cross-validated accuracy {accuracy:.4f}\n{args.out}: {args.out.stat().st_size} bytes, sha256 {digest}")
    return 0

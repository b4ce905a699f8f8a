"""Statistics behind intervals and verdicts: distributions, and variances of clustered ratios."""

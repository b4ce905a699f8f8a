"""The one loop that trains any model on any corpus, and what it needs: decoding and metrics."""

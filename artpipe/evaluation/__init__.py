"""How good the classifier and the embeddings are on works they never saw."""

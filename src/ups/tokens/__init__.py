"""What a token means: the vocabulary, and the text features that its embeddings are made from."""

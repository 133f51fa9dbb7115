"""Pictures to latents and captions to embeddings, kept under their content's address."""

"""LoRA training that resumes to the same bytes."""

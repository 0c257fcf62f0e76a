"""Expression from morphology: targets, splits, training, scores; whatever the model."""

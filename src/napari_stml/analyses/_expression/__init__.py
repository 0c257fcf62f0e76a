"""Parts of the expression models: form, study, training, what they leave."""

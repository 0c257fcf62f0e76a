"""Parts of the trait maps: form, steps, what they leave."""

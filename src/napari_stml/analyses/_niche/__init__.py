"""Parts of the neighbourhoods: form, live views, what they leave."""

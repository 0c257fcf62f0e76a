"""Parts of SpaCon: form, graphs, live blend, charts."""

"""SpaCon's network: two graph-attention encoders, one decoder on the connections."""

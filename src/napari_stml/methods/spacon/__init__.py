"""SpaCon: space and connections, blended. Graphs, training, the blend of both views.

Rows of every link matrix are sources of messages, columns their targets.
"""

"""What a user draws: regions, their classes, the edits on them, and what can be asked of them.

Positions are reference pixels (x, y). Nothing here knows a file or a screen.
"""

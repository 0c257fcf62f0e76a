"""Files in, files out: sections, slides, tables, the store. No screen."""

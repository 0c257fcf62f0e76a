"""`python -m napari_stml` is the command line."""

from napari_stml.cli import main

raise SystemExit(main())

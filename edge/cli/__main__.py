"""`python -m edge.cli` is `mien`."""

import sys

from edge.cli import main

sys.exit(main())

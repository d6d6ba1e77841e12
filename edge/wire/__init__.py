"""The contract between a device and a bridge. README.md beside this file tells it in full.

Imports no picture, sound or model library, so that a bridge or an integrator can take this folder alone.
"""

from edge.errors import WireError as WireError

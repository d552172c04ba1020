"""What a double can hold."""

from __future__ import annotations

from typing import Final

#: Up to here, either side of zero, a double tells every whole number from its neighbours.
EXACT_INTEGERS: Final = 2**53

"""From two loose cameras to aligned pairs: registration across the bands."""

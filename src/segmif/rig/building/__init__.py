"""From a recorded and annotated folder to a benchmark like FMB, and the report that says what is in it.

`build` writes the layout and the splits (`drives` keeps what was filmed in one go together), `inspect` measures a data
set, `statistics` and `figures` say what its classes are, `card` writes the data card.
"""

"""`python -m segmif` is the command `segmif`; `torchrun -m segmif` starts several."""

from segmif.cli import main

raise SystemExit(main())

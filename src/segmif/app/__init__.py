"""Pages in the browser: `segmif serve`, and the annotator of a rig's recordings. Extra ``app``."""

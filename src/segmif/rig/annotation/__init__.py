"""Polygons on pairs: the document, its raster, foreign formats, pre-labels and how far two annotators agree."""

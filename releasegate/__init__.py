"""releasegate: decide from measurements whether a model may be published, and export what may."""

__version__ = "0.1.0"

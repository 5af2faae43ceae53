"""Drawings: from plain data to SVG that takes the colours of the page."""

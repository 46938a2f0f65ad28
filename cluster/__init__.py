"""The engine: runs any study's plan on Ray and keeps its results; it contains no finance."""

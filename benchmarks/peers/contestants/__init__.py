"""One program for each way of stepping or learning; a worker runs one of them in the library's own environment."""

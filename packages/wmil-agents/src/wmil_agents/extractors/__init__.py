"""Features extractors: from an observation space to a vector of features."""

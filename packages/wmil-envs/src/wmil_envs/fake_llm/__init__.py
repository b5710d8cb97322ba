"""A server on this machine that stands in for a language model: by the rule, or with the faults that are asked for."""

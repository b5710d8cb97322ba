"""Does a surgeon that learns repair a damaged policy, and better than what needs no learning?"""

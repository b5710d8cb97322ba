"""How the states of Stable-Baselines3's and Gymnasium's own classes are kept."""

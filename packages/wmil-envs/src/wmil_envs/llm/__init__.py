"""What a parent that is a language model needs: questions, providers, a store, a budget. One file each."""

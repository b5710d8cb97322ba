"""The command `wmil`: a shell over the library."""
